import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import t from 'tap'
import { syscall } from './ffi.ts'
import {
  accept,
  connectUnix,
  listenUnix,
  poll,
  pollAsync,
  readMessage,
  readMessageAsync,
  receiveFd,
  sendFd,
  socketpairSeqpacket,
  writeAll
} from './socket.ts'

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)
const isCloexec = (fd: number): boolean => (syscall('fcntl', fd, 1) & 1) === 1

t.test('a pair keeps messages apart, and ends with an empty one', async (t) => {
  const [a, b] = socketpairSeqpacket()
  t.ok(isCloexec(a.fd) && isCloexec(b.fd))
  writeAll(a.fd, bytes('one'))
  writeAll(a.fd, bytes('two'))
  a[Symbol.dispose]()
  t.same([text(readMessage(b.fd, 100)), text(readMessage(b.fd, 2)), readMessage(b.fd, 100).length], ['one', 'tw', 0])
  t.throws(() => writeAll(b.fd, bytes('x')), { message: /EPIPE/ })
  b[Symbol.dispose]()
})

t.test('an asynchronous read lets the event loop go on, and gives up in time', async (t) => {
  const [a, b] = socketpairSeqpacket()
  t.equal(await readMessageAsync(b.fd, 10, 20), undefined)
  setTimeout(() => writeAll(a.fd, bytes('late')), 20)
  t.equal(text(await readMessageAsync(b.fd, 10, 5000)), 'late')
  writeAll(a.fd, bytes('there'))
  t.equal(text(await readMessageAsync(b.fd, 10)), 'there')
  setTimeout(() => a[Symbol.dispose](), 20)
  t.equal((await readMessageAsync(b.fd, 10))?.length, 0, 'end of file')
  b[Symbol.dispose]()
})

t.test('poll tells events, hang-ups, and the end of its time', async (t) => {
  const [a, b] = socketpairSeqpacket()
  const readable = { fd: b.fd, events: 1 }
  t.same(poll([readable, { fd: a.fd, events: 4 }], 0), [0, 4])
  const begun = performance.now()
  t.same(poll([readable], 50), [0])
  t.ok(performance.now() - begun > 45)
  t.same(await pollAsync([readable], 10), [0])
  a[Symbol.dispose]()
  t.same(poll([readable], 1000), [17], 'POLLIN and POLLHUP')
  b[Symbol.dispose]()
  t.same(poll([{ fd: 9999, events: 1 }], 1000), [32], 'POLLNVAL')
})

t.test('descriptors travel, and arrive CLOEXEC', async (t) => {
  const [a, b] = socketpairSeqpacket()
  const file = openSync('/dev/zero', 'r')
  sendFd(a.fd, file, bytes('zero'))
  const received = receiveFd(b.fd)
  t.equal(text(received.data), 'zero')
  t.equal(readlinkSync(`/proc/self/fd/${received.fd.fd}`), '/dev/zero')
  t.ok(isCloexec(received.fd.fd))
  received.fd[Symbol.dispose]()
  t.ok(fstatSync(file), 'the sender keeps its own')
  closeSync(file)

  writeAll(a.fd, bytes('nothing'))
  t.throws(() => receiveFd(b.fd), { message: 'cannot receive a file descriptor: the message holds 0' })
  a[Symbol.dispose]()
  t.throws(() => receiveFd(b.fd), { message: /holds 0/ }, 'end of file')
  b[Symbol.dispose]()
})

t.test('a path of any length can be connected to', async (t) => {
  const deep = `${t.testdir()}/${'d'.repeat(100)}/${'e'.repeat(100)}`
  mkdirSync(deep, { recursive: true })
  const path = `${deep}/socket`
  const listening = listenUnix(path, 0o600)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.ok(statSync(path).isSocket())
  const client = connectUnix(path)
  const server = accept(listening.fd)
  t.ok(isCloexec(client.fd) && isCloexec(server.fd) && isCloexec(listening.fd))
  const file = openSync('/dev/zero', 'r')
  sendFd(client.fd, file, bytes('x'))
  const received = receiveFd(server.fd)
  t.equal(readlinkSync(`/proc/self/fd/${received.fd.fd}`), '/dev/zero')
  closeSync(file)
  for (const each of [received.fd, client, server]) each[Symbol.dispose]()
  t.throws(() => listenUnix(path, 0o600), { message: /EADDRINUSE/ })
  listening[Symbol.dispose]()
  t.throws(() => connectUnix(path), { message: `cannot connect to the socket "${path}": connection refused (ECONNREFUSED)` })
  rmSync(path)
  t.throws(() => connectUnix(path), { message: /ENOENT/ })
})

t.test('relative paths, and names that are too long', async (t) => {
  const before = process.cwd()
  process.chdir(t.testdir())
  const listening = listenUnix('socket', 0o700)
  connectUnix('socket')[Symbol.dispose]()
  connectUnix('./socket')[Symbol.dispose]()
  listening[Symbol.dispose]()
  process.chdir(before)
  const long = `/tmp/${'x'.repeat(200)}`
  t.throws(() => listenUnix(long, 0o600), { message: /ENAMETOOLONG/ })
  t.notOk(existsSync(long))
  t.throws(() => connectUnix('/dev/null'), { message: /ECONNREFUSED/ })
})

t.test('a failure closes what was opened', async (t) => {
  const before = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 3; i++) {
    t.throws(() => connectUnix('/dev/null'))
    t.throws(() => listenUnix('/dev/null', 0o600))
  }
  t.equal(readdirSync('/proc/self/fd').length, before)
})

t.test('writes all', async (t) => {
  const path = `${t.testdir()}/file`
  const fd = openSync(path, 'w')
  writeAll(fd, new Uint8Array(1_000_000).fill(65))
  closeSync(fd)
  t.equal(readFileSync(path, 'utf8'), 'A'.repeat(1_000_000))
})
