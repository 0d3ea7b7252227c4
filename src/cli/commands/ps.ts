/** `tsrun ps` */
import { ps, psTable } from '../../container/ps.ts'
import { invalidFormat } from '../../errors/wording.cli.ts'
import type { Main } from '../commands.ts'
import { print } from '../print.ts'

export const main: Main<'ps'> = async ({ flags, args, options }) => {
  const [id, ...psOptions] = args
  if (flags.format === 'json') print(asJson(await ps(id!, options)))
  else if (flags.format === 'table') print(await psTable(id!, psOptions, options))
  else throw invalidFormat(flags.format)
  return 0
}

/** One line; `null` for an empty list, as Go encodes it: containerd's go-runc decodes that. */
export const asJson = (pids: readonly number[]): string => `${pids.length === 0 ? 'null' : JSON.stringify(pids)}\n`
