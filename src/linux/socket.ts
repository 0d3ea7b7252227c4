/** Unix sockets, pipes, and passing descriptors over them. Blocking unless the name says otherwise; EINTR is always retried. */
import { constants } from 'node:fs'
import { AT_FDCWD, O_CLOEXEC, O_PATH } from '../abi/fcntl.ts'
import { AF_UNIX, SO_SNDTIMEO, SOCK_CLOEXEC, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET } from '../abi/socket.ts'
import {
  type PollFd,
  packAbstractName,
  packMessageHeader,
  packPollFds,
  packRights,
  packSockaddrUn,
  packTimespec,
  unpackMessageHeader,
  unpackPollFds,
  unpackRights
} from '../abi/structs.ts'
import { TsrunError } from '../errors/error.ts'
import { EAGAIN, EINTR, ENAMETOOLONG, MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, POLLIN, POLLOUT } from './constants.ts'
import { type OwnedFd, own, ownResult } from './fd.ts'
import { addressOf, check, keepAlive, syscall, syscallAsync, systemError } from './ffi.ts'

export type { PollFd } from '../abi/structs.ts'

/** Two connected sockets that keep message boundaries; both CLOEXEC (unix(7)). */
export function socketpairSeqpacket(): [OwnedFd, OwnedFd] {
  const pair = new Int32Array(2)
  check(syscall('socketpair', AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, new Uint8Array(pair.buffer)), 'create a socket pair')
  return [own(pair[0]!), own(pair[1]!)]
}

/**
 * Connects to the socket at `path` (of streams, if not said otherwise), which may be longer than the 107 bytes of sockaddr_un: an O_PATH descriptor of the socket
 * is named instead. Throws TsrunError `system`, EAGAIN when whoever listens has not taken the connections that wait within 5 s.
 */
export function connectUnix(path: string, type = SOCK_STREAM): OwnedFd {
  const action = `connect to the socket "${path}"`
  using target = ownResult(syscall('openat', AT_FDCWD, path, O_PATH | O_CLOEXEC), action)
  return connectTo(packSockaddrUn(`/proc/self/fd/${target.fd}`), type, action)
}

/**
 * Connects to a socket in the abstract namespace.
 * @param name without the NUL at its beginning
 */
export function connectAbstract(name: string, type: number): OwnedFd {
  const action = `connect to the socket "@${name}"`
  return connectTo(
    encoded(() => packAbstractName(name), action),
    type,
    action
  )
}

function connectTo(address: Uint8Array, type: number, action: string): OwnedFd {
  const socket = ownResult(syscall('socket', AF_UNIX, type | SOCK_CLOEXEC, 0), 'create a socket')
  limitWait(socket.fd)
  const result = retried('connect', socket.fd, address, address.length)
  if (result >= 0) return socket
  socket[Symbol.dispose]()
  throw systemError(-result, action)
}

const CONNECT_SECONDS = 5

/** connect(2) waits for room in the queue of the listener (unix(7)), who may be hostile or stuck, for no longer than this. */
function limitWait(fd: number): void {
  // The same bytes as struct timeval, when there are whole seconds only.
  const limit = packTimespec(1000 * CONNECT_SECONDS)
  check(syscall('setsockopt', fd, SOL_SOCKET, SO_SNDTIMEO, limit, limit.length), 'set the time limit of a socket')
}

/**
 * Makes a listening stream socket at `path` with permissions `mode` (less the umask), set before it appears.
 * Throws TsrunError `system`, EADDRINUSE when the path exists.
 */
export function listenUnix(path: string, mode: number): OwnedFd {
  const action = `listen on the socket "${path}"`
  const socket = bindUnix(path, mode, SOCK_STREAM, action)
  const result = syscall('listen', socket.fd, 16)
  if (result >= 0) return socket
  socket[Symbol.dispose]()
  throw systemError(-result, action)
}

/** Makes a socket of `type` at `path`, which may be longer than the 107 bytes of sockaddr_un; its last name may not. Throws as `listenUnix`. */
export function bindUnix(path: string, mode: number, type: number, action: string): OwnedFd {
  const slash = path.lastIndexOf('/')
  const directory = slash < 0 ? '.' : path.slice(0, slash) || '/'
  using parent = ownResult(syscall('openat', AT_FDCWD, directory, O_PATH | O_CLOEXEC | constants.O_DIRECTORY), action)
  const address = encoded(() => packSockaddrUn(`/proc/self/fd/${parent.fd}/${path.slice(slash + 1)}`), action)
  const socket = ownResult(syscall('socket', AF_UNIX, type | SOCK_CLOEXEC, 0), 'create a socket')
  let result = syscall('fchmod', socket.fd, mode)
  if (result >= 0) result = syscall('bind', socket.fd, address, address.length)
  if (result >= 0) return socket
  socket[Symbol.dispose]()
  throw systemError(-result, action)
}

function encoded(pack: () => Uint8Array, action: string): Uint8Array {
  try {
    return pack()
  } catch {
    throw systemError(ENAMETOOLONG, action)
  }
}

/** Accepts one connection, waiting for it; CLOEXEC. */
export function accept(fd: number): OwnedFd {
  return ownResult(retried('accept4', fd, null, null, SOCK_CLOEXEC), 'accept a connection')
}

/** Sends `data` (at least one byte on a stream socket) together with descriptor `payloadFd`, which stays the caller's. */
export function sendFd(fd: number, payloadFd: number, data: Uint8Array): void {
  const message = packMessageHeader(data, packRights(payloadFd), addressOf)
  check(retried('sendmsg', fd, message.header, MSG_NOSIGNAL), 'send a file descriptor')
  keepAlive(message)
}

/** Room for the most descriptors that one message can carry (SCM_MAX_FD 253), so that the kernel never drops one silently. */
const CONTROL_SIZE = 16 + 4 * 254

/**
 * Receives one message of at most `max` bytes with exactly one descriptor; the caller owns it, CLOEXEC.
 * Throws TsrunError `system` when the message brings none or several (which are closed), or at end of file.
 */
export function receiveFd(fd: number, max = 4096): { fd: OwnedFd; data: Uint8Array } {
  const { fds, data } = receiveMessage(fd, max)
  const [only] = fds
  if (only !== undefined && fds.length === 1) return { fd: only, data }
  for (const extra of fds) extra[Symbol.dispose]()
  throw new TsrunError('system', `cannot receive a file descriptor: the message holds ${fds.length}`)
}

/**
 * Receives one message of at most `max` bytes with all descriptors that it brings; the caller owns them, CLOEXEC. Empty at end of file.
 * Throws TsrunError `system`.
 */
export function receiveMessage(fd: number, max: number): { fds: readonly OwnedFd[]; data: Uint8Array } {
  const data = new Uint8Array(max)
  const control = new Uint8Array(CONTROL_SIZE)
  const message = packMessageHeader(data, control, addressOf)
  const length = check(retried('recvmsg', fd, message.header, MSG_CMSG_CLOEXEC), 'receive a file descriptor')
  keepAlive(message)
  const fds = unpackRights(control.subarray(0, unpackMessageHeader(message.header).controlLength)).map(own)
  return { fds, data: data.subarray(0, length) }
}

/**
 * Reads one message (SOCK_SEQPACKET) or what there is (streams, pipes), waiting for it; at most `max` bytes, the rest of a longer message
 * is lost. An empty result is end of file.
 */
export function readMessage(fd: number, max: number): Uint8Array {
  const buffer = new Uint8Array(max)
  for (;;) {
    const result = syscall('read', fd, buffer, max)
    if (result === -EAGAIN) poll([{ fd, events: POLLIN }], -1)
    else if (result !== -EINTR) return buffer.subarray(0, check(result, 'read a message'))
  }
}

/**
 * Like `readMessage`, while the event loop goes on; undefined when nothing has come within `timeoutMs` (-1: waits for ever).
 * It waits on a thread of the engine's pool.
 */
export async function readMessageAsync(fd: number, max: number, timeoutMs = -1): Promise<Uint8Array | undefined> {
  const [events] = await pollAsync([{ fd, events: POLLIN }], timeoutMs)
  return events === 0 ? undefined : readMessage(fd, max)
}

/** Writes all of `data`. Throws TsrunError `system`, EPIPE when nobody reads any more. */
export function writeAll(fd: number, data: Uint8Array): void {
  let rest = data
  while (rest.length > 0) {
    const result = syscall('write', fd, rest, rest.length)
    if (result === -EAGAIN) poll([{ fd, events: POLLOUT }], -1)
    else if (result !== -EINTR) rest = rest.subarray(check(result, 'write'))
  }
}

/** Waits until one of `fds` has events or `timeoutMs` is over (-1: for ever); returns the events of each (ppoll(2)). */
export function poll(fds: readonly PollFd[], timeoutMs: number): number[] {
  const deadline = performance.now() + timeoutMs
  const entries = packPollFds(fds)
  for (;;) {
    const result = syscall('ppoll', entries, fds.length, timeLeft(timeoutMs, deadline), null, 8)
    if (result !== -EINTR) return eventsOf(entries, result)
  }
}

/** Like `poll`, on a thread of the engine's pool. An abandoned wait holds its thread until the time is over: prefer a bounded `timeoutMs`. */
export async function pollAsync(fds: readonly PollFd[], timeoutMs: number): Promise<number[]> {
  const ready = poll(fds, 0)
  if (timeoutMs === 0 || ready.some((events) => events !== 0)) return ready
  const deadline = performance.now() + timeoutMs
  const entries = packPollFds(fds)
  for (;;) {
    const result = await syscallAsync('ppoll', entries, fds.length, timeLeft(timeoutMs, deadline), null, 8)
    if (result !== -EINTR) return eventsOf(entries, result)
  }
}

const timeLeft = (timeoutMs: number, deadline: number): Uint8Array | null =>
  timeoutMs < 0 ? null : packTimespec(Math.max(0, deadline - performance.now()))

/** The kernel leaves `revents` as they were when it fails; after a time-out they are 0. */
function eventsOf(entries: Uint8Array, result: number): number[] {
  check(result, 'wait for a file descriptor')
  return unpackPollFds(entries)
}

function retried(...call: Parameters<typeof syscall>): number {
  for (;;) {
    const result = syscall(...call)
    if (result !== -EINTR) return result
  }
}
