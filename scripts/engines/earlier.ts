/** `--add`: a run that goes on where an earlier one had no time. Its results and the earlier ones are told as one. */
import type { CheckResult } from '../../test/engines/check.ts'
import { type Job, NO_TIME } from './jobs.ts'

type Key = Pick<CheckResult, 'engine' | 'feature' | 'runtime'>

const isSame = (a: Key, b: Key): boolean => a.engine === b.engine && a.feature === b.feature && a.runtime === b.runtime

/** What is told of a session that has not come to its checks, or not to their end. */
const BROKEN = ['start', 'session']

/** Results that stand: of checks that were run, or are not to be run here. */
export const decided = (results: readonly CheckResult[]): CheckResult[] =>
  results.filter(({ feature, detail }) => detail !== NO_TIME && !BROKEN.includes(feature))

/** What is left of jobs, whose engines have only the checks that nothing is known of. */
export const missing = (jobs: readonly Job[], known: readonly CheckResult[]): Job[] =>
  jobs
    .map(({ engine, runtime }) => {
      const isMissing = (feature: string): boolean => !known.some((each) => isSame(each, { engine: engine.name, feature, runtime }))
      return { engine: { ...engine, checks: engine.checks.filter(({ feature }) => isMissing(feature)) }, runtime }
    })
    .filter(({ engine }) => engine.checks.length > 0)

/** Both runs' results. What both have, that nothing is left behind, fails when it failed in either. */
export function merged(known: readonly CheckResult[], fresh: readonly CheckResult[]): CheckResult[] {
  const again = (one: CheckResult): CheckResult | undefined => fresh.find((each) => isSame(each, one))
  return [
    ...known.map((one) => (one.outcome === 'failed' ? one : (again(one) ?? one))),
    ...fresh.filter((one) => !known.some((each) => isSame(each, one)))
  ]
}
