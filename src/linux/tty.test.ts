import { constants } from 'node:fs'
import t from 'tap'
import { TIOCGPTPEER, TIOCSPTLCK } from '../abi/socket.ts'
import { type OwnedFd, ownResult } from './fd.ts'
import { check, syscall } from './ffi.ts'
import { readMessage, writeAll } from './socket.ts'
import { getTermios, getWindowSize, isTerminal, restore, setRaw, setWindowSize } from './tty.ts'

/** A new pseudo-terminal: master and slave. */
function pseudoTerminal(): [OwnedFd, OwnedFd] {
  const flags = constants.O_RDWR | constants.O_NOCTTY | 0o2000000
  const master = ownResult(syscall('openat', -100, '/dev/ptmx', flags), 'open /dev/ptmx')
  check(syscall('ioctl', master.fd, TIOCSPTLCK, new Uint8Array(4)), 'unlock')
  return [master, ownResult(syscall('ioctl', master.fd, TIOCGPTPEER, flags), 'open the slave')]
}

t.test('knows a terminal', async (t) => {
  using nothing = ownResult(syscall('openat', -100, '/dev/null', 2), 'open')
  t.notOk(isTerminal(nothing.fd))
  t.notOk(isTerminal(-1))
  t.throws(() => getTermios(nothing.fd), { message: /ENOTTY/ })
  const [master, slave] = pseudoTerminal()
  t.ok(isTerminal(slave.fd))
  for (const fd of [master, slave]) fd[Symbol.dispose]()
})

t.test('raw mode passes bytes as they come, and is undone', async (t) => {
  const [master, slave] = pseudoTerminal()
  const before = setRaw(slave.fd)
  writeAll(master.fd, new Uint8Array([3, 13, 4]))
  t.same([...readMessage(slave.fd, 10)], [3, 13, 4])
  writeAll(slave.fd, new Uint8Array([10]))
  t.same([...readMessage(master.fd, 10)], [10], 'no carriage return is added, and nothing was echoed')
  t.notSame(getTermios(slave.fd), before)
  restore(slave.fd, before)
  t.same(getTermios(slave.fd), before)
  for (const fd of [master, slave]) fd[Symbol.dispose]()
})

t.test('the size set on one end is that of the other', async (t) => {
  const [master, slave] = pseudoTerminal()
  setWindowSize(master.fd, { rows: 50, columns: 132 })
  t.same(getWindowSize(slave.fd), { rows: 50, columns: 132 })
  for (const fd of [master, slave]) fd[Symbol.dispose]()
})
