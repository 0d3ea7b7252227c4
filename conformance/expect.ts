/** Expectations of rows: each says in words what it saw when that is not what the specification demands. */
import type { Expectation } from './requirement.ts'

const short = (text: string): string => JSON.stringify(text.length > 600 ? `${text.slice(0, 600)}…` : text)

/** Exactly this, without regard to white space around it. */
export const is =
  (wanted: string): Expectation =>
  (seen) =>
    seen.trim() === wanted ? undefined : `saw ${short(seen)}, not ${short(wanted)}`

/** Anything but this, and not nothing. */
export const isNot =
  (unwanted: string): Expectation =>
  (seen) =>
    seen.trim() !== unwanted && seen.trim() !== '' ? undefined : `saw ${short(seen)}`

/** A match. */
export const like =
  (pattern: RegExp): Expectation =>
  (seen) =>
    pattern.test(seen) ? undefined : `saw ${short(seen)}, which does not match ${pattern}`

/** No match in an output that is not empty. */
export const unlike =
  (pattern: RegExp): Expectation =>
  (seen) =>
    seen.trim() !== '' && !pattern.test(seen) ? undefined : `saw ${short(seen)}, which is to be there and not to match ${pattern}`

/** The script succeeded. */
export const succeeds: Expectation = (seen, status) => (status === 0 ? undefined : `exit status ${status}: ${short(seen)}`)

/** The script failed, and said that for this reason. */
export const failsWith =
  (pattern: RegExp): Expectation =>
  (seen, status) =>
    status !== 0 && pattern.test(seen) ? undefined : `exit status ${status}: ${short(seen)}, which is to fail with ${pattern}`

/** Comma-separated words (as mount options are): all of `wanted`, none of `unwanted`. */
export const words =
  (wanted: readonly string[], unwanted: readonly string[] = []): Expectation =>
  (seen) => {
    const found = new Set(seen.trim().split(/[\s,]+/))
    const missing = wanted.filter((each) => !found.has(each))
    const extra = unwanted.filter((each) => found.has(each))
    if (missing.length === 0 && extra.length === 0 && seen.trim() !== '') return undefined
    return `saw ${short(seen)}: missing ${missing.join(', ') || 'nothing'}, unwanted ${extra.join(', ') || 'nothing'}`
  }

/** What is seen, judged by another expectation that depends on the host's own value. */
export const host =
  (value: () => string, expectation: (value: string) => Expectation): Expectation =>
  (seen, status) =>
    expectation(value())(seen, status)
