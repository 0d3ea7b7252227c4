/** The tables, held against the kernel's headers where they are installed. */
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { errnoName, errnoNumber, errnoText } from './errno.ts'
import { type Architecture, type SyscallName, syscallName, syscallNumber, syscallNumbers } from './syscalls.ts'

const X64 = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h'
const GENERIC = '/usr/include/asm-generic/unistd.h'
const ERRNO = ['/usr/include/asm-generic/errno-base.h', '/usr/include/asm-generic/errno.h']
const missing = (...paths: string[]): string | false => {
  const path = paths.find((path) => !existsSync(path))
  return path !== undefined && `${path} is not installed`
}

/** The #defines of a header: name to number. */
function defines(pattern: RegExp, ...paths: string[]): Map<string, number> {
  const all = paths.map((path) => readFileSync(path, 'utf8')).join('\n')
  return new Map([...all.matchAll(pattern)].map(([, name, value]) => [name!, Number(value)]))
}

function check(t: { equal: (a: unknown, b: unknown, what: string) => unknown }, arch: Architecture, header: Map<string, number>): void {
  // The headers may be older than the newest calls.
  for (const [name, number] of Object.entries(syscallNumbers(arch)))
    if (header.has(name)) t.equal(number, header.get(name), `${name} on ${arch}`)
}

t.test('system calls of x86-64', { skip: missing(X64) }, async (t) => {
  check(t, 'x64', defines(/#define __NR_(\w+) (\d+)/g, X64))
})

t.test('system calls of arm64', { skip: missing(GENERIC) }, async (t) => {
  const header = defines(/#define __NR(?:3264)?_(\w+)\s+(\d+)/g, GENERIC)
  // 64-bit architectures call it by its older name.
  header.set('newfstatat', header.get('fstatat')!)
  check(t, 'arm64', header)
})

t.test('both architectures have all calls, each with a number of its own', async (t) => {
  const [x64, arm64] = [syscallNumbers('x64'), syscallNumbers('arm64')]
  t.same(Object.keys(arm64).sort(), Object.keys(x64).sort())
  for (const numbers of [x64, arm64].map((each) => Object.values(each))) t.equal(new Set(numbers).size, numbers.length)
})

t.test('numbers and names', async (t) => {
  t.equal(syscallNumber('x64', 'read'), 0)
  t.equal(syscallNumber('arm64', 'read'), 63)
  t.equal(syscallName('arm64', 63), 'read')
  t.equal(syscallName('x64', 60_000), undefined)
  t.throws(() => syscallNumber('x64', 'open' as SyscallName), { name: 'RangeError', message: 'no system call "open" on x64' })
})

t.test('errnos', { skip: missing(...ERRNO) }, async (t) => {
  for (const [name, number] of defines(/#define\s+(E\w+)\s+(\d+)/g, ...ERRNO)) t.equal(errnoNumber(name as 'EPERM'), number, name)
})

t.test('names and texts of errnos', async (t) => {
  t.equal(errnoName(1), 'EPERM')
  t.equal(errnoText(1), 'operation not permitted')
  t.equal(errnoText(40), 'too many levels of symbolic links')
  t.equal(errnoName(4711), 'errno 4711')
  t.equal(errnoText(4711), 'unknown error 4711')
})
