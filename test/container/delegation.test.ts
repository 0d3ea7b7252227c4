/**
 * Who owns the cgroup of a container in a unit of systemd (config-linux.md#cgroup-ownership): the container's root, when it can see and write it, so
 * that a systemd or an engine inside can make cgroups of its own. `--systemd-cgroup` makes the unit with Delegate=yes; `npm run test:vm` has systemd.
 */
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Config, Mount } from '../../src/config/types.ts'
import { needs, type Result, type Sandbox, sandbox } from '../harness.ts'
import { asUser, cgroupFile, cgroupOf, linger, pathIn, RUNTIME, run, skipSystemd as skip, skipUser, UID } from '../systemd.ts'

const FIRST = 100_000
const MAP = [{ containerID: 0, hostID: FIRST, size: 65_536 }]
const CGROUP: Mount = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'rw'] }
/** What the kernel lets a cgroup's new owner have (/sys/kernel/cgroup/delegate), as far as every kernel with v2 has it. */
const DELEGATED = ['', 'cgroup.procs', 'cgroup.threads', 'cgroup.subtree_control'] as const
/** Limits are for who has made the cgroup to set. */
const KEPT = ['memory.max', 'pids.max', 'cpu.max', 'cgroup.max.depth'] as const

interface Variant {
  readonly cgroupNamespace?: boolean
  /** Options of the mount of the cgroup file system; without them there is none. */
  readonly options?: readonly string[]
  readonly uid?: number
}

/** A container in a user namespace. */
const mapped =
  ({ cgroupNamespace = true, options, uid = 0 }: Variant) =>
  (config: Config): Config => ({
    ...config,
    process: { ...config.process!, user: { uid, gid: 0 }, args: ['/bin/sleep', '1000'] },
    mounts: [
      ...config.mounts!.filter(({ type }) => type !== 'cgroup' && type !== 'mqueue'),
      ...(options === undefined ? [] : [{ ...CGROUP, options: [...CGROUP.options!.slice(0, 3), ...options] }])
    ],
    linux: {
      ...config.linux,
      namespaces: [
        ...(['user', 'pid', 'mount', 'uts', 'ipc', 'network'] as const).map((type) => ({ type })),
        ...(cgroupNamespace ? [{ type: 'cgroup' as const }] : [])
      ],
      uidMappings: MAP,
      gidMappings: MAP
    }
  })

const owners = (cgroup: string, files: readonly string[]): Record<string, number> =>
  Object.fromEntries(files.map((file) => [file || '.', statSync(pathIn(cgroup, file)).uid]))
const allOwnedBy = (uid: number, files: readonly string[]): Record<string, number> =>
  Object.fromEntries(files.map((file) => [file || '.', uid]))

type Call = (...args: string[]) => Result

/** Starts a container in a scope; returns the scope's cgroup. */
function started(t: Test, box: Sandbox, bundle: string, call: Call): { id: string; cgroup: string } {
  const id = box.id()
  t.match(call('--systemd-cgroup', 'run', '--detach', '--bundle', bundle, id), { status: 0, stderr: '' }, 'runs')
  t.teardown(() => void call('delete', '--force', id))
  const { pid } = JSON.parse(call('state', id).stdout) as { pid: number }
  return { id, cgroup: cgroupOf(pid) }
}

/** A bundle that the mapped root can reach. */
function bundleOf(box: Sandbox, variant: Variant): string {
  chmodSync(box.directory, 0o755)
  return box.bundle(mapped(variant))
}

const RUNTIMES: readonly (readonly [string, (box: Sandbox) => Call])[] = [
  ['tsrun', (box) => box.tsrun.bind(box)],
  ['runc', (box) => box.runc.bind(box)]
]

for (const [name, callOf] of RUNTIMES) {
  const skipped = skip || needs({ commands: name === 'runc' ? ['runc'] : [] })
  t.test(`${name}: the container's root owns what is delegated, and nothing else`, { skip: skipped }, async (t) => {
    const box = sandbox(t)
    const { id, cgroup } = started(t, box, bundleOf(box, { options: ['rw'] }), callOf(box))
    t.equal(run('systemctl', 'show', '--property=Delegate', cgroup.slice(cgroup.lastIndexOf('/') + 1)), 'Delegate=yes')
    t.same(owners(cgroup, DELEGATED), allOwnedBy(FIRST, DELEGATED))
    t.same(owners(cgroup, KEPT), allOwnedBy(0, KEPT))
    run('systemctl', 'daemon-reload')
    t.same(owners(cgroup, DELEGATED), allOwnedBy(FIRST, DELEGATED), 'also when systemd has read its units again')
    t.equal(callOf(box)('exec', id, 'stat', '-c', '%u', '/sys/fs/cgroup').stdout.trim(), '0', 'seen from inside')
  })

  t.test(`${name}: nobody is given a cgroup that he cannot see or write`, { skip: skipped }, async (t) => {
    const box = sandbox(t)
    const variants: Record<string, Variant> = {
      'mounted read-only': { options: ['ro'] },
      'not mounted': {},
      "without a cgroup namespace: it would be the host's": { options: ['rw'], cgroupNamespace: false }
    }
    for (const [what, variant] of Object.entries(variants)) {
      const { cgroup } = started(t, box, bundleOf(box, variant), callOf(box))
      t.same(owners(cgroup, DELEGATED), allOwnedBy(0, DELEGATED), what)
    }
  })
}

t.test("it is the process's user, as the host knows him", { skip }, async (t) => {
  const box = sandbox(t)
  const { cgroup } = started(t, box, bundleOf(box, { options: ['rw'], uid: 7 }), box.tsrun.bind(box))
  t.same(owners(cgroup, DELEGATED), allOwnedBy(FIRST + 7, DELEGATED))
})

/** Makes a cgroup below its own, moves everybody there, and hands a controller down: what systemd does when it starts. */
const USE_IT = [
  'cd /sys/fs/cgroup && mkdir inner',
  'while read -r pid; do echo $pid > inner/cgroup.procs; done < cgroup.procs',
  'echo +pids > cgroup.subtree_control && echo 17 > inner/pids.max && cat inner/pids.max',
  // Of its own limits it is not the master.
  '(echo 5 > pids.max) 2>/dev/null || echo refused'
].join('; ')

t.test('inside it can be used: cgroups of its own, controllers, limits', { skip }, async (t) => {
  const box = sandbox(t)
  const { id, cgroup } = started(t, box, bundleOf(box, { options: ['rw'] }), box.tsrun.bind(box))
  const used = box.tsrun('exec', id, 'sh', '-c', USE_IT)
  t.match(used, { stdout: '17\nrefused\n', stderr: '' })
  t.equal(cgroupFile(`${cgroup}/inner`, 'pids.max'), '17')
  t.equal(statSync(pathIn(`${cgroup}/inner`)).uid, FIRST)
  t.match(box.tsrun('delete', '--force', id), { status: 0, stderr: '' }, 'and goes with the container')
  t.throws(() => readFileSync(pathIn(cgroup, 'cgroup.procs')), { code: 'ENOENT' })
})

t.test("a user's container: its root is the user, who owns the scope", { skip: skipUser }, async (t) => {
  await linger(true)
  t.teardown(() => linger(false))
  const box = sandbox(t)
  const { bundle, call } = asUser(box, (config) => ({
    ...config,
    mounts: [...config.mounts!, CGROUP],
    linux: { ...config.linux, namespaces: [...config.linux!.namespaces!, { type: 'cgroup' }] }
  }))
  // Without a sysfs to mount it on, for which he would need a network namespace; and the directories are root's.
  mkdirSync(join(bundle, 'rootfs/sys/fs/cgroup'), { recursive: true })
  const { id, cgroup } = started(t, box, bundle, (...args) => call({ XDG_RUNTIME_DIR: RUNTIME }, ...args))
  t.match(cgroup, `/user@${UID}.service/user.slice/tsrun-${id}.scope`)
  t.same(owners(cgroup, DELEGATED), allOwnedBy(UID, DELEGATED))
  const used = call({ XDG_RUNTIME_DIR: RUNTIME }, 'exec', id, 'sh', '-c', USE_IT.slice(0, USE_IT.lastIndexOf(';')))
  t.match(used, { stdout: '17\n', stderr: '' })
})
