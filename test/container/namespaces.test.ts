/** Namespaces of every type (config-linux.md#namespaces): shared, new, and joined by path. */
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, readlinkSync } from 'node:fs'
import t from 'tap'
import type { Config, Namespace, NamespaceType } from '../../src/config/types.ts'
import { create, deleteContainer, run } from '../../src/index.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'
import { idMaps, user } from '../user.ts'

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
/** Those that the kernel has. */
const TYPES = (Object.keys(FILES) as NamespaceType[]).filter((type) => existsSync(`/proc/self/ns/${FILES[type]}`))

const namespacesOf = (pid: number | 'self'): Readonly<Record<string, string>> =>
  Object.fromEntries(TYPES.map((type) => [type, readlinkSync(`/proc/${pid}/ns/${FILES[type]}`)]))

/** What an ordinary user's namespaces cannot do without. */
const OWNER: readonly NamespaceType[] = user ? ['user'] : []

/** A bundle with these namespaces, and nothing that needs another. */
const bundleWith = (box: Sandbox, namespaces: readonly Namespace[], script: string, linux: Config['linux'] = {}): string =>
  box.bundle((config) => {
    const { hostname: _, ...rest } = config
    const process = { ...config.process, args: ['/bin/sh', '-c', script] }
    const mounts = ['proc', 'dev'].map((name) => ({ destination: `/${name}`, type: name === 'dev' ? 'tmpfs' : name }))
    return { ...rest, root: { path: 'rootfs', readonly: false }, process, mounts, linux: { namespaces, ...linux } }
  })

t.test('one that is new, and no other', { skip: unable }, async (t) => {
  using box = sandbox(t)
  // The root of the user namespace must reach the root file system.
  chmodSync(box.directory, 0o711)
  const host = namespacesOf('self')
  for (const type of TYPES) {
    const made = [...new Set<NamespaceType>(['mount', 'pid', type, ...OWNER])]
    const namespaces = made.map((type) => ({ type }))
    const maps = made.includes('user') ? idMaps(100_000) : {}
    const id = box.id()
    const { pid } = await create({ root: box.root(), id, bundle: bundleWith(box, namespaces, 'true', maps) })
    const now = namespacesOf(pid)
    const changed = TYPES.filter((each) => now[each] !== host[each])
    t.same(changed.sort(), made.sort(), type)
    await deleteContainer(id, { root: box.root(), force: true })
  }
})

t.test('joined by path', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const root = box.root()
  const holder = box.id()
  const all = TYPES.filter((type) => type !== 'user').map((type) => ({ type }))
  const { pid } = await create({ root, id: holder, bundle: bundleWith(box, all, 'true') })
  const held = namespacesOf(pid)
  const owner = OWNER.map((type) => ({ type, path: `/proc/${pid}/ns/${type}` }))
  for (const type of TYPES.filter((type) => type !== 'user' && type !== 'mount')) {
    const others = (['mount', 'pid'] as const).filter((other) => other !== type).map((other) => ({ type: other }))
    const id = box.id()
    const bundle = bundleWith(box, [{ type, path: `/proc/${pid}/ns/${FILES[type]}` }, ...others, ...owner], 'exec sleep 1000')
    // Before execve nobody but root of the host may look at it.
    const joined = namespacesOf((await run({ root, id, bundle, detach: true })).pid)
    t.same(
      TYPES.filter((each) => joined[each] === held[each]).filter((each) => joined[each] !== namespacesOf('self')[each]),
      TYPES.filter((each) => each === type || OWNER.includes(each))
    )
    await deleteContainer(id, { root, force: true })
  }
  await deleteContainer(holder, { root, force: true })
})

t.test('clocks with offsets', { skip: unable || needs({ files: ['/proc/self/timens_offsets'] }) }, async (t) => {
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
  { skip: needs({ containers: true, userNamespaces: true, commands: ['unshare'] }) },
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
