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

type Writable = { -readonly [K in keyof Draft]: Draft[K] }

/**
 * Replaces relative jumps by the indices of the steps. Throws a RangeError when a jump leaves the program.
 * In place, for the passes' steps are nobody else's; only `on` may be shared by several steps, and is copied.
 */
export function link(drafts: readonly Draft[]): readonly Step[] {
  for (let i = 0; i < drafts.length; i++) {
    const draft = drafts[i] as Writable
    if (draft.then !== undefined) draft.then = absolute(draft.then, i, drafts.length)
    if (draft.zero !== undefined) draft.zero = absolute(draft.zero, i, drafts.length)
    if (draft.on !== undefined) draft.on = absoluteErrnos(draft.on, i, drafts.length)
  }
  return drafts as readonly Step[]
}

function absolute(target: DraftTarget, from: number, length: number): Target {
  if (typeof target !== 'object' || !('skip' in target)) return target
  const index = from + 1 + target.skip
  if (index >= length) throw new RangeError(`step ${from} goes past the end`)
  return target.skip === 0 ? 'next' : index
}

function absoluteErrnos(on: NonNullable<Draft['on']>, from: number, length: number): NonNullable<Draft['on']> {
  let copy: Record<string, DraftTarget> | undefined
  for (const errno in on) {
    const target = on[errno as ErrnoName]!
    if (typeof target !== 'object' || !('skip' in target)) continue
    copy ??= { ...on } as Record<string, DraftTarget>
    copy[errno] = absolute(target, from, length)
  }
  return copy ?? on
}
