/** `tsrun delete` */
import { deleteContainer } from '../../container/delete.ts'
import type { Main } from '../commands.ts'

export const main: Main<'delete'> = async ({ args, flags, options }) => {
  const one = (id: string): Promise<void> => deleteContainer(id, { ...options, force: flags.force })
  if (flags.regex) await (await import('./matching.ts')).forMatching(args[0]!, options, one)
  else await one(args[0]!)
  return 0
}
