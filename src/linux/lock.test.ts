import { openSync } from 'node:fs'
import t from 'tap'
import { type OwnedFd, own } from './fd.ts'
import { lockFile, tryLockFile, unlockFile } from './lock.ts'

const twice = (t: { testdir(): string }): [OwnedFd, OwnedFd] => {
  const path = `${t.testdir()}/lock`
  return [own(openSync(path, 'w')), own(openSync(path, 'w'))]
}

t.test('one holder at a time, any number of readers', async (t) => {
  const [a, b] = twice(t)
  t.ok(tryLockFile(a.fd, true))
  t.notOk(tryLockFile(b.fd, true))
  t.notOk(tryLockFile(b.fd, false))
  unlockFile(a.fd)
  t.ok(tryLockFile(a.fd, false))
  t.ok(tryLockFile(b.fd, false))
  for (const fd of [a, b]) fd[Symbol.dispose]()
})

t.test('waits for another operation of the same process, which goes on', async (t) => {
  const [a, b] = twice(t)
  await lockFile(a.fd, true)
  setTimeout(() => a[Symbol.dispose](), 30)
  await lockFile(b.fd, true)
  t.throws(() => a.fd, RangeError, 'the first holder has closed its file')
  b[Symbol.dispose]()
})

t.test('gives up in time', async (t) => {
  const [a, b] = twice(t)
  await lockFile(a.fd, true)
  await t.rejects(lockFile(b.fd, true, 30), { message: /another command has held it for 30 ms/ })
  for (const fd of [a, b]) fd[Symbol.dispose]()
})
