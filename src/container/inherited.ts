/** Descriptors that the caller hands through to the container: `--preserve-fds`, and those of socket activation. */
import { fstatSync, readlinkSync } from 'node:fs'
import { missingPreservedFd } from '../errors/wording.ts'

export interface Inherited {
  /** Descriptors 3 … 3+count-1 stay open. */
  readonly count: number
  /** What the container is told about them. */
  readonly env: readonly string[]
}

/**
 * Counts the descriptors: first those of LISTEN_FDS, when LISTEN_PID says that they are meant for this process (sd_listen_fds(3)), then `preserve` more.
 * @throws TsrunError `usage` when one of the latter is not open
 */
export function inheritedDescriptors(preserve: number): Inherited {
  const listen = process.env.LISTEN_PID === String(process.pid) ? Number.parseInt(process.env.LISTEN_FDS ?? '0', 10) || 0 : 0
  checkPreserved(3 + listen, preserve)
  return { count: listen + preserve, env: listen === 0 ? [] : [`LISTEN_FDS=${listen}`, 'LISTEN_PID=1'] }
}

/**
 * Checks that the descriptors from `first` on that are to be passed are there.
 * @throws TsrunError `usage` when one is not open
 */
export function checkPreserved(first: number, preserve: number): void {
  for (let fd = first; fd < first + preserve; fd++) if (!isCallers(fd)) throw missingPreservedFd(fd, preserve)
}

/** False for closed ones, and for those of the engine's event loop, which take the numbers that the caller left free. */
function isCallers(fd: number): boolean {
  try {
    fstatSync(fd)
    return !/^anon_inode:\[(eventpoll|eventfd|io_uring|timerfd)/.test(readlinkSync(`/proc/self/fd/${fd}`))
  } catch {
    return false
  }
}
