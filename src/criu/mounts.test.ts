import t from 'tap'
import type { Config } from '../config/types.ts'
import { externalMounts, sourcesOf } from './mounts.ts'

const MOUNTINFO = `112 80 259:0 /b/rootfs / ro,relatime - ext4 /dev/root rw
113 112 0:39 / /proc rw,relatime - proc proc rw
114 112 0:40 / /dev rw,nosuid - tmpfs tmpfs rw
115 114 0:40 /null /proc/keys rw - tmpfs tmpfs rw
118 112 0:43 / /sys ro - sysfs sysfs ro
119 118 0:27 /system.slice/c1 /sys/fs/cgroup ro - cgroup2 cgroup rw
120 112 259:0 /vol /run/a\\040b rw master:1 - ext4 /dev/root rw
121 120 0:99 / /run/a\\040b/sub rw - tmpfs tmpfs rw
122 113 0:39 /bus /proc/bus ro - proc proc rw
123 112 259:0 /b/rootfs/etc /etc ro - ext4 /dev/root rw
124 112 0:50 / /run/host rw - tmpfs tmpfs rw
127 113 0:6 /null /proc/kcore rw master:8 - devtmpfs devtmpfs rw
128 112 259:0 /state/notify /run/notify ro - ext4 /dev/root rw
`

const config: Config = {
  ociVersion: '1.0.2',
  root: { path: 'rootfs' },
  mounts: [
    { destination: '/proc', type: 'proc' },
    { destination: '/sys/fs/cgroup', type: 'cgroup' },
    { destination: '/var/run/a b', source: 'vol', options: ['rbind'] },
    { destination: '/run/host', type: 'bind', source: '/run' }
  ],
  linux: { maskedPaths: ['/proc/kcore'] }
}

t.test('mounts from outside, and no others', async (t) => {
  const places = new Map([['/var/run/a b', '/run/a b']])
  t.same(externalMounts(config, MOUNTINFO, places), [
    { key: '/sys/fs/cgroup' },
    { key: '/run/a b', destination: '/var/run/a b' },
    { key: '/run/host', destination: '/run/host' },
    { key: '/dev/null', path: '/proc/kcore' },
    { key: '/run/notify' }
  ])
})

const sources = { config, bundle: '/bundle', notify: '/state/notify', cgroups: { '': '/sys/fs/cgroup/new' } }

t.test('what is mounted in their places', async (t) => {
  const mounts = [
    { key: '/sys/fs/cgroup' },
    { key: '/run/a b', destination: '/var/run/a b' },
    { key: '/run/a b/sub/x' },
    { key: '/proc/kcore' },
    { key: '/dev/null' },
    { key: '/run/notify' },
    { key: '/no/such' },
    { key: '/etc', destination: '/of/another' }
  ]
  t.same(sourcesOf(mounts, sources), [
    { key: '/sys/fs/cgroup', val: '/sys/fs/cgroup/new' },
    { key: '/run/a b', val: '/bundle/vol' },
    { key: '/run/a b/sub/x', val: '/bundle/vol/sub/x' },
    { key: '/proc/kcore', val: '/dev/null' },
    { key: '/dev/null', val: '/dev/null' },
    { key: '/run/notify', val: '/state/notify' }
  ])
})

t.test('a source whose ids are mapped is where it was mounted for CRIU, with what is below it', async (t) => {
  const mounts = [{ key: '/run/a b', destination: '/var/run/a b' }, { key: '/run/a b/sub' }, { key: '/run/host', destination: '/run/host' }]
  t.same(sourcesOf(mounts, { ...sources, mapped: new Map([[2, '/state/mapped-2']]) }), [
    { key: '/run/a b', val: '/state/mapped-2' },
    { key: '/run/a b/sub', val: '/state/mapped-2/sub' },
    { key: '/run/host', val: '/run' }
  ])
})

t.test('images lead nowhere but to what the configuration mounts', async (t) => {
  const mounts = [
    { key: '/run/a b', destination: '/var/run/a b' },
    { key: '/run/a b/../../../etc' },
    { key: '/dev/../etc' },
    { key: '/dev/..' }
  ]
  t.same(
    sourcesOf(mounts, sources).map(({ val }) => val),
    ['/bundle/vol', '/bundle/vol/etc']
  )
})

t.test("images of another runtime: the configuration's own bind mounts, and what is always left out", async (t) => {
  t.same(sourcesOf(undefined, sources), [
    { key: '/var/run/a b', val: '/bundle/vol' },
    { key: '/run/host', val: '/run' },
    { key: '/dev/null', val: '/dev/null' },
    { key: '/sys/fs/cgroup', val: '/sys/fs/cgroup/new' }
  ])
  const cgroups = { cpu: '/c/x', cpuacct: '/c/x', 'name=systemd': '/s/x' }
  t.same(
    sourcesOf(undefined, { ...sources, cgroups }).filter(({ key }) => key.startsWith('/sys')),
    [
      { key: '/sys/fs/cgroup/cpu', val: '/c/x' },
      { key: '/sys/fs/cgroup/cpuacct', val: '/c/x' },
      { key: '/sys/fs/cgroup/cpu,cpuacct', val: '/c/x' },
      { key: '/sys/fs/cgroup/systemd', val: '/s/x' }
    ]
  )
})

t.test('v1: the directory of each controller', async (t) => {
  const cgroups = { cpu: '/sys/fs/cgroup/cpu,cpuacct/x', cpuacct: '/sys/fs/cgroup/cpu,cpuacct/x' }
  t.same(sourcesOf([{ key: '/sys/fs/cgroup/cpu,cpuacct' }], { ...sources, cgroups }), [
    { key: '/sys/fs/cgroup/cpu,cpuacct', val: '/sys/fs/cgroup/cpu,cpuacct/x' }
  ])
  const named = { 'name=systemd': '/sys/fs/cgroup/systemd/x' }
  t.same(sourcesOf([{ key: '/sys/fs/cgroup/systemd' }], { ...sources, cgroups: named }), [
    { key: '/sys/fs/cgroup/systemd', val: '/sys/fs/cgroup/systemd/x' }
  ])
})
