/** Writing to standard output and standard error, synchronously: the process ends right after. */
import { writeSync } from 'node:fs'
import { fileError } from '../errors/wording.cli.ts'

/** Exit status of a process that SIGPIPE ended; what a C program in our place would show its parent. */
const SIGPIPE_STATUS = 141

/**
 * Writes to standard output. Ends the process quietly when nobody reads any more (Node and Bun ignore SIGPIPE, so write(2) fails with EPIPE).
 * @throws TsrunError `system` for every other errno, such as ENOSPC
 */
export function print(text: string): void {
  try {
    writeAll(1, text)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(SIGPIPE_STATUS)
    throw fileError('write to standard output', error)
  }
}

/** Writes to standard error; a failure is ignored, because there is no other place to report it. */
export function printError(text: string): void {
  try {
    writeAll(2, text)
  } catch {}
}

/**
 * Writes all of `text` to a descriptor, which stays the caller's. Waits where it is non-blocking and full: engines pass such pipes.
 * @throws Error with `code`
 */
export function writeAll(fd: number, text: string): void {
  const data = Buffer.from(text)
  for (let done = 0; done < data.length; ) {
    try {
      done += writeSync(fd, data, done)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}
