/** Counters that poll(2) can wait for (eventfd(2)). */
import { EAGAIN, EFD_CLOEXEC, EFD_NONBLOCK } from './constants.ts'
import { type OwnedFd, ownResult } from './fd.ts'
import { check, syscall } from './ffi.ts'

/** A new counter at 0; CLOEXEC, non-blocking. Throws TsrunError `system`. */
export const eventfd = (): OwnedFd => ownResult(syscall('eventfd2', 0, EFD_CLOEXEC | EFD_NONBLOCK), 'create an eventfd')

/** Adds one. */
export const signalEvent = (fd: number): void => void check(syscall('write', fd, new BigUint64Array([1n]), 8), 'write to an eventfd')

/** What was added since the last call; 0 when nothing was. */
export function takeEvents(fd: number): number {
  const counter = new BigUint64Array(1)
  const result = syscall('read', fd, counter, 8)
  if (result !== -EAGAIN) check(result, 'read an eventfd')
  return Number(counter[0])
}
