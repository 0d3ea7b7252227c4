import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hostGid, shareImages } from './images.ts'

t.test('what group 0 is outside', async (t) => {
  t.equal(hostGid('         0     100000      65536\n'), 100_000)
  t.equal(hostGid('         1     100001      10\n         0       1000          1\n'), 1000)
  t.equal(hostGid('         1     100001      10\n'), undefined)
  t.equal(hostGid(''), undefined)
})

t.test('images of a container without a user namespace are nobody else’s', async (t) => {
  const path = join(t.testdir(), 'images')
  mkdirSync(path, { mode: 0o700 })
  const mode = (): number => statSync(path).mode & 0o777
  shareImages(path, process.pid)
  t.equal(mode(), 0o700)
  writeFileSync(join(path, 'file'), '')
  chmodSync(path, 0o750)
  shareImages(path, process.pid)
  t.equal(mode(), 0o750, 'nor is a directory changed that has something in it')
})
