/** Locks between commands (flock(2)): they belong to the open file, and end with the process whatever happens to it. */
import { EAGAIN, EINTR, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN } from './constants.ts'
import { check, syscall, systemError } from './ffi.ts'

/** Longest wait for a lock by default: as long as a slow command holds it, and shorter than an engine's own timeouts. */
const LOCK_TIMEOUT_MS = 10_000

/** Takes the lock of open file `fd` if it is free; false when somebody else holds it. */
export function tryLockFile(fd: number, exclusive: boolean): boolean {
  for (;;) {
    const result = syscall('flock', fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB)
    if (result === -EAGAIN) return false
    if (result !== -EINTR) return check(result, 'lock a file') === 0
  }
}

/**
 * Takes the lock of open file `fd`, waiting at most `timeoutMs`, while the event loop goes on: the holder may be another operation of this very process.
 * Throws TsrunError `system`, EAGAIN when the time is over.
 */
export async function lockFile(fd: number, exclusive: boolean, timeoutMs = LOCK_TIMEOUT_MS): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (let pauseMs = 1; !tryLockFile(fd, exclusive); pauseMs = Math.min(2 * pauseMs, 50)) {
    if (performance.now() >= deadline) throw systemError(EAGAIN, 'lock a file', `another command has held it for ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** Gives the lock back. */
export function unlockFile(fd: number): void {
  check(syscall('flock', fd, LOCK_UN), 'unlock a file')
}
