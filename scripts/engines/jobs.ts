/** What is to be tried, whatever the place is where engines run. */
import type { CheckResult, Engine } from '../../test/engines/check.ts'

/** One engine with one runtime; the engine has only the checks that are wanted. */
export interface Job {
  readonly engine: Engine
  readonly runtime: string
}

/** What all jobs of a place have in common. */
export interface Orders {
  readonly jobs: readonly Job[]
  /** What has not begun by then, in milliseconds from the start of this process, is a failure. */
  readonly deadline: number
  /** How many test machines run at a time, unless as many as this one can bear. */
  readonly machines?: number | undefined
  /** Told of each job as soon as it has ended. */
  readonly done: (job: Job, results: readonly CheckResult[]) => void
}

/** A job that ended before its last check, or without any. */
export const broken = ({ engine, runtime }: Job, why: string): CheckResult => ({
  engine: engine.name,
  feature: 'session',
  runtime,
  outcome: 'failed',
  detail: why,
  ms: 0
})

/** What a session looks at when its checks have been run. */
export const LAST = 'nothing is left behind'

/** For session.ts: the checks that are wanted. */
export const features = ({ engine }: Job): string => JSON.stringify(engine.checks.map(({ feature }) => feature))

/** Why a check was not run that would have begun too late. */
export const NO_TIME = 'no time was left'

/** A check for which no time was left. */
export const unrun = (engine: Engine, runtime: string, feature: string): CheckResult => ({
  engine: engine.name,
  feature,
  runtime,
  outcome: 'skipped',
  detail: NO_TIME,
  ms: 0
})

/** The result that a line of a session's output tells; undefined: it is what a program said. */
export const resultOf = (line: string): CheckResult | undefined =>
  line.startsWith('{"engine":') ? (JSON.parse(line) as CheckResult) : undefined
