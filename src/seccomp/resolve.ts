/** Which number each name has on each architecture, and which rules libseccomp must compile. */
import { isMultiplexed, type Libseccomp, UNKNOWN_NAME } from './libseccomp.ts'
import { actions } from './names.ts'
import { landmark, newerCalls } from './newer.ts'
import type { Rule } from './rules.ts'
import { enter, leave, NAMED, newTable, stateOf, type Table } from './table.ts'

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
  /** The rules that libseccomp must see: it knows how calls hide behind socketcall(2) and ipc(2). On other architectures the tables answer before it. */
  readonly rest: readonly RuleName[]
  /** Names that no architecture has. */
  readonly unknown: readonly string[]
  /** Whether a rule that is in force notifies. */
  readonly notifies: boolean
}

/** Calls that stand for many others: libseccomp adds conditions to them when a rule names one of those. */
const isMultiplexer = (name: string): boolean => name === 'socketcall' || name === 'ipc'

/** __AUDIT_ARCH_64BIT without __AUDIT_ARCH_CONVENTION_MIPS64_N32 (linux/audit.h). */
const isWide = (token: number): boolean => token >= 0x8000_0000 && (token & 0x2000_0000) === 0

/** @param defaultAction rules with the same action say nothing, as in runc */
export function resolve(rules: readonly Rule[], defaultAction: number, filtered: readonly Filtered[], library: Libseccomp): Resolved {
  const tokens = filtered.map(({ token }) => token)
  const tables = tokens.map((token) => newTable(library.syscall(token, landmark.name) - landmark.number, isWide(token)))
  const rest: RuleName[] = []
  const unknown: string[] = []
  let notifies = false
  for (const rule of rules) {
    const state = stateOf(rule, defaultAction)
    for (let item = 0; item < rule.names.length; item++) {
      const found = enterName(rule, item, state, tokens, tables, library)
      if (found === Found.nowhere) unknown.push(rule.names[item]!)
      else if (state !== NAMED) {
        notifies ||= rule.action === actions.SCMP_ACT_NOTIFY
        if (found === Found.beyondTables) rest.push({ rule, item })
      }
    }
  }
  for (const { rule, item } of rest) {
    const name = rule.names[item]!
    if (isMultiplexer(name)) tables.forEach((table, i) => void leave(table, library.syscall(tokens[i]!, name)))
  }
  return { tables, rest, unknown, notifies }
}

const Found = { nowhere: 0, inTables: 1, beyondTables: 2 } as const

function enterName(
  rule: Rule,
  item: number,
  state: number,
  tokens: readonly number[],
  tables: readonly Table[],
  library: Libseccomp
): number {
  const name = rule.names[item]!
  let found: number = isMultiplexer(name) ? Found.beyondTables : Found.nowhere
  for (let i = 0; i < tokens.length; i++) {
    const number = library.syscall(tokens[i]!, name)
    if (number === UNKNOWN_NAME) continue
    if (isMultiplexed(number) || (number >= 0 && !enter(tables[i]!, number, state, rule))) found = Found.beyondTables
    else if (found === Found.nowhere) found = Found.inTables
  }
  const newer = found === Found.nowhere ? newerCalls.get(name) : undefined
  if (newer === undefined) return found
  for (const table of tables) enter(table, table.base + newer, state, rule)
  return Found.inTables
}
