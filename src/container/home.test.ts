import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../config/types.ts'
import { findHome, homeOf } from './home.ts'

const config = (uid: number, env: readonly string[] = [], mounts: Config['mounts'] = []): Config => ({
  ociVersion: '1.2.0',
  process: { cwd: '/', user: { uid, gid: 0 }, env },
  mounts: mounts ?? []
})

t.test('the line of the uid; / when there is none, or when it names none', async (t) => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nbroken\n1000:x:0:0::/trap:\nuser:x:1000:1000::/home/user:/bin/sh\nempty:x:7:7:::\n'
  t.equal(homeOf(passwd, 0), '/root')
  t.equal(homeOf(passwd, 1000), '/home/user', 'a number is never looked up as a name (CVE-2016-3697)')
  t.equal(homeOf(passwd, 7), '/')
  t.equal(homeOf(passwd, 8), '/')
  t.equal(homeOf('', 0), '/')
})

t.test('a file of the image, of a bind mount over it, or over its directory', async (t) => {
  const dir = t.testdir({
    rootfs: { etc: { passwd: 'a:x:5:5::/image:' } },
    passwd: 'a:x:5:5::/file:',
    etc: { passwd: 'a:x:5:5::/directory:' }
  })
  const rootfs = join(dir, 'rootfs')
  const file = { path: join(dir, 'passwd'), kind: 'other' } as const
  const directory = { path: join(dir, 'etc'), kind: 'directory' } as const
  t.equal(findHome(config(5), rootfs, {}), '/image')
  t.equal(findHome(config(5, [], [{ destination: '/etc/passwd' }]), rootfs, { 0: file }), '/file')
  t.equal(findHome(config(5, [], [{ destination: 'etc/' }]), rootfs, { 0: directory }), '/directory')
  t.equal(findHome(config(5, ['HOME=/given']), rootfs, {}), '/', 'nobody asks')
  t.equal(findHome(config(5, ['HOME=']), rootfs, {}), '/image', 'an empty HOME is none')
})

t.test('what an image can put in the place of the file', async (t) => {
  const dir = t.testdir({ rootfs: { etc: {} }, host: 'a:x:5:5::/host:' })
  const etc = join(dir, 'rootfs/etc')
  symlinkSync(join(dir, 'host'), join(etc, 'passwd'))
  t.equal(findHome(config(5), join(dir, 'rootfs'), {}), '/', 'a symlink does not lead out')
  const other = t.testdir({ rootfs: { etc: { passwd: {} } } })
  t.equal(findHome(config(5), join(other, 'rootfs'), {}), '/', 'a directory')
  mkdirSync(join(dir, 'second/etc'), { recursive: true })
  writeFileSync(join(dir, 'second/etc/passwd'), `${'x'.repeat(2 << 20)}\na:x:5:5::/late:`)
  t.equal(findHome(config(5), join(dir, 'second'), {}), '/', 'no more than 1 MiB is read')
})
