/** A runtime that does nothing must hold nothing: else a requirement would be held by whoever is asked. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { findMachine, unfit } from './machine.ts'
import type { Report } from './report.ts'
import { title } from './requirement.ts'

const main = fileURLToPath(new URL('main.js', import.meta.url))
const TIMEOUT_MS = 115_000

function run(runtime: string, json: string): Promise<number | null> {
  const child = spawn(process.execPath, [main, '--runtime', runtime, '--json', json, '--jobs', '4'], {
    stdio: 'ignore',
    env: { ...process.env, CONFORMANCE_PATIENCE: '0' }
  })
  return new Promise((resolve) => child.on('exit', resolve))
}

/** Tests that a program that is no runtime holds not one requirement. */
export function holdsNothing(runtime: string): void {
  t.setTimeout(TIMEOUT_MS)
  t.test(`${runtime} as a runtime`, { skip: unfit(findMachine()) ?? false, timeout: TIMEOUT_MS }, async (t) => {
    const json = join(t.testdir({}), 'report.json')
    t.equal(await run(runtime, json), 1, 'exit status')
    const { outcomes } = JSON.parse(readFileSync(json, 'utf8')) as Report
    t.ok(outcomes.filter(({ result }) => result === 'failed').length > 500, 'requirements that are not held')
    t.same(
      outcomes.filter(({ result }) => result === 'held').map(({ requirement }) => title(requirement)),
      [],
      'requirements that are held'
    )
  })
}
