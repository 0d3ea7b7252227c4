/**
 * A machine of an engine's own, made of namespaces: mounts, processes, network, cgroups, host name. Engines are started in it with their default paths
 * and sockets, and the real machine's /run, /var/lib, /etc, bridges and firewall stay as they are. When it ends, all that ran in it has ended.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A mounted cgroup hierarchy. */
interface Hierarchy {
  readonly point: string
  readonly type: 'cgroup' | 'cgroup2'
  /** For mount(8). */
  readonly options: string
}

/** What a machine is made with. */
export interface MachineOptions {
  /** Names the cgroup that all of it is in; at most 20 characters. */
  readonly name: string
  /** Without the v2 part of the hybrid layout, which crun refuses. */
  readonly pureV1: boolean
  /** Directory with the executable under test; mounted at /usr/local/sbin. */
  readonly executables: string
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** Directories that engines write to; empty in the machine. */
const PRIVATE = [
  ...['/run', '/var/run', '/var/tmp', '/mnt', '/dev/shm'],
  ...['/var/lib/containers', '/var/lib/containerd', '/var/lib/docker', '/var/lib/cni', '/var/lib/buildkit'],
  ...['/etc/containers', '/etc/cni/net.d', '/etc/containerd', '/etc/docker', '/opt/containerd']
]

/** Superblock options of v1 that name what is mounted. */
const NAMING = /^(name=.*|cpu|cpuacct|cpuset|memory|devices|freezer|blkio|pids|net_cls|net_prio|perf_event|hugetlb|rdma|misc)$/

/** The hierarchies of this machine, from proc_pid_mountinfo(5). */
function hierarchies(): Hierarchy[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n')
  return lines.flatMap((line): Hierarchy[] => {
    const [before = '', after = ''] = line.split(' - ')
    const [type = '', , superOptions = ''] = after.split(' ')
    const point = before.split(' ')[4] ?? ''
    if (type === 'cgroup2') return [{ point, type, options: 'rw' }]
    if (type !== 'cgroup') return []
    const named = superOptions.split(',').filter((each) => NAMING.test(each))
    return [{ point, type, options: named.some((each) => each.startsWith('name=')) ? ['none', ...named].join(',') : named.join(',') }]
  })
}

const v2Group = (group: string): string => `${group}/cgroup.controllers`

/** Makes the machine's group in one hierarchy; v1's cpuset begins empty, and lets no process in until it is filled. */
function makeGroup(group: string): void {
  mkdirSync(group, { recursive: true })
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = join(group, file)
    if (existsSync(own) && !existsSync(v2Group(group))) writeFileSync(own, readFileSync(join(group, '..', file)))
  }
}

/** Shell commands that mount the hierarchies anew, as they look from the machine's own group. */
function mountCgroups(all: readonly Hierarchy[], pureV1: boolean): string[] {
  const hybrid = all.some(({ type }) => type === 'cgroup')
  const wanted = all.filter(({ type }) => !(pureV1 && hybrid && type === 'cgroup2'))
  return [
    'umount -R /sys/fs/cgroup',
    'mount -t sysfs sysfs /sys',
    ...(hybrid ? ['mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup'] : []),
    ...wanted.map(({ point, type, options }) => `mkdir -p ${point} && mount -t ${type} -o ${options} ${type} ${point}`),
    // A group of v2 that has processes gives no controllers to those below it (cgroups(7), "no internal processes").
    ...(hybrid
      ? []
      : [
          'mkdir /sys/fs/cgroup/init && for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p >/sys/fs/cgroup/init/cgroup.procs; done',
          'for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done'
        ])
  ]
}

/** The machine's first process: it mounts, and leaves the rest to a reaper. */
function inside(all: readonly Hierarchy[], { pureV1, executables }: MachineOptions): string {
  return [
    'set -e',
    'mount --make-rprivate /',
    'mount -t proc proc /proc',
    ...mountCgroups(all, pureV1),
    // Engines ask for the mounts' origin with all their paths.
    ...PRIVATE.map((path) => `[ -h ${path} ] || { mkdir -p ${path}; mount -t tmpfs -o mode=755 tmpfs ${path}; }`),
    'chmod 1777 /var/tmp /dev/shm',
    `mount --bind ${executables} /usr/local/sbin`,
    'hostname engines',
    'ip link set lo up',
    'mkdir -p /run/home /run/tmp',
    'exec catatonit -- "$@"'
  ].join('\n')
}

/** The process that becomes the machine's cgroup's first. */
const ENTER = `for group in $GROUPS_TO_ENTER; do echo $$ >$group/cgroup.procs; done
exec unshare --mount --pid --net --cgroup --ipc --uts --fork --kill-child=SIGKILL sh -c "$INSIDE" sh "$@"`

/** A machine that runs. */
export interface Machine {
  readonly process: ChildProcess
  /** Removes its cgroups; call it when the process has ended. */
  readonly remove: () => void
}

/** Starts a machine. Its command's standard output is a pipe; standard error is ours. */
export function startMachine(options: MachineOptions): Machine {
  const all = hierarchies()
  const groups = all.map(({ point }) => join(point, options.name))
  for (const group of groups) makeGroup(group)
  const child = spawn('sh', ['-c', ENTER, 'sh', ...options.command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...options.env, GROUPS_TO_ENTER: groups.join(' '), INSIDE: inside(all, options) }
  })
  return { process: child, remove: () => groups.forEach(removeGroups) }
}

/** Removes a group and all below it; tolerates what is gone. */
function removeGroups(group: string): void {
  if (!existsSync(group)) return
  for (const entry of readdirSync(group, { withFileTypes: true })) if (entry.isDirectory()) removeGroups(join(group, entry.name))
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      rmdirSync(group)
      return
    } catch {
      // The kernel takes a moment to let go of the processes that have just ended.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
}
