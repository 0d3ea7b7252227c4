/** `tsrun resume` */
import { resume } from '../../container/resume.ts'
import type { Main } from '../commands.ts'

export const main: Main<'resume'> = async ({ args, options }) => {
  await resume(args[0]!, options)
  return 0
}
