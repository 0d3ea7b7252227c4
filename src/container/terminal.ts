/**
 * The terminal of a container in the foreground: its master is ours, and what goes in and out is copied between it and the caller's terminal,
 * which is raw meanwhile.
 */
import type { OwnedFd } from '../linux/fd.ts'
import { check, syscall } from '../linux/ffi.ts'
import { poll, pollAsync, receiveFd, socketpairSeqpacket, writeAll } from '../linux/socket.ts'
import { getWindowSize, isTerminal, restore, setRaw, setWindowSize, type Termios } from '../linux/tty.ts'
import type { Work } from './work.ts'

const POLLIN = 1
const POLLOUT = 4
const F_SETFL = 4
const O_RDWR_NONBLOCK = 0o4002
const CHUNK = 32 * 1024
/** Input that the container does not read; more is read from the caller's terminal only when it has. */
const MAX_PENDING = 64 * 1024

export interface Terminal extends Disposable {
  /** The descriptor that init sends the master to. Without a call there is no terminal, and the rest does nothing. */
  socket(work: Work): number
  /** Takes the master, and makes the caller's terminal raw. */
  receive(): void
  /** Copies in both directions until the process of `pidfd` has ended and all of its output is written. */
  relay(pidfd: number): Promise<void>
}

/** Nothing happens to the caller's terminal before `receive`; it is restored when this is disposed of. */
export function openTerminal(): Terminal {
  let receiver: OwnedFd | undefined
  let master: OwnedFd | undefined
  let caller: Disposable | undefined
  return {
    socket(work) {
      const [ours, theirs] = socketpairSeqpacket()
      receiver = ours
      return work.use(theirs).fd
    },
    receive() {
      if (receiver === undefined) return
      master = receiveFd(receiver.fd).fd
      // Only we have this end, so nobody else is surprised by it.
      check(syscall('fcntl', master.fd, F_SETFL, O_RDWR_NONBLOCK), 'make the terminal non-blocking')
      caller = takeCallersTerminal(master.fd)
    },
    relay: (pidfd) => (master === undefined ? Promise.resolve() : copy(master.fd, pidfd)),
    [Symbol.dispose]() {
      caller?.[Symbol.dispose]()
      master?.[Symbol.dispose]()
      receiver?.[Symbol.dispose]()
    }
  }
}

/** Makes it raw and follows its size. It is the first of our standard streams that is a terminal; without any there is nothing to do. */
function takeCallersTerminal(master: number): Disposable | undefined {
  const fd = [0, 1, 2].find(isTerminal)
  if (fd === undefined) return undefined
  const before: Termios = setRaw(fd)
  const follow = (): void => followSize(fd, master)
  follow()
  process.on('SIGWINCH', follow)
  return {
    [Symbol.dispose]() {
      process.off('SIGWINCH', follow)
      restoreQuietly(fd, before)
    }
  }
}

/** A terminal that has hung up has no size. */
function followSize(from: number, to: number): void {
  try {
    setWindowSize(to, getWindowSize(from))
  } catch {
    // What size it last had is good enough.
  }
}

function restoreQuietly(fd: number, before: Termios): void {
  try {
    restore(fd, before)
  } catch {
    // It has hung up.
  }
}

/** One thread waits for whatever comes first; both directions share it. */
async function copy(master: number, pidfd: number): Promise<void> {
  const input = { pending: new Uint8Array() as Uint8Array, open: true }
  let output = true
  for (let ended = false; !ended && output; ) {
    const wantsRoom = input.pending.length > 0 ? POLLOUT : 0
    // A negative descriptor is skipped (poll(2)).
    const stdin = input.open && input.pending.length < MAX_PENDING ? 0 : -1
    const [end, ready = 0, typed] = await pollAsync(
      [
        { fd: pidfd, events: POLLIN },
        { fd: master, events: POLLIN | wantsRoom },
        { fd: stdin, events: POLLIN }
      ],
      -1
    )
    ended = end !== 0
    if (typed) takeInput(input)
    if ((ready & ~POLLOUT) !== 0) output = copyOut(master)
    if (input.pending.length > 0) input.pending = input.pending.subarray(writeSome(master, input.pending))
  }
  for (let i = 0; i < 1024 && output && poll([{ fd: master, events: POLLIN }], 0)[0] !== 0; i++) output = copyOut(master)
}

function takeInput(input: { pending: Uint8Array; open: boolean }): void {
  const read = readSome(0)
  input.open = read.length > 0
  input.pending = Buffer.concat([input.pending, read])
}

/** False at the end: EIO, when nobody has the terminal open any more. */
function copyOut(master: number): boolean {
  const data = readSome(master)
  if (data.length > 0) writeQuietly(data)
  return data.length > 0
}

function writeQuietly(data: Uint8Array): void {
  try {
    writeAll(1, data)
  } catch {
    // Whoever read our output is gone; the container runs on, as with any terminal that is closed.
  }
}

/** What there is; nothing at the end of file and at errors. */
function readSome(fd: number): Uint8Array {
  const buffer = new Uint8Array(CHUNK)
  return buffer.subarray(0, Math.max(0, syscall('read', fd, buffer, CHUNK)))
}

/** Number of bytes that the terminal took; all of them when it is gone. */
function writeSome(fd: number, data: Uint8Array): number {
  const result = syscall('write', fd, data, data.length)
  if (result >= 0) return result
  return result === -11 ? 0 : data.length
}
