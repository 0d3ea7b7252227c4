/** A hostile image, or somebody who shares it, against `tmpcopyup`: what is copied is of the image, and nothing else is touched. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Mount } from '../../src/config/types.ts'
import { needs, sandbox, unable } from '../harness.ts'
import { attack, during, exchanging, outside, prepare, upTo, volume } from './attack.ts'

const copied = (destination: string): Mount => ({ destination, type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup', 'size=10m'] })
const SECRET = /of the host|:\$[0-9y]\$/

t.test('symlinks at every place, in a race', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const before = host.look()
  const { bundle, rootfs } = prepare(box, {
    // A FIFO is copied as well, and nobody writes to it.
    script: 'for f in /data/file /data/sub/* /data/sub/directory/* /etc/shadow; do [ -f $f ] && cat $f; done',
    mounts: [copied('/data')]
  })
  const data = join(rootfs, 'data')
  mkdirSync(join(data, 'sub/directory'), { recursive: true })
  for (let i = 0; i < 200; i++) writeFileSync(join(data, `sub/${i}`), 'of the image\n')
  writeFileSync(join(data, 'file'), 'of the image\n')
  for (const [name, to] of [
    ['file-link', upTo(join(host.path, 'file'))],
    ['sub-link', upTo(host.path)]
  ] as const)
    symlinkSync(to, join(data, name))
  spawnSync('mkfifo', [join(data, 'fifo')])
  for (const [a, b] of [
    ['file', 'file-link'],
    ['sub', 'sub-link'],
    ['file', 'fifo'],
    ['sub/directory', 'sub/7']
  ] as const) {
    using _ = exchanging(box, join(data, a), join(data, b))
    const rounds = during(1500, 3, () => {
      const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
      if (SECRET.test(stdout)) t.fail(`${a}: ${stdout}`)
      if (stderr.includes('this is a bug')) t.fail(stderr)
    })
    t.comment(`${a}: ${rounds} rounds`)
  }
  t.same(host.look(), before, 'nothing was made or changed on the host')
})

t.test('the mount point becomes a symlink to the host, in a race', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const before = host.look()
  const { bundle, rootfs } = prepare(box, { script: 'cat /data/* 2>/dev/null', mounts: [copied('/data')] })
  mkdirSync(join(rootfs, 'data'))
  symlinkSync(upTo(host.path), join(rootfs, 'link'))
  using _ = exchanging(box, join(rootfs, 'data'), join(rootfs, 'link'))
  during(1500, 3, () => {
    const { stdout } = box.tsrun('run', '--bundle', bundle, box.id())
    if (SECRET.test(stdout)) t.fail(stdout)
  })
  t.same(host.look(), before)
})

t.test('symlinks of an image are copied as symlinks, not what they lead to', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const { stdout } = attack(box, {
    script: 'readlink /data/a; readlink /data/b; readlink /data/c; ls -d /data/b/. 2>/dev/null',
    mounts: [copied('/data')],
    image: (rootfs) => {
      mkdirSync(join(rootfs, 'data'))
      for (const [name, to] of [
        ['a', upTo('/etc/shadow')],
        ['b', host.path],
        ['c', '/proc/1/root/etc/shadow']
      ] as const)
        symlinkSync(to, join(rootfs, 'data', name))
    }
  })
  t.equal(stdout, `${upTo('/etc/shadow')}\n${host.path}\n/proc/1/root/etc/shadow\n`)
})

t.test('what is masked later cannot be copied before', { skip: unable }, async (t) => {
  using box = sandbox(t)
  for (const [target, type] of [
    ['/proc', 'proc'],
    ['/proc/bus', 'proc'],
    ['/sys/firmware', 'sysfs'],
    ['/sys', 'sysfs'],
    ['../../../sys/kernel', 'sysfs']
  ] as const) {
    const { status, stderr } = attack(box, { mounts: [copied('/data')], image: (rootfs) => symlinkSync(target, join(rootfs, 'data')) })
    t.equal(status, 1, target)
    t.match(
      stderr,
      new RegExp(
        `cannot copy "/data" up to the tmpfs on "/data": it is in a file system of the kernel's \\(${type}\\) \\[/mounts/\\d/options/0\\]`
      )
    )
  }
})

t.test('nor what is mounted below', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const { stdout, stderr } = attack(box, {
    script: 'ls -A /data; cat /data/file',
    mounts: [
      { destination: '/data/proc', type: 'proc' },
      volume(host.path, '/data/volume'),
      volume(join(host.path, 'file'), '/data/one'),
      copied('/data')
    ],
    image: (rootfs) => {
      mkdirSync(join(rootfs, 'data'))
      writeFileSync(join(rootfs, 'data/file'), 'of the image\n')
    }
  })
  t.equal(stdout, 'file\nof the image\n', stderr)
  for (const name of ['proc', 'volume', 'one']) t.match(stderr, `warning: what is mounted on "/data/${name}" is not copied up [/mounts/`)
})

t.test('a file that grows for ever, and a directory that does, end with the tmpfs', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle, rootfs } = prepare(box, { mounts: [{ ...copied('/data'), options: ['tmpcopyup', 'size=1m', 'nr_inodes=100'] }] })
  const data = join(rootfs, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'sparse'), '')
  spawnSync('truncate', ['-s', '8T', join(data, 'sparse')])
  t.match(box.tsrun('run', '--bundle', bundle, box.id()), { status: 1, stderr: /"\/data\/sparse" up to .*ENOSPC|EFBIG/ })
  rmSync(join(data, 'sparse'))
  for (let i = 0; i < 200; i++) writeFileSync(join(data, String(i)), '')
  t.match(box.tsrun('run', '--bundle', bundle, box.id()), { status: 1, stderr: /cannot copy "\/data\/\d+" up to .*ENOSPC/ })
})

t.test(
  "the memory of the copies is the container's",
  { skip: needs({ containers: true, cgroup: 'v1', controllers: ['memory'] }) },
  async (t) => {
    using box = sandbox(t)
    const { bundle, rootfs } = prepare(box, {
      mounts: [{ ...copied('/data'), options: ['tmpcopyup'] }],
      config: { linux: { resources: { memory: { limit: 20 << 20, swap: 20 << 20 } } } }
    })
    mkdirSync(join(rootfs, 'data'))
    writeFileSync(join(rootfs, 'data/large'), 'x'.repeat(60 << 20))
    const { status, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
    t.equal(status, 1)
    t.match(stderr, /container init was OOM-killed \(memory limit too low\?\)/)
    t.notOk(readFileSync('/proc/mounts', 'utf8').includes(bundle))
  }
)
