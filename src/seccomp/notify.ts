/** Taking the descriptor of user notifications from a process and handing it to the agent at `listenerPath` (config-linux.md#containerprocessstate). */

import { packMessageHeader, packRights } from '../abi/structs.ts'
import type { Seccomp } from '../config/types.ts'
import type { ContainerState } from '../container/types.ts'
import { listenerFailed } from '../errors/wording.seccomp.ts'
import { MSG_NOSIGNAL } from '../linux/constants.ts'
import { type OwnedFd, ownResult } from '../linux/fd.ts'
import { addressOf, check, keepAlive, syscall } from '../linux/ffi.ts'
import { connectUnix, receiveFd, writeAll } from '../linux/socket.ts'

/** A process whose filter notifies, as the agent hears of it. */
export interface NotifyingProcess {
  /** Of the process, as the runtime sees it; for `exec` it is not the container's. */
  readonly pid: number
  /** The container's state: `creating` for init, `running` for `exec`. */
  readonly state: Pick<ContainerState, 'ociVersion' | 'id' | 'pid' | 'status' | 'bundle' | 'annotations'>
}

/** Where the listener is: a descriptor of the process's own, or on its way through a socket that the process has sent it to. */
export type ListenerSource = { readonly number: number } | { readonly socket: number }

/**
 * Passes the listener of a process, which waits, on to the agent.
 * @param process `pidfd` stays the caller's
 * @throws TsrunError `system`
 */
export function passOn(
  from: ListenerSource,
  profile: Pick<Seccomp, 'listenerPath' | 'listenerMetadata'>,
  process: NotifyingProcess & { readonly pidfd: number }
): void {
  using listener = 'socket' in from ? receiveFd(from.socket).fd : takeListener(process.pidfd, from.number)
  sendListener(listener.fd, profile, process)
}

/**
 * Takes the descriptor `fd` of a process, which its filter has given it, as our own (pidfd_getfd(2), since Linux 5.6). The caller owns it.
 * @throws TsrunError `system`: EPERM when we may not trace the process, which takes CAP_SYS_PTRACE
 */
export const takeListener = (pidfd: number, fd: number): OwnedFd =>
  ownResult(syscall('pidfd_getfd', pidfd, fd, 0), 'take the seccomp listener of the process')

const EINTR = 4

/**
 * Connects to the agent, sends ContainerProcessState and `fd` in one message, and closes the connection, which is used for nothing else.
 * Does nothing for a profile without listenerPath.
 *
 * @param fd the descriptor that seccomp(2) returned; stays the caller's, who should close it
 * Throws TsrunError `system`: the spec wants a failure to be an error.
 */
export function sendListener(fd: number, profile: Pick<Seccomp, 'listenerPath' | 'listenerMetadata'>, process: NotifyingProcess): void {
  const { listenerPath } = profile
  if (!listenerPath) return
  try {
    using socket = connectUnix(listenerPath)
    sendAll(socket.fd, fd, new TextEncoder().encode(processState(profile, process)))
  } catch (error) {
    throw listenerFailed(listenerPath, error)
  }
}

/** ContainerProcessState, in the order of the spec. */
export function processState({ listenerMetadata }: Pick<Seccomp, 'listenerMetadata'>, { pid, state }: NotifyingProcess): string {
  const { ociVersion, id, status, bundle, annotations } = state
  return JSON.stringify({
    ociVersion,
    fds: ['seccompFd'],
    pid,
    ...(listenerMetadata && { metadata: listenerMetadata }),
    state: { ociVersion, id, status, pid: state.pid, bundle, ...(annotations && { annotations }) }
  })
}

/** The kernel may take a part of a long state; the descriptor goes with the first part. */
function sendAll(socket: number, fd: number, data: Uint8Array): void {
  const message = packMessageHeader(data, packRights(fd), addressOf)
  let sent = -EINTR
  while (sent === -EINTR) sent = syscall('sendmsg', socket, message.header, MSG_NOSIGNAL)
  keepAlive(message)
  writeAll(socket, data.subarray(check(sent, 'send a file descriptor')))
}
