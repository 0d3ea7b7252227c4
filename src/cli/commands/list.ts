/** `tsrun list` */
import { list } from '../../container/list.ts'
import type { ContainerState } from '../../container/types.ts'
import { invalidFormat } from '../../errors/wording.cli.ts'
import type { Main } from '../commands.ts'
import { print } from '../print.ts'
import { printable } from '../report.ts'

export const main: Main<'list'> = async ({ flags, options }) => {
  const states = await list(options)
  if (flags.quiet) print(states.map(({ id }) => `${id}\n`).join(''))
  else if (flags.format === 'json') print(asJson(states))
  else if (flags.format === 'table') print(asTable(states))
  else throw invalidFormat(flags.format)
  return 0
}

/** One line; `null` for an empty list, as Go encodes it: containerd's go-runc decodes that. */
export const asJson = (states: readonly ContainerState[]): string => `${states.length === 0 ? 'null' : JSON.stringify(states)}\n`

/** Columns are at least 12 wide and 3 apart, as runc's tabwriter makes them; the last one is not padded. */
export function asTable(states: readonly ContainerState[]): string {
  const rows = [
    ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'],
    ...states.map(({ id, pid, status, bundle, created, owner }) => [id, String(pid), status, printable(bundle), created, owner])
  ]
  const widths = rows[0]!.map((_, column) => Math.max(12, ...rows.map((row) => width(row[column]!) + 3)))
  return rows
    .map((row) => `${row.map((cell, column) => (column === 5 ? cell : cell + ' '.repeat(widths[column]! - width(cell)))).join('')}\n`)
    .join('')
}

/** In code points, as tabwriter counts. */
const width = (cell: string): number => [...cell].length
