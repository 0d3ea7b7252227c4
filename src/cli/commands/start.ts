/** `tsrun start` */
import { start } from '../../container/start.ts'
import type { Main } from '../commands.ts'
import { readiness } from './creation.ts'

export const main: Main<'start'> = async ({ args, options }) => {
  await start(args[0]!, { ...options, ...readiness() })
  return 0
}
