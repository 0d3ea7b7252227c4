/** Symlinks at both ends of bind mounts: `copy-symlink`, `src-nofollow`, `dest-nofollow`. crun knows these options since 1.9. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Mount } from '../../src/config/types.ts'
import { type Sandbox, sandbox, unable } from '../harness.ts'

/** A bundle; its directory `host` has a file, a directory, and symlinks to both, to nothing, and to something of the container. */
function bundleOf(box: Sandbox, script: string, mounts: readonly Mount[]): string {
  const bundle = box.bundle((config) => ({
    ...config,
    root: { path: 'rootfs', readonly: false },
    process: { ...config.process, args: ['/bin/sh', '-c', script] },
    mounts: [...config.mounts!, ...mounts]
  }))
  const host = join(bundle, 'host')
  mkdirSync(join(host, 'directory/below'), { recursive: true })
  writeFileSync(join(host, 'file'), 'of the host\n')
  for (const [name, to] of [
    ['to-file', 'file'],
    ['to-directory', 'directory'],
    ['to-nothing', '/nowhere'],
    ['to-container', '/etc/passwd']
  ] as const)
    symlinkSync(to, join(host, name))
  return bundle
}

const bind = (name: string, destination: string, ...options: string[]): Mount => ({
  destination,
  type: 'bind',
  source: `host/${name}`,
  options: ['bind', ...options]
})

t.test('sources are relative to the bundle, and symlinks among them are followed', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts = [
    bind('to-file', '/a/f'),
    bind('to-directory', '/a/d'),
    { destination: '/b', source: './host/../host/file', options: ['rbind'] }
  ]
  const bundle = bundleOf(box, 'cat /a/f /b; ls -d /a/d/below', mounts)
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(stdout, 'of the host\nof the host\n/a/d/below\n', stderr)
  for (const other of ['runc', 'crun'] as const)
    t.equal(box[other]('run', '--bundle', bundle, box.id()).stdout, stdout, `${other} does the same`)
})

t.test('a source that leads to nothing', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  for (const name of ['to-nothing', 'nothing', 'file/below']) {
    const { status, stderr } = box.tsrun('run', '--bundle', bundleOf(box, 'true', [bind(name, '/x')]), box.id())
    t.equal(status, 1)
    t.match(stderr, new RegExp(`cannot bind mount ".*/host/${name}": no such file or directory \\(ENOENT\\) \\[/mounts/7/source\\]`))
  }
  t.same(await box.leftovers(before), [])
})

t.test('copy-symlink', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts = [
    ...['to-file', 'to-nothing', 'to-container'].map((name) => bind(name, `/new/place/${name}`, 'copy-symlink')),
    bind('to-directory', '/top', 'copy-symlink'),
    bind('to-nothing', '/dev/link', 'copy-symlink'),
    bind('file', '/dev/dir/file', 'copy-symlink')
  ]
  const script =
    'readlink /new/place/to-file; readlink /new/place/to-nothing; readlink /top; readlink /dev/link; cat /new/place/to-container /dev/dir/file'
  const bundle = bundleOf(box, script, mounts)
  // The second time they are there already.
  for (const time of ['once', 'twice']) {
    const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
    t.equal(stdout, 'file\n/nowhere\ndirectory\n/nowhere\nroot:x:0:0:root:/root:/bin/sh\nof the host\n', `${time} ${stderr}`)
  }
  t.notOk(box.tsrun('run', '--bundle', bundle, box.id()).stderr.includes('warning'))
})

t.test('copy-symlink replaces nothing, and makes nothing outside', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = bundleOf(box, 'true', [bind('to-nothing', '/place', 'copy-symlink')])
  const place = join(bundle, 'rootfs/place')
  const says = /cannot make the symlink "\/place" to "\/nowhere": file exists \(EEXIST\) \[\/mounts\/7\]/
  symlinkSync('/nowhere/else', place)
  t.match(box.tsrun('run', '--bundle', bundle, box.id()).stderr, says, 'another symlink')
  t.equal(readlinkSync(place), '/nowhere/else')
  for (const [name, make] of [
    ['file', (path: string) => writeFileSync(path, 'kept')],
    ['directory', (path: string) => mkdirSync(path)]
  ] as const) {
    const other = bundleOf(box, 'true', [bind('to-nothing', '/place', 'copy-symlink')])
    make(join(other, 'rootfs/place'))
    t.match(box.tsrun('run', '--bundle', other, box.id()).stderr, says, name)
  }
  const outside = join(box.directory, 'outside')
  mkdirSync(outside)
  const escaping = bundleOf(box, 'true', [bind('to-nothing', '/up/place', 'copy-symlink')])
  symlinkSync(`../../../../../../../..${outside}`, join(escaping, 'rootfs/up'))
  t.equal(box.tsrun('run', '--bundle', escaping, box.id()).status, 0)
  t.same(readdirSync(outside), [])
})

t.test('src-nofollow mounts the symlink itself', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts = [
    bind('to-container', '/a', 'src-nofollow'),
    bind('to-nothing', '/deep/b', 'src-nofollow', 'ro'),
    bind('file', '/c', 'src-nofollow'),
    bind('directory', '/d', 'src-nofollow')
  ]
  const script = 'readlink /a; readlink /deep/b; cat /a /c; ls /d; grep -c "/host/to-" /proc/self/mountinfo'
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundleOf(box, script, mounts), box.id())
  t.equal(stdout, '/etc/passwd\n/nowhere\nroot:x:0:0:root:/root:/bin/sh\nof the host\nbelow\n2\n', stderr)
})

t.test('dest-nofollow mounts on the symlink itself', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts = [
    bind('file', '/link', 'dest-nofollow'),
    bind('file', '/new/file', 'dest-nofollow'),
    bind('to-nothing', '/both', 'src-nofollow', 'dest-nofollow')
  ]
  const bundle = bundleOf(box, 'cat /link /new/file; cat /target; readlink /both', mounts)
  writeFileSync(join(bundle, 'rootfs/target'), 'of the image\n')
  for (const name of ['link', 'both']) symlinkSync('target', join(bundle, 'rootfs', name))
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(stdout, 'of the host\nof the host\nof the image\n/nowhere\n', stderr)
  t.ok(lstatSync(join(bundle, 'rootfs/link')).isSymbolicLink())
  t.equal(readFileSync(join(bundle, 'rootfs/target'), 'utf8'), 'of the image\n')
})

t.test('a directory cannot be mounted on a symlink', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = bundleOf(box, 'true', [bind('directory', '/link', 'dest-nofollow')])
  symlinkSync('tmp', join(bundle, 'rootfs/link'))
  t.match(
    box.tsrun('run', '--bundle', bundle, box.id()).stderr,
    /cannot open the mount point "\/link": not a directory \(ENOTDIR\) \[\/mounts\/7\/destination\]/
  )
})
