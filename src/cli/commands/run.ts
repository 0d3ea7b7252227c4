/** `tsrun run` */
import { run } from '../../container/run.ts'
import type { Main } from '../commands.ts'
import { creation } from './creation.ts'

/** Ends with the status of the user's process; with `--detach` with 0. */
export const main: Main<'run'> = async (invocation) => {
  const { flags } = invocation
  const { exitStatus } = await run({
    ...creation(invocation),
    detach: flags.detach,
    keep: flags.keep,
    noSubreaper: flags['no-subreaper']
  })
  return exitStatus
}
