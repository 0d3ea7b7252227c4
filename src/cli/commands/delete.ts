/** `tsrun delete` */
import { deleteContainer } from '../../container/delete.ts'
import type { Main } from '../commands.ts'

export const main: Main<'delete'> = async ({ args, flags, options }) => {
  await deleteContainer(args[0]!, { ...options, force: flags.force })
  return 0
}
