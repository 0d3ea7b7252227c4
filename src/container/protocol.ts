/** The runtime's side of the talk with the program in the container; src/plan/protocol.ts has the messages. */

import { errnoNameOf } from '../errors/wording.ts'
import { poll, pollAsync, readMessage, writeAll } from '../linux/socket.ts'
import { decodeMessage, type Message, type NoticeName } from '../plan/protocol.ts'
import type { Interrupt } from './interrupt.ts'

const POLLIN = 1
/** A container is usually ready within this time; until then the thread just waits, which costs less than the event loop. */
const BLOCKING_MS = 20
const SLICE_MS = 200
/** More than the 8 bytes of a message, so that a longer one is noticed. */
const MESSAGE_MAX = 16
const GO = new Uint8Array([1])

/** What the runtime does at each notice before it answers. */
export type Handlers = Readonly<Record<Exclude<NoticeName, 'ready'>, (value: number) => void | Promise<void>>>

/** How the talk ended: at `ready`, which is not answered yet, by a step that failed, or by the program's death. */
export type Ending = { readonly kind: 'ready' } | { readonly kind: 'died' } | Extract<Message, { kind: 'failed' }>

/**
 * Handles notices until the program is ready or has failed.
 *
 * @param sync the runtime's end of the pair
 * @param clones whether the first process tells the pid of an init that it clones. Init runs at once and may be faster, so its notices wait for that.
 * @throws what a handler throws, and TsrunError `died` when a signal interrupts the wait
 */
export async function converse(sync: number, handlers: Handlers, clones: boolean, interrupt: Interrupt): Promise<Ending> {
  const early: Message[] = []
  let knowsInit = !clones
  for (;;) {
    const message = (knowsInit ? early.shift() : undefined) ?? (await nextMessage(sync, interrupt))
    if (message === undefined) return { kind: 'died' }
    if (message.kind === 'failed') return message
    // Before init exists, `cgroup` and `maps` are notices of the first process itself.
    const ofInit = message.kind !== 'initPid' && message.kind !== 'maps' && message.kind !== 'cgroup'
    if (ofInit && !knowsInit) early.push(message)
    else if (message.kind === 'ready') return { kind: 'ready' }
    else {
      await handlers[message.kind](message.value)
      if (message.kind === 'initPid') knowsInit = true
      else answer(sync)
    }
  }
}

/** Whether a write has failed since the peer is gone: with EPIPE, or once with ECONNRESET when it has left something unread. */
export const isGone = (cause: unknown): boolean => ['EPIPE', 'ECONNRESET'].includes(errnoNameOf(cause) ?? '')

/** Lets the program go on. One that has died in the meantime is noticed at the next read. */
export function answer(sync: number): void {
  try {
    writeAll(sync, GO)
  } catch (cause) {
    if (!isGone(cause)) throw cause
  }
}

/** The next message; undefined at end of file, which means that the program is gone. */
export async function nextMessage(sync: number, interrupt: Interrupt): Promise<Message | undefined> {
  await untilReadable(sync, interrupt)
  const bytes = readOrEnd(sync, MESSAGE_MAX)
  return bytes.length === 0 ? undefined : decodeMessage(bytes)
}

/** Waits for `fd` without keeping signals and the rest of the program waiting for long. */
export async function untilReadable(fd: number, interrupt: Interrupt): Promise<void> {
  let [events] = poll([{ fd, events: POLLIN }], BLOCKING_MS)
  while (!events) {
    interrupt.check()
    ;[events] = await pollAsync([{ fd, events: POLLIN }], SLICE_MS)
  }
}

/** A peer that closes with unread data makes ECONNRESET of the end of file: once, and before what it has said itself. */
function readOrEnd(fd: number, max: number): Uint8Array {
  try {
    return readMessage(fd, max)
  } catch (cause) {
    if (errnoNameOf(cause) !== 'ECONNRESET') throw cause
    return readMessage(fd, max)
  }
}

/**
 * Waits for the outcome of execve(2) after init was let go: undefined when the connection closed, for execve closes it; else the step that failed.
 */
export async function outcome(connection: number, interrupt: Interrupt): Promise<Extract<Message, { kind: 'failed' }> | undefined> {
  const message = await nextMessage(connection, interrupt)
  return message?.kind === 'failed' ? message : undefined
}
