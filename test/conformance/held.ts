/** tsrun through the conformance suite: what it holds is a pass; what it does otherwise on purpose is listed here, with the reason. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Report } from '../../conformance/report.ts'
import { title } from '../../conformance/requirement.ts'
import { asRoot, repository, tsrunPath } from '../harness.ts'
import { PARTS } from './parts.ts'

/** Requirements that tsrun does not hold, and why. */
const DEVIATIONS: ReadonlyMap<string, string> = new Map([
  [
    'runtime.md#delete MUST: delete of a created container has no effect and generates an error',
    'as runc and crun: containerd deletes created tasks, and expects their processes to be killed'
  ]
])

function run(json: string, only: readonly string[]): Promise<void> {
  const main = join(repository, 'build/conformance/main.js')
  const args = only.flatMap((each) => ['--only', each])
  const child = spawn(process.execPath, [main, '--runtime', tsrunPath(), '--json', json, ...args], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', () => resolve())
  })
}

/** Tests tsrun against the requirements of one part. */
export const holds = (part: keyof typeof PARTS): void => holdsThose(PARTS[part], asRoot)

/**
 * Tests tsrun against some requirements.
 * @param only parts of their titles
 */
export function holdsThose(only: readonly string[], skip: string | false): void {
  t.setTimeout(115_000)
  t.test('tsrun', { skip, timeout: 110_000 }, async (t) => {
    const json = join(t.testdir({}), 'report.json')
    await run(json, only)
    const { outcomes } = JSON.parse(readFileSync(json, 'utf8')) as Report
    for (const { requirement, result, detail } of outcomes) {
      const name = title(requirement)
      const deviation = DEVIATIONS.get(name)
      if (result === 'skipped') t.pass(name, { skip: detail })
      else if (deviation !== undefined) t.ok(result === 'held', name, { todo: deviation })
      else t.equal(detail, '', name)
    }
  })
}
