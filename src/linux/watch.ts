/**
 * Waiting for descriptors, for any number of callers at a time with one thread of the engine's pool, which has only a few:
 * it polls the descriptors of all of them, and an eventfd by which it is told that there are others now.
 */
import type { PollFd } from '../abi/structs.ts'
import { POLLIN } from './constants.ts'
import { eventfd, signalEvent, takeEvents } from './eventfd.ts'
import type { OwnedFd } from './fd.ts'
import { pollAsync } from './socket.ts'

interface Waiter {
  readonly fds: readonly PollFd[]
  readonly end: (events: readonly number[]) => void
  readonly fail: (cause: unknown) => void
}

/** An abandoned poll(2) would hold its thread no longer than this. */
const ROUND_MS = 60_000
/** setTimeout takes no more. */
const LONGEST_MS = 2 ** 31 - 1

const waiters = new Set<Waiter>()
let doorbell: OwnedFd | undefined

/**
 * Waits until one of `fds` has events, `timeoutMs` (at most 24 days) is over or `signal` is aborted, and returns the events of each; all 0 in the latter cases.
 * The descriptors stay the caller's, and may be closed when it returns. The event loop goes on.
 */
export function untilReady(fds: readonly PollFd[], timeoutMs: number, signal?: AbortSignal): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const none = (): void => waiter.end(fds.map(() => 0))
    const timer = setTimeout(none, Math.min(timeoutMs, LONGEST_MS))
    const leave = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', none)
      waiters.delete(waiter)
      ring()
    }
    const waiter: Waiter = {
      fds,
      end: (events) => {
        leave()
        resolve(events)
      },
      fail: (cause) => {
        leave()
        reject(cause)
      }
    }
    if (signal?.aborted) return none()
    signal?.addEventListener('abort', none)
    waiters.add(waiter)
    if (doorbell === undefined) void serve()
    else ring()
  })
}

/** The thread looks again at who waits. */
function ring(): void {
  if (doorbell !== undefined) signalEvent(doorbell.fd)
}

async function serve(): Promise<void> {
  using bell = eventfd()
  doorbell = bell
  try {
    while (waiters.size > 0) await round(bell.fd)
  } catch (cause) {
    for (const waiter of [...waiters]) waiter.fail(cause)
  } finally {
    doorbell = undefined
  }
}

async function round(bell: number): Promise<void> {
  const present = [...waiters]
  const [, ...events] = await pollAsync([{ fd: bell, events: POLLIN }, ...present.flatMap(({ fds }) => fds)], ROUND_MS)
  takeEvents(bell)
  let at = 0
  for (const waiter of present) {
    const own = events.slice(at, at + waiter.fds.length)
    at += waiter.fds.length
    if (waiters.has(waiter) && own.some((event) => event !== 0)) waiter.end(own)
  }
}
