/** Steps as the passes write them: jumps may be relative, so that pieces can be put together freely. `link` makes them absolute. */
import type { ErrnoName } from '../abi/errno.ts'
import type { Step, Target } from './step.ts'

/** `{skip: n}` goes past the n steps that follow. */
export type DraftTarget = Target | { readonly skip: number }

export interface Draft extends Omit<Step, 'on' | 'then' | 'zero'> {
  readonly on?: { readonly [E in ErrnoName | 'any']?: DraftTarget }
  readonly then?: DraftTarget
  readonly zero?: DraftTarget
}

/** Replaces relative jumps by labels; labels that are made here are `@` and the step's index. Throws when a jump leaves the program. */
export function link(drafts: readonly Draft[]): readonly Step[] {
  const labels: (string | undefined)[] = drafts.map((draft) => draft.label)
  const absolute = (target: DraftTarget, from: number): Target => {
    if (typeof target === 'string' || 'to' in target) return target
    const index = from + 1 + target.skip
    if (index >= drafts.length) throw new RangeError(`step ${from} (${drafts[from]?.says}) goes past the end`)
    labels[index] ??= `@${index}`
    return target.skip === 0 ? 'next' : { to: labels[index]! }
  }
  const linked = drafts.map((draft, i) => linkStep(draft, (target) => absolute(target, i)))
  return linked.map((step, i) => (labels[i] === undefined ? step : { ...step, label: labels[i]! }))
}

function linkStep(draft: Draft, absolute: (target: DraftTarget) => Target): Step {
  const { on, then, zero, ...rest } = draft
  return {
    ...rest,
    ...(on === undefined ? {} : { on: Object.fromEntries(Object.entries(on).map(([errno, target]) => [errno, absolute(target)])) }),
    ...(then === undefined ? {} : { then: absolute(then) }),
    ...(zero === undefined ? {} : { zero: absolute(zero) })
  }
}
