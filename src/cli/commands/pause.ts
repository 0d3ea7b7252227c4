/** `tsrun pause` */
import { pause } from '../../container/pause.ts'
import type { Main } from '../commands.ts'

export const main: Main<'pause'> = async ({ args, options }) => {
  await pause(args[0]!, options)
  return 0
}
