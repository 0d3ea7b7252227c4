/** Which number each name has on each architecture, and which calls libseccomp must compile. */
import { isMultiplexed, type Libseccomp, UNKNOWN_NAME } from './libseccomp.ts'
import { actions } from './names.ts'
import { landmark, newerCalls } from './newer.ts'
import type { Rule } from './rules.ts'
import { DECIDED, enter, isMixed, leaveToLibseccomp, MIXED, NAMED, newTable, type Table } from './table.ts'

/** An architecture that the filter covers. */
export interface Filtered {
  /** libseccomp's name. */
  readonly name: string
  /** SCMP_ARCH_*. */
  readonly token: number
  /** JSON pointer. */
  readonly pointer: string
}

/** One name of a rule. */
export interface RuleName {
  readonly rule: Rule
  /** Index in the rule's names. */
  readonly item: number
}

export interface Resolved {
  /** For each architecture. */
  readonly tables: readonly Table[]
  /** The rules that libseccomp must see; on some architectures the tables answer before it. */
  readonly rest: readonly RuleName[]
  /** What is ignored: no architecture has the call, or there are conditions and libseccomp does not know the call. */
  readonly ignored: readonly RuleName[]
  /** Whether a rule that is in force notifies. */
  readonly notifies: boolean
}

/** Calls that stand for many others: libseccomp adds conditions to them when a rule names one of those. */
const multiplexers = ['socketcall', 'ipc']

/**
 * Sorts `rules`. A call is answered by its number on an architecture when all rules that reach that number are without conditions and agree;
 * then neither their order nor libseccomp's way of merging them can matter.
 *
 * @param defaultAction rules with the same action say nothing, as in runc
 */
export function resolve(rules: readonly Rule[], defaultAction: number, filtered: readonly Filtered[], library: Libseccomp): Resolved {
  const tokens = filtered.map(({ token }) => token)
  const tables = tokens.map((token) => newTable(library.syscall(token, landmark.name) - landmark.number))
  const numbers: number[] = []
  const ignored: RuleName[] = []
  let notifies = false
  for (const rule of rules) {
    const state = stateOf(rule, defaultAction)
    for (let item = 0; item < rule.names.length; item++) {
      if (!enterName(rule, item, state, tokens, tables, numbers, library)) ignored.push({ rule, item })
      else if (rule.action === actions.SCMP_ACT_NOTIFY) notifies = true
    }
  }
  tables.forEach((table, i) => {
    for (const name of multiplexers) leaveToLibseccomp(table, library.syscall(tokens[i]!, name))
  })
  return { tables, rest: restOf(rules, defaultAction, numbers, tables), ignored, notifies }
}

const stateOf = ({ action, args }: Rule, defaultAction: number): number =>
  action === defaultAction ? NAMED : args.length > 0 ? MIXED : DECIDED

/** Enters one name in all tables and appends its numbers; false when it must be ignored. */
function enterName(
  { names, action, args }: Rule,
  item: number,
  state: number,
  tokens: readonly number[],
  tables: readonly Table[],
  numbers: number[],
  library: Libseccomp
): boolean {
  const name = names[item]!
  let found = false
  for (let i = 0; i < tokens.length; i++) {
    const number = library.syscall(tokens[i]!, name)
    numbers.push(number)
    if (number !== UNKNOWN_NAME) found = true
    if (number >= 0) enter(tables[i]!, number, state, action)
  }
  if (found) return true
  const newer = newerCalls.get(name)
  // libseccomp would have to compile the conditions, and cannot.
  if (newer === undefined || args.length > 0) return false
  for (const table of tables) enter(table, table.base + newer, state, action)
  return true
}

/** @param numbers of all names in order, for each all architectures */
function restOf(rules: readonly Rule[], defaultAction: number, numbers: readonly number[], tables: readonly Table[]): RuleName[] {
  const rest: RuleName[] = []
  let at = 0
  for (const rule of rules) {
    for (let item = 0; item < rule.names.length; item++, at += tables.length) {
      if (rule.action !== defaultAction && isUndecided(numbers, at, tables)) rest.push({ rule, item })
    }
  }
  return rest
}

function isUndecided(numbers: readonly number[], at: number, tables: readonly Table[]): boolean {
  for (let i = 0; i < tables.length; i++) {
    const number = numbers[at + i]!
    if (number < 0 ? isMultiplexed(number) : isMixed(tables[i]!, number)) return true
  }
  return false
}
