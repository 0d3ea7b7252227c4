/** The suite itself: its requirements are distinct, and a runtime that does nothing fails. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { cases } from './chapters.ts'
import { findMachine, unfit } from './machine.ts'
import type { Report } from './report.ts'
import { title } from './requirement.ts'

const main = fileURLToPath(new URL('main.js', import.meta.url))
const skip = unfit(findMachine()) ?? false
t.setTimeout(230_000)

t.test('every requirement is distinct, and names document, heading and keyword', async (t) => {
  const titles = cases.flatMap(({ requirements }) => requirements.map(title))
  t.same(
    titles.filter((each, i) => titles.indexOf(each) !== i),
    []
  )
  t.same(
    titles.filter(
      (each) => !/^(runtime|runtime-linux|config|config-linux)\.md#[a-z0-9-]+ (MUST|MUST NOT|REQUIRED|SHOULD|SHOULD NOT): ./.test(each)
    ),
    []
  )
})

for (const runtime of ['/bin/true', '/bin/false']) {
  t.test(`${runtime} as a runtime holds nothing`, { skip, timeout: 110_000 }, async (t) => {
    const json = join(t.testdir({}), 'report.json')
    const { status } = spawnSync(process.execPath, [main, '--runtime', runtime, '--json', json], {
      stdio: 'ignore',
      env: { ...process.env, CONFORMANCE_PATIENCE: '0.02' }
    })
    t.equal(status, 1)
    const { outcomes } = JSON.parse(readFileSync(json, 'utf8')) as Report
    t.ok(outcomes.some(({ result }) => result === 'failed'))
    t.same(
      outcomes.filter(({ result }) => result === 'held').map(({ requirement }) => title(requirement)),
      []
    )
  })
}
