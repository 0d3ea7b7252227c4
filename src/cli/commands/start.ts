/** `tsrun start` */
import { start } from '../../container/start.ts'
import type { Main } from '../commands.ts'

export const main: Main<'start'> = async ({ args, options }) => {
  await start(args[0]!, options)
  return 0
}
