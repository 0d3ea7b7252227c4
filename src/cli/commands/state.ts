/** `tsrun state` */
import { state } from '../../container/state.ts'
import type { Main } from '../commands.ts'
import { print } from '../print.ts'

/** Prints the state as runc does: two spaces, and no newline at the end. */
export const main: Main<'state'> = async ({ args, options }) => {
  print(JSON.stringify(await state(args[0]!, options), null, 2))
  return 0
}
