import { constants, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { O_PATH } from '../abi/fcntl.ts'
import { PROC_SUPER_MAGIC } from '../abi/mount.ts'
import { type OwnedFd, ownResult } from './fd.ts'
import { syscall } from './ffi.ts'
import { openIn, openTree, statfsType } from './mount.ts'

const directory = (path: string): OwnedFd => ownResult(syscall('openat', -100, path, constants.O_DIRECTORY | O_PATH), 'open')

t.test('no symlink leads out of the root', async (t) => {
  const outer = t.testdir()
  mkdirSync(`${outer}/root/etc`, { recursive: true })
  writeFileSync(`${outer}/root/etc/passwd`, 'inside')
  writeFileSync(`${outer}/outside`, 'outside')
  symlinkSync('/etc/passwd', `${outer}/root/absolute`)
  symlinkSync('../../../../../../../../../../etc/passwd', `${outer}/root/up`)
  symlinkSync('../outside', `${outer}/root/sibling`)
  symlinkSync('/proc/self/root', `${outer}/root/magic`)
  using root = directory(`${outer}/root`)
  for (const path of ['/etc/passwd', 'etc/passwd', 'absolute', 'up', '../../etc/passwd']) {
    using file = openIn(root.fd, path, constants.O_RDONLY)
    t.equal(readFileSync(file.fd, 'utf8'), 'inside', path)
  }
  for (const path of ['sibling', 'magic', 'nothing']) {
    const message = `cannot open "${path}" in the root file system: no such file or directory (ENOENT)`
    t.throws(() => openIn(root.fd, path, constants.O_RDONLY), { message })
  }
})

t.test('magic links are not followed', async (t) => {
  using root = directory('/')
  t.throws(() => openIn(root.fd, 'proc/self/fd/0', constants.O_RDONLY), { message: /ELOOP/ })
})

t.test('opens a place in the tree, by path or by descriptor', async (t) => {
  const path = t.testdir()
  using tree = openTree(path, 0)
  t.equal(readlinkSync(`/proc/self/fd/${tree.fd}`), path)
  using again = openTree(tree.fd, 0)
  t.equal(readlinkSync(`/proc/self/fd/${again.fd}`), path)
  t.throws(() => openTree(`${path}/nothing`, 0), { message: /ENOENT/ })
})

t.test('tells a file system by path and by descriptor', async (t) => {
  t.equal(statfsType('/proc'), PROC_SUPER_MAGIC)
  using proc = directory('/proc')
  t.equal(statfsType(proc.fd), PROC_SUPER_MAGIC)
  t.not(statfsType('/'), PROC_SUPER_MAGIC)
  t.throws(() => statfsType('/nonexistent'), { message: /"\/nonexistent".*ENOENT/ })
})
