/** Waiting for the end of a container in the foreground. */
import { type EndedChild, waitAnyChild, waitPidAsync } from '../linux/process.ts'
import { poll } from '../linux/socket.ts'
import { reap } from './program.ts'

const POLLIN = 1
/** Short-lived commands end while we just wait; only for others the event loop is worth its cost. */
const BLOCKING_MS = 10

/**
 * Waits until init has ended, and reaps it.
 * @param all reaps every child that ends: a subreaper gets the orphans of its descendants, and would leave them as zombies. Not for a library.
 */
export async function untilInitEnds(pid: number, pidfd: number, all: boolean): Promise<EndedChild | undefined> {
  if (poll([{ fd: pidfd, events: POLLIN }], BLOCKING_MS)[0] !== 0) return reap(pid)
  return all ? reapAllUntil(pid) : waitPidAsync(pid)
}

function reapAllUntil(pid: number): Promise<EndedChild> {
  return new Promise((resolve) => {
    const look = (): void => {
      for (let child = waitAnyChild({ hang: false }); child !== undefined; child = waitAnyChild({ hang: false })) {
        if (child.pid !== pid) continue
        process.off('SIGCHLD', look)
        clearInterval(keepRunning)
        resolve(child)
        return
      }
    }
    process.on('SIGCHLD', look)
    // A listener for signals does not keep the program alive; the period is a safety net for signals that something else has swallowed.
    const keepRunning = setInterval(look, 1000)
    look()
  })
}
