/** Runs cases, several at a time, and gives the results in the order of the cases. */
import type { Case, Requirement, Verdict } from './requirement.ts'
import type { Stage } from './stage.ts'

/** What came out of one requirement. */
export interface Outcome {
  readonly requirement: Requirement
  readonly result: 'held' | 'failed' | 'skipped'
  /** Why it failed or was skipped. */
  readonly detail: string
  /** Time of the case, divided among its requirements. */
  readonly ms: number
}

async function verdicts(each: Case, stage: Stage): Promise<readonly Verdict[]> {
  try {
    return await each.run(stage)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return each.requirements.map(() => why)
  }
}

async function settle(each: Case, stage: Stage): Promise<readonly Outcome[]> {
  const skips = each.requirements.map((requirement) => requirement.needs?.(stage.machine))
  const begun = performance.now()
  const found = skips.every((reason) => reason !== undefined) ? [] : await verdicts(each, stage)
  const ms = (performance.now() - begun) / each.requirements.length
  return each.requirements.map((requirement, i) => {
    const [skip, failure] = [skips[i], found[i]]
    if (skip !== undefined) return { requirement, result: 'skipped', detail: skip, ms: 0 }
    return { requirement, result: failure === undefined ? 'held' : 'failed', detail: failure ?? '', ms }
  })
}

/**
 * Runs all cases.
 *
 * @param jobs how many at a time
 * @returns the outcomes in the order of the cases, each as soon as it and all before it are known
 */
export async function* run(cases: readonly Case[], stage: Stage, jobs: number): AsyncGenerator<Outcome> {
  const outcomes: Promise<readonly Outcome[]>[] = []
  const resolvers = cases.map((_, i) => {
    let resolve: (value: readonly Outcome[]) => void = () => {}
    outcomes[i] = new Promise((give) => (resolve = give))
    return resolve
  })
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < cases.length) {
      const i = next++
      resolvers[i]!(await settle(cases[i]!, stage))
    }
  }
  const workers = Array.from({ length: jobs }, worker)
  for (const outcome of outcomes) yield* await outcome
  await Promise.all(workers)
}
