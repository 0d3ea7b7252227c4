/**
 * What the rules say about each call of one architecture. Pure.
 *
 * Typed arrays, because 1,300 entries in Maps cost half a millisecond in an engine that has just started.
 */
import type { Answer, Range } from './prologue.ts'
import type { Rule } from './rules.ts'

/** Numbers that a table holds. Beyond are ARM's private calls alone. */
const TABLE_SIZE = 1024

/** No rule names the call. */
const UNNAMED = 0
/** The profile names it and says the same as for all others. */
export const NAMED = 1
/** Conditions decide: `conditional` holds the rules. */
export const CONDITIONAL = 2
/** The number alone decides: `actions` holds what. As in libseccomp, the first rule without conditions has the last word. */
export const DECIDED = 3
/** libseccomp decides. */
const LEFT = 4

export interface Table {
  /** Number of the first call: 0, but not on MIPS and x32. */
  readonly base: number
  /** Whether arguments have 64 bits. */
  readonly wide: boolean
  /** By number less `base`. */
  readonly states: Uint8Array
  /** SECCOMP_RET_* with data. */
  readonly actions: Uint32Array
  /** By number less `base`. */
  readonly conditional: Map<number, Rule[]>
  /** One more than the highest index in use. */
  end: number
}

export const newTable = (base: number, wide: boolean): Table => ({
  base,
  wide,
  states: new Uint8Array(TABLE_SIZE),
  actions: new Uint32Array(TABLE_SIZE),
  conditional: new Map(),
  end: 0
})

/** What a rule with `action` and as many conditions says of a call. */
export const stateOf = ({ action, args }: Rule, defaultAction: number): number =>
  action === defaultAction ? NAMED : args.length > 0 ? CONDITIONAL : DECIDED

/** Enters what `rule` says of the call `number`. False when the table has no place for it. */
export function enter(table: Table, number: number, state: number, rule: Rule): boolean {
  const { states, actions, conditional } = table
  const index = number - table.base
  const before = states[index]
  if (before === undefined) return false
  if (index >= table.end) table.end = index + 1
  if (state === CONDITIONAL && before <= CONDITIONAL) {
    const rules = conditional.get(index)
    if (rules === undefined) conditional.set(index, [rule])
    else rules.push(rule)
  }
  if (state > before) {
    states[index] = state
    actions[index] = rule.action
  }
  return true
}

/** Leaves the decision about the call `number` to libseccomp. */
export function leave({ base, states }: Table, number: number): void {
  if (number >= base && states[number - base] !== UNNAMED) states[number - base] = LEFT
}

/** The calls that have rules, ascending; neighbours with the same action are one range. */
export function rangesOf({ base, wide, states, actions, conditional, end }: Table): Range[] {
  const ranges: Range[] = []
  for (let start = 0; start < end; start++) {
    const state = states[start]
    if (state !== DECIDED && state !== CONDITIONAL) continue
    const from = start
    const answer: Answer = state === DECIDED ? actions[start]! : { alternatives: conditional.get(start)!, wide }
    while (state === DECIDED && states[start + 1] === DECIDED && actions[start + 1] === answer) start++
    ranges.push({ from: base + from, to: base + start, answer })
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
