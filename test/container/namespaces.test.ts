/** Namespaces of every type (config-linux.md#namespaces): shared, new, and joined by path. */
import { spawn } from 'node:child_process'
import { chmodSync, readFileSync, readlinkSync } from 'node:fs'
import t from 'tap'
import type { Config, Namespace, NamespaceType } from '../../src/config/types.ts'
import { create, deleteContainer } from '../../src/index.ts'
import { asRoot, needs, type Sandbox, sandbox } from '../harness.ts'

/** Names in /proc/PID/ns. */
const FILES: Readonly<Record<NamespaceType, string>> = {
  cgroup: 'cgroup',
  ipc: 'ipc',
  mount: 'mnt',
  network: 'net',
  pid: 'pid',
  time: 'time',
  user: 'user',
  uts: 'uts'
}
const TYPES = Object.keys(FILES) as NamespaceType[]

const namespacesOf = (pid: number | 'self'): Readonly<Record<string, string>> =>
  Object.fromEntries(TYPES.map((type) => [type, readlinkSync(`/proc/${pid}/ns/${FILES[type]}`)]))

const MAPS = [{ containerID: 0, hostID: 100000, size: 65536 }]

/** A bundle with these namespaces, and nothing that needs another. */
const bundleWith = (box: Sandbox, namespaces: readonly Namespace[], script: string, linux: Config['linux'] = {}): string =>
  box.bundle((config) => {
    const { hostname: _, ...rest } = config
    const process = { ...config.process, args: ['/bin/sh', '-c', script] }
    const mounts = ['proc', 'dev'].map((name) => ({ destination: `/${name}`, type: name === 'dev' ? 'tmpfs' : name }))
    return { ...rest, root: { path: 'rootfs', readonly: false }, process, mounts, linux: { namespaces, ...linux } }
  })

t.test('one that is new, and no other', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  // The root of the user namespace must reach the root file system.
  chmodSync(box.directory, 0o711)
  const host = namespacesOf('self')
  for (const type of TYPES) {
    const namespaces = [...new Set<NamespaceType>(['mount', 'pid', type])].map((type) => ({ type }))
    const maps = type === 'user' ? { uidMappings: MAPS, gidMappings: MAPS } : {}
    const id = box.id()
    const { pid } = await create({ root: box.root(), id, bundle: bundleWith(box, namespaces, 'true', maps) })
    const now = namespacesOf(pid)
    const changed = TYPES.filter((each) => now[each] !== host[each])
    t.same(changed.sort(), [...new Set(['mount', 'pid', type])].sort(), type)
    await deleteContainer(id, { root: box.root(), force: true })
  }
})

t.test('joined by path', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const root = box.root()
  const holder = box.id()
  const all = TYPES.filter((type) => type !== 'user').map((type) => ({ type }))
  const { pid } = await create({ root, id: holder, bundle: bundleWith(box, all, 'true') })
  const held = namespacesOf(pid)
  for (const type of TYPES.filter((type) => type !== 'user' && type !== 'mount')) {
    const others = (['mount', 'pid'] as const).filter((other) => other !== type).map((other) => ({ type: other }))
    const id = box.id()
    const bundle = bundleWith(box, [{ type, path: `/proc/${pid}/ns/${FILES[type]}` }, ...others], 'true')
    const joined = namespacesOf((await create({ root, id, bundle })).pid)
    t.same(
      TYPES.filter((each) => joined[each] === held[each]).filter((each) => joined[each] !== namespacesOf('self')[each]),
      [type]
    )
    await deleteContainer(id, { root, force: true })
  }
  await deleteContainer(holder, { root, force: true })
})

t.test('clocks with offsets', { skip: asRoot || needs({ files: ['/proc/self/timens_offsets'] }) }, async (t) => {
  using box = sandbox(t)
  const timeOffsets = { monotonic: { secs: -1 }, boottime: { secs: 864000, nanosecs: 5 } }
  const namespaces = (['mount', 'pid', 'time'] as const).map((type) => ({ type }))
  const { stdout, stderr } = box.tsrun(
    'run',
    '--bundle',
    bundleWith(box, namespaces, 'cat /proc/uptime /proc/self/timens_offsets', { timeOffsets }),
    box.id()
  )
  const [uptime, monotonic, boottime] = stdout.split('\n').map((line) => line.split(/\s+/).filter(Boolean))
  const hosts = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0])
  t.ok(Math.abs(Number(uptime?.[0]) - 864000 - hosts) < 60, stderr)
  t.same(monotonic, ['monotonic', '-1', '0'])
  t.same(boottime, ['boottime', '864000', '5'])
})

t.test(
  "a user namespace that forbids setgroups, and what it owns, joined by its root's container",
  { skip: needs({ root: true, userNamespaces: true, commands: ['unshare'] }) },
  async (t) => {
    using box = sandbox(t)
    const holder = spawn('unshare', ['--user', '--map-root-user', '--net', 'sh', '-c', 'echo; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    t.teardown(() => holder.kill())
    await new Promise((resolve) => holder.stdout.once('data', resolve))
    const path = (type: NamespaceType): string => `/proc/${holder.pid}/ns/${FILES[type]}`
    const namespaces = [
      { type: 'user', path: path('user') },
      { type: 'network', path: path('network') },
      { type: 'mount' },
      { type: 'pid' }
    ] as const
    const { stdout, stderr } = box.tsrun(
      'run',
      '--bundle',
      bundleWith(box, namespaces, 'cd /proc/self/ns; readlink user; readlink net; id -u'),
      box.id()
    )
    t.same(stdout.trim().split('\n'), [readlinkSync(path('user')), readlinkSync(path('network')), '0'], stderr)
  }
)
