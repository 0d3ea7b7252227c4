import { closeSync, openSync } from 'node:fs'
import t from 'tap'
import { errnoNumber } from '../abi/errno.ts'
import { TsrunError } from '../errors/error.ts'
import { own } from './fd.ts'
import { addressOf, auxiliaryValue, check, libcOptional, syscall, syscallAsync } from './ffi.ts'

t.test('a system call returns its result', async (t) => {
  t.equal(syscall('getpid'), process.pid)
})

t.test('a system call returns -errno', async (t) => {
  t.equal(syscall('close', -1), -errnoNumber('EBADF'))
  t.equal(syscall('openat', -100, '/nonexistent', 0), -errnoNumber('ENOENT'))
})

t.test('strings and bytes pass their address, and bytes are filled in place', async (t) => {
  const fd = syscall('openat', -100, '/proc/self/cmdline', 0)
  const buffer = new Uint8Array(8)
  t.equal(syscall('read', fd, buffer.subarray(2, 6), 4), 4)
  t.not(buffer[2], 0)
  t.same([buffer[0], buffer[1], buffer[6], buffer[7]], [0, 0, 0, 0])
  closeSync(fd)
})

t.test('a string with a NUL never reaches the kernel', async (t) => {
  t.equal(syscall('openat', -100, '/dev/null\0/x', 0), -errnoNumber('EINVAL'))
})

t.test('paths that are not ASCII, and 64-bit numbers', async (t) => {
  t.equal(syscall('openat', -100, '/nön/ęxistent', 0), -errnoNumber('ENOENT'))
  t.equal(syscall('lseek', own(openSync('/dev/zero', 'r')).fd, 0x1_0000_0000n, 0), 0, '/dev/zero stays at 0')
  const fd = openSync('/proc/self/exe', 'r')
  t.equal(syscall('lseek', fd, 0x1_0000_0000, 0), 0x1_0000_0000)
  t.equal(syscall('lseek', fd, -1, 0), -errnoNumber('EINVAL'))
  closeSync(fd)
})

t.test('an asynchronous call keeps its own errno', async (t) => {
  const results = await Promise.all([
    syscallAsync('close', -1),
    syscallAsync('openat', -100, '/nonexistent', 0),
    syscallAsync('getpid'),
    syscallAsync('openat', -100, '/dev/null/x', 0)
  ])
  t.same(results, [-errnoNumber('EBADF'), -errnoNumber('ENOENT'), process.pid, -errnoNumber('ENOTDIR')])
})

t.test('check passes results on and words errors', async (t) => {
  t.equal(check(7, 'do it'), 7)
  t.throws(() => check(-1, 'mount "proc"'), {
    code: 'system',
    errno: 'EPERM',
    message: 'cannot mount "proc": operation not permitted (EPERM)'
  })
  t.throws(() => check(-2, 'open "x"', 'in the bundle'), { message: 'cannot open "x": no such file or directory (ENOENT): in the bundle' })
  t.throws(() => check(-1, 'x'), TsrunError)
})

t.test('the auxiliary vector, addresses, and functions that this libc lacks', async (t) => {
  t.equal(auxiliaryValue(6), 4096n, 'AT_PAGESZ')
  t.equal(auxiliaryValue(9999), 0n)
  const bytes = new Uint8Array(64)
  t.equal(addressOf(bytes.subarray(16)) - addressOf(bytes), 16n)
  t.equal(libcOptional('no_such_function', 'int', 0), undefined)
})

t.test('an owned descriptor is closed once, and not at all after its release', async (t) => {
  const open = () => openSync('/dev/null', 'r')
  const isOpen = (fd: number) => syscall('fcntl', fd, 1) >= 0
  const fd = open()
  {
    using owned = own(fd)
    t.equal(owned.fd, fd)
  }
  t.notOk(isOpen(fd))

  const released = own(open())
  const number = released.release()
  released[Symbol.dispose]()
  t.ok(isOpen(number))
  t.throws(() => released.fd, RangeError)
  t.throws(() => released.release(), RangeError)
  closeSync(number)

  const twice = own(open())
  twice[Symbol.dispose]()
  const other = open()
  twice[Symbol.dispose]()
  t.ok(isOpen(other), 'a second disposal does not close what has got the number since')
  closeSync(other)
})
