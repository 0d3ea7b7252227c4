/** Which jobs share a test machine, in which order the machines come, and how much of the time each of them may take. */
import type { CheckResult } from '../../test/engines/check.ts'
import type { Job } from './jobs.ts'

/** Jobs of one engine, which take turns in one machine. */
export interface Batch {
  readonly jobs: readonly [Job, ...Job[]]
  readonly results: CheckResult[]
  /** What was said besides results. */
  said: string
  /** The machine's programs. */
  versions: string
}

function byEngine(jobs: readonly Job[]): Batch[] {
  const names = [...new Set(jobs.map(({ engine }) => engine.name))]
  return names.flatMap((name) => {
    const [first, ...others] = jobs.filter(({ engine }) => engine.name === name)
    return first ? [{ jobs: [first, ...others], results: [], said: '', versions: '' }] : []
  })
}

const isOwn = ({ runtime }: Job): boolean => runtime === 'tsrun'

/** Before anything is known: what a step takes under emulation, and what an engine takes to start. */
const STEP_MS = 5_000
const START_MS = 30_000

/** What an engine took with tsrun, it takes with the others, as far as anybody knows. */
function cost({ engine }: Job, known: readonly CheckResult[]): number {
  const own = known.filter((each) => each.engine === engine.name && each.runtime === 'tsrun')
  const steps = engine.checks.reduce((sum, { steps }) => sum + steps.length, 0)
  return START_MS + (own.length > 0 ? own.reduce((sum, { ms }) => sum + ms, 0) : steps * STEP_MS)
}

/**
 * tsrun's come first; those of the runtimes that are only compared with get what time is left. Of each kind the longest comes first, so that machines
 * that run at the same time end at about the same time.
 */
export function batches(jobs: readonly Job[]): Batch[] {
  const longestFirst = (some: readonly Batch[]): Batch[] => [...some].sort((a, b) => cost(b.jobs[0], []) - cost(a.jobs[0], []))
  return [jobs.filter(isOwn), jobs.filter((job) => !isOwn(job))].flatMap((some) => longestFirst(byEngine(some)))
}

/**
 * The part of the time that is left which a batch may take, so that those after it have theirs.
 *
 * @param waiting the batches after it; tsrun's do not wait for the others
 * @param machines how many run at a time
 * @param known results so far
 */
export function share(batch: Batch, waiting: readonly Batch[], machines: number, known: readonly CheckResult[]): number {
  const costOf = ({ jobs }: Batch): number => jobs.reduce((sum, job) => sum + cost(job, known), 0)
  const alike = [batch, ...waiting].filter(({ jobs }) => isOwn(jobs[0]) === isOwn(batch.jobs[0]))
  return Math.min(1, (machines * costOf(batch)) / alike.reduce((sum, each) => sum + costOf(each), 0))
}
