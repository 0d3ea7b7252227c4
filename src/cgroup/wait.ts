/** Waiting for the kernel without an event loop: the runtime has nothing else to do. */

const never = new Int32Array(new SharedArrayBuffer(4))

/** Sleeps; the whole thread. */
export function sleepMs(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds)
}

/**
 * Calls `done` until it returns true, with pauses that grow from 1 to 20 ms, for about `limitMs`.
 * Returns false when it never did. The last call is made after the time is up, so a limit of 0 asks once.
 */
export function until(limitMs: number, done: () => boolean): boolean {
  const end = performance.now() + limitMs
  for (let pauseMs = 1; !done(); pauseMs = Math.min(pauseMs * 2, 20)) {
    if (performance.now() >= end) return false
    sleepMs(pauseMs)
  }
  return true
}
