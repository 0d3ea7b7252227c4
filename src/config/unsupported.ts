/**
 * What config.json can ask for and this version does not do yet. Such a request is refused: a container that runs with less than
 * its configuration says is worse than none.
 */
import type { Problem } from '../errors/error.ts'
import { pointer } from './pointer.ts'

/** One thing that is refused. */
export interface Unsupported {
  /** Pointer; `*` stands for every entry of a list or member of an object. */
  readonly at: string
  /** What this version does not do, as a whole sentence without its end. */
  readonly says: string
  /** True for a value that asks for it; default: anything but '', false, [] and {}. */
  readonly when?: (value: unknown) => boolean
  /** Where the row counts; default both. `exec` means a process of its own document. */
  readonly only?: 'config' | 'exec'
}

/** False for a value that asks for nothing. */
const asks = (value: unknown): boolean =>
  value !== '' && value !== false && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0)

const rows: readonly Unsupported[] = [
  { at: '/linux/personality/flags', says: 'flags of the personality are not supported: the spec names none' }
]

/** Shrinks as tsrun grows. Rows about a process hold for the document of `exec --process` as well. */
export const unsupported: readonly Unsupported[] = Object.freeze(rows)

/** What `document` asks for in vain. A process of its own is given as `{ process }`, with `exec`. */
export function unsupportedProblems(document: unknown, where: 'config' | 'exec'): readonly Problem[] {
  const problems: Problem[] = []
  for (const row of unsupported) {
    if (row.only === undefined || row.only === where) collect(row, document, row.at.split('/'), 1, [], problems)
  }
  return problems
}

/** Follows a row's pointer from its segment `i` on; `at` is the way so far. */
function collect(row: Unsupported, value: unknown, path: readonly string[], i: number, at: readonly string[], problems: Problem[]): void {
  const name = path[i]
  if (name === undefined) {
    if ((row.when ?? asks)(value)) problems.push({ pointer: pointer(...at), message: row.says })
  } else if (typeof value !== 'object' || value === null) return
  else if (name !== '*') {
    const member = Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined
    if (member !== undefined) collect(row, member, path, i + 1, [...at, name], problems)
  } else {
    for (const [key, member] of Object.entries(value)) collect(row, member, path, i + 1, [...at, key], problems)
  }
}
