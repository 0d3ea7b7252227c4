/**
 * What the rules say about each call of one architecture. Pure.
 *
 * Typed arrays, because 1,300 entries in Maps cost half a millisecond in an engine that has just started.
 */
import type { Range } from './prologue.ts'

/** Numbers that a table holds; the rest, such as ARM's private ones, is libseccomp's. */
const TABLE_SIZE = 1024

/** No rule names the call. */
const UNNAMED = 0
/** The profile names it and says the same as for all others. */
export const NAMED = 1
/** Its number decides: `actions` holds what. */
export const DECIDED = 2
/** There are conditions, or rules that differ: libseccomp decides. */
export const MIXED = 3

export interface Table {
  /** Number of the first call: 0, but not on MIPS and x32. */
  readonly base: number
  /** By number less `base`. */
  readonly states: Uint8Array
  /** SECCOMP_RET_* with data. */
  readonly actions: Uint32Array
  /** One more than the highest index in use. */
  end: number
}

export const newTable = (base: number): Table => ({
  base,
  states: new Uint8Array(TABLE_SIZE),
  actions: new Uint32Array(TABLE_SIZE),
  end: 0
})

/** True when the table does not decide about the call. */
export function isMixed({ base, states }: Table, number: number): boolean {
  const state = states[number - base]
  return state === undefined || state === MIXED
}

/** Enters that a rule says `state` of the call `number`, with `action` when it is DECIDED. */
export function enter(table: Table, number: number, state: number, action: number): void {
  const { states, actions } = table
  const index = number - table.base
  const before = states[index]
  if (before === undefined) return
  if (index >= table.end) table.end = index + 1
  if (state === DECIDED && before === DECIDED && actions[index] !== action) states[index] = MIXED
  else if (state > before) {
    states[index] = state
    actions[index] = action
  }
}

/** Takes the decision about the call `number` from the table, if there is one. */
export function leaveToLibseccomp({ base, states }: Table, number: number): void {
  if (number >= 0 && states[number - base] === DECIDED) states[number - base] = MIXED
}

/** The calls that are decided, ascending; neighbours with the same action are one range. */
export function decidedRanges({ base, states, actions, end }: Table): Range[] {
  const ranges: Range[] = []
  let start = 0
  for (let index = 0; index <= end; index++) {
    if (index > start && index < end && states[index] === DECIDED && actions[index] === actions[start]) continue
    if (states[start] === DECIDED) ranges.push({ from: base + start, to: base + index - 1, action: actions[start]! })
    start = index
  }
  return ranges
}

/** The highest call from `from` to `to` that the profile names, whatever it says of it; -1 when there is none. */
export function highestNamed({ base, states, end }: Table, from: number, to: number): number {
  for (let index = Math.min(to - base, end - 1); index >= Math.max(from - base, 0); index--) {
    if (states[index] !== UNNAMED) return base + index
  }
  return -1
}
