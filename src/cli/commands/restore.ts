/** `tsrun restore` */
import { restore } from '../../container/restore.ts'
import type { Main } from '../commands.ts'
import { progress } from '../progress.ts'
import { criuSettings } from './criu.ts'

/** Ends with the status of the container's init; with `--detach` with 0. */
export const main: Main<'restore'> = async ({ args, flags, options }) => {
  // In the foreground the terminal is the container's.
  using _ = flags.detach ? progress(`restoring ${args[0]} …`) : undefined
  const { exitStatus } = await restore({
    ...options,
    ...criuSettings(flags),
    id: args[0]!,
    detach: flags.detach,
    noSubreaper: flags['no-subreaper'],
    noPivot: flags['no-pivot'],
    ...(flags.bundle ? { bundle: flags.bundle } : {}),
    ...(flags['pid-file'] ? { pidFile: flags['pid-file'] } : {}),
    ...(flags['console-socket'] ? { consoleSocket: flags['console-socket'] } : {}),
    ...(flags['lsm-profile'] ? { lsmProfile: flags['lsm-profile'] } : {}),
    ...(flags['lsm-mount-context'] ? { lsmMountContext: flags['lsm-mount-context'] } : {})
  })
  return exitStatus
}
