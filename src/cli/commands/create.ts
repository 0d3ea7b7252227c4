/** `tsrun create` */
import { create } from '../../container/create.ts'
import type { Main } from '../commands.ts'
import { creation } from './creation.ts'

export const main: Main<'create'> = async (invocation) => {
  await create(creation(invocation))
  return 0
}
