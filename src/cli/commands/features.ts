/** `tsrun features` */
import { features } from '../../container/features.ts'
import type { Main } from '../commands.ts'
import { print } from '../print.ts'

/** Indented by four, as runc does. */
export const main: Main<'features'> = async () => {
  print(`${JSON.stringify(await features(), null, 4)}\n`)
  return 0
}
