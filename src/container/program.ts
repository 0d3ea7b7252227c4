/** A process that a plan has become: holding it, ending it, and telling how it ended. spawn.ts starts it. */
import { signalName, signalNumbers } from '../abi/signals.ts'
import { errnoNameOf } from '../errors/wording.ts'
import type { OwnedFd } from '../linux/fd.ts'
import { type EndedChild, pidfdOpen, pidfdSendSignal, waitPid } from '../linux/process.ts'
import { poll, pollAsync } from '../linux/socket.ts'

const POLLIN = 1

/** A child of ours, held by its pidfd so that its pid cannot become somebody else's. */
export interface Child {
  readonly pid: number
  readonly pidfd: OwnedFd
}

/** Holds on to a child. */
export const hold = (pid: number): Child => ({ pid, pidfd: pidfdOpen(pid) })

/** Longest wait for a killed process; only an uninterruptible sleep takes longer. */
const KILL_MS = 10_000

/** Kills a child and reaps it; undefined when it has not died in time. Does not close the pidfd. */
export async function killChild(child: Child): Promise<EndedChild | undefined> {
  pidfdSendSignal(child.pidfd.fd, signalNumbers.SIGKILL)
  return (await untilGone(child.pidfd.fd, KILL_MS)) ? reap(child.pid) : undefined
}

/** Waits until the process of a pidfd has ended; false when the time is over. */
export async function untilGone(pidfd: number, timeoutMs: number): Promise<boolean> {
  const question = [{ fd: pidfd, events: POLLIN }]
  // A killed process usually ends within a millisecond or two.
  if (poll(question, Math.min(timeoutMs, 20))[0] !== 0) return true
  return (await pollAsync(question, timeoutMs))[0] !== 0
}

/** Reaps a process that has ended, if it is a child of ours: in a library program, which created the container itself, it is. */
export function reap(pid: number): EndedChild | undefined {
  try {
    return waitPid(pid, { hang: false })
  } catch (cause) {
    if (errnoNameOf(cause) === 'ECHILD') return undefined
    throw cause
  }
}

/** `exit status 1`, `killed by SIGKILL`. */
export const howItEnded = (child: EndedChild | undefined): string => {
  if (child === undefined) return 'nobody knows how'
  return child.signal === undefined ? `exit status ${child.exitCode}` : `killed by ${signalName(child.signal)}`
}
