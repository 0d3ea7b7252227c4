/** Configs and facts that the golden plans are made of. Only tests import this. */
import type { Architecture } from '../abi/syscalls.ts'
import { specDocument } from '../config/spec.ts'
import type { Config } from '../config/types.ts'
import type { HostFacts, PlanOptions } from './facts.ts'

export const exampleFacts = (arch: Architecture, more: Partial<HostFacts> = {}): HostFacts => ({
  arch,
  kernel: [6, 12],
  rootless: false,
  euid: 0,
  egid: 0,
  inUserNamespace: false,
  rootfs: '/bundle/rootfs',
  bundle: '/bundle',
  rootfsParentMount: '/',
  cgroup: {
    mode: 'v1',
    hierarchies: [
      { controllers: ['cpu', 'cpuacct'], mountpoint: '/sys/fs/cgroup/cpu,cpuacct', version: 1 },
      { controllers: ['name=systemd'], mountpoint: '/sys/fs/cgroup/systemd', version: 1 }
    ],
    joins: [
      { directory: '/sys/fs/cgroup/cpu,cpuacct/box', controllers: ['cpu', 'cpuacct'], optional: false, file: 'tasks' },
      { directory: '/sys/fs/cgroup/systemd/box', controllers: ['name=systemd'], optional: false, file: 'tasks' }
    ]
  },
  sources: {},
  procAndSysMounts: ['/proc', '/sys'],
  home: '/root',
  lastCapability: 40,
  permittedCapabilities: (1n << 41n) - 1n,
  setgroupsDenied: false,
  ...more
})

export const exampleOptions = (more: Partial<PlanOptions> = {}): PlanOptions => ({
  id: 'box',
  release: 'socket',
  noPivot: false,
  noNewKeyring: false,
  preserveFds: 0,
  consoleSocket: true,
  extraEnv: [],
  ...more
})

const UNIFIED: HostFacts['cgroup'] = {
  mode: 'v2',
  hierarchies: [{ controllers: [], mountpoint: '/sys/fs/cgroup', version: 2 }],
  joins: [{ directory: '/sys/fs/cgroup/box', controllers: [], optional: true }]
}

const joined: Config = {
  ociVersion: '1.3.0',
  root: { path: 'rootfs' },
  process: { cwd: '/srv/app', args: ['./server'], env: ['PATH=/bin'], user: { uid: 1000, gid: 1000, additionalGids: [7] } },
  linux: {
    namespaces: [
      { type: 'pid', path: '/proc/4/ns/pid' },
      { type: 'network', path: '/run/netns/blue' },
      { type: 'user', path: '/proc/4/ns/user' },
      { type: 'mount' },
      { type: 'time' }
    ],
    timeOffsets: { boottime: { secs: 60 } }
  }
}

const everyMount: Config = {
  ociVersion: '1.3.0',
  root: { path: 'rootfs', readonly: true },
  process: { cwd: '/', args: ['/bin/true'], env: ['HOME=/'] },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['ro', 'nosuid', 'mode=755'] },
    { destination: '/dev/pts', type: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue' },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro'] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro', 'nosuid'] },
    { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nodev', 'size=1m'] },
    { destination: '/data', source: '/srv/data', options: ['rbind', 'rro', 'rprivate', 'noatime'] },
    { destination: '/etc/resolv.conf', type: 'bind', source: '/etc/resolv.conf', options: ['bind', 'ro'] },
    { destination: '/data', options: ['remount', 'nosuid'] },
    {
      destination: '/merged',
      type: 'overlay',
      source: 'overlay',
      options: ['lowerdir=/a:/b', `upperdir=/${'x'.repeat(300)}`, 'workdir=/w', 'shared']
    }
  ],
  linux: {
    namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'cgroup' }],
    rootfsPropagation: 'rshared',
    devices: [
      { path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o660, uid: 0, gid: 5 },
      { path: '/var/pipe', type: 'p' }
    ],
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/sys'],
    sysctl: { 'kernel.msgmax': '8192' }
  }
}

export interface Example {
  readonly config: Config
  readonly facts: Partial<HostFacts>
  readonly options: Partial<PlanOptions>
}

/** What a process can be given beside the usual. */
const everyProcessField: Config = {
  ociVersion: '1.3.0',
  root: { path: 'rootfs' },
  process: {
    cwd: '/',
    args: ['/bin/true'],
    env: ['HOME=/'],
    user: { uid: 1000, gid: 1000 },
    apparmorProfile: 'box',
    selinuxLabel: 'system_u:system_r:container_t:s0:c1,c2',
    scheduler: {
      policy: 'SCHED_DEADLINE',
      flags: ['SCHED_FLAG_RESET_ON_FORK', 'SCHED_FLAG_RECLAIM'],
      runtime: 10_000_000,
      deadline: 6_000_000_000,
      period: 6_000_000_000
    },
    ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 7 }
  },
  linux: {
    namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'network' }],
    netDevices: { eth0: { name: 'container%d' } },
    memoryPolicy: { mode: 'MPOL_INTERLEAVE', nodes: '0-1,3', flags: ['MPOL_F_STATIC_NODES'] }
  }
}

/** By the name of the golden file. */
export const examples: Readonly<Record<string, Example>> = {
  default: { config: specDocument({ rootless: false, euid: 0, egid: 0, cgroupV2: false }), facts: {}, options: {} },
  rootless: {
    config: specDocument({ rootless: true, euid: 1000, egid: 1000, cgroupV2: true }),
    facts: {
      rootless: true,
      euid: 1000,
      egid: 1000,
      cgroup: UNIFIED,
      setgroupsDenied: true,
      sources: { 5: { path: '/sys', kind: 'directory' } }
    },
    options: {}
  },
  joined: { config: joined, facts: {}, options: { consoleSocket: false, preserveFds: 2 } },
  mounts: {
    config: everyMount,
    facts: { sources: { 7: { path: '/srv/data', kind: 'directory' }, 8: { path: '/etc/resolv.conf', kind: 'other' } } },
    options: { consoleSocket: false, release: 'sync' }
  },
  process: {
    config: everyProcessField,
    facts: { seccomp: { filter: new Uint8Array(16), flags: 8, listener: true } },
    options: { consoleSocket: false }
  },
  binds: {
    config: {
      ociVersion: '1.3.0',
      root: { path: 'rootfs' },
      process: { cwd: '/', args: ['/bin/true'], env: ['HOME=/'] },
      mounts: [
        { destination: '/own', source: '/a', options: ['bind', 'idmap=uids=0-1-10;gids=0-2-10'] },
        { destination: '/container', source: '/b', options: ['rbind', 'ridmap', 'ro'] },
        { destination: '/again', source: '/b/below', options: ['bind', 'idmap'] },
        { destination: '/etc/link', source: '/c', options: ['bind', 'copy-symlink'] },
        { destination: '/etc/mounted', source: '/c', options: ['bind', 'src-nofollow', 'dest-nofollow'] }
      ],
      linux: {
        namespaces: [{ type: 'user' }, { type: 'mount' }, { type: 'pid' }],
        uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
        gidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }]
      }
    },
    facts: {
      sources: {
        0: { path: '/a', kind: 'directory' },
        1: { path: '/b', kind: 'directory' },
        2: { path: '/b/below', kind: 'directory' },
        3: { path: '/c', kind: 'other', symlink: '/d' },
        4: { path: '/c', kind: 'other', symlink: '/d' }
      }
    },
    options: { consoleSocket: false }
  },
  'copy-up': {
    config: {
      ociVersion: '1.3.0',
      root: { path: 'rootfs' },
      process: { cwd: '/', args: ['/bin/true'], env: ['HOME=/'] },
      mounts: [
        { destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['rw', 'nosuid', 'nodev', 'tmpcopyup'] },
        { destination: '/run/sub', type: 'tmpfs', source: 'tmpfs', options: ['ro', 'mode=700,size=1m', 'tmpcopyup'] }
      ],
      linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }] }
    },
    facts: {},
    options: { consoleSocket: false }
  },
  'no-pivot': {
    config: {
      ...everyMount,
      mounts: [{ destination: '/sys/fs/cgroup', type: 'cgroup' }],
      linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'cgroup' }] }
    },
    facts: { cgroup: { ...UNIFIED, joins: [{ directory: '/sys/fs/cgroup/box', controllers: [], optional: false }] } },
    options: { noPivot: true, consoleSocket: false }
  }
}
