/** The options that `create` and `run` share. */
import type { CreateOptions } from '../../container/types.ts'
import type { Invocation } from '../commands.ts'

/** What the library is told for `create` and `run`. */
export function creation({ flags, args, options }: Invocation<'create'> | Invocation<'run'>): CreateOptions {
  return {
    ...options,
    id: args[0]!,
    noPivot: flags['no-pivot'],
    noNewKeyring: flags['no-new-keyring'],
    preserveFds: flags['preserve-fds'],
    // As in runc, an empty path is one that was not given.
    ...(flags.bundle ? { bundle: flags.bundle } : {}),
    ...(flags.config ? { configFile: flags.config } : {}),
    ...(flags['pid-file'] ? { pidFile: flags['pid-file'] } : {}),
    ...(flags['console-socket'] ? { consoleSocket: flags['console-socket'] } : {}),
    ...(flags['pidfd-socket'] ? { pidfdSocket: flags['pidfd-socket'] } : {}),
    ...readiness()
  }
}

/** Whom to tell that the container is ready: sd_notify(3). */
export const readiness = (): { notifySocket?: string } => (process.env.NOTIFY_SOCKET ? { notifySocket: process.env.NOTIFY_SOCKET } : {})
