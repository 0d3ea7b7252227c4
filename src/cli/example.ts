/** The config.json that `spec` writes. */
import type { Config, Linux, Mount } from '../config/types.ts'
import { SPEC_VERSION } from './version.ts'

/** What the example depends on. */
export interface ExampleOptions {
  /** For a container without privileges: the caller's ids, which root in the container is mapped to. */
  readonly rootless?: { readonly uid: number; readonly gid: number }
  /** Whether /sys/fs/cgroup is cgroup v2. */
  readonly cgroup2: boolean
}

const capabilities = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE']

/** A configuration like that of `runc spec`: a shell on a read-only root file system. */
export function exampleConfig({ rootless, cgroup2 }: ExampleOptions): Config {
  return {
    ociVersion: SPEC_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ['sh'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'tsrun',
    mounts: rootless === undefined ? mounts(cgroupMount) : rootlessMounts(cgroup2),
    linux: rootless === undefined ? linux(cgroup2) : rootlessLinux(cgroup2, rootless)
  }
}

const cgroupMount: Mount = {
  destination: '/sys/fs/cgroup',
  type: 'cgroup',
  source: 'cgroup',
  options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro']
}

const devpts: Mount = {
  destination: '/dev/pts',
  type: 'devpts',
  source: 'devpts',
  options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']
}

const sysfs: Mount = { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] }

const mounts = (...cgroup: Mount[]): Mount[] => [
  { destination: '/proc', type: 'proc', source: 'proc' },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
  devpts,
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  sysfs,
  ...cgroup
]

/**
 * A user namespace with one group cannot hold gid 5, and sysfs may only be mounted by the owner of the network namespace: /sys comes from the host.
 * The v1 hierarchies come along with it; on v2 a cgroup namespace gives the container its own view.
 */
const rootlessMounts = (cgroup2: boolean): Mount[] =>
  mounts(...(cgroup2 ? [cgroupMount] : [])).map((mount) => {
    if (mount === devpts) return { ...devpts, options: devpts.options!.filter((option) => option !== 'gid=5') }
    return mount === sysfs
      ? { destination: '/sys', type: 'none', source: '/sys', options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'] }
      : mount
  })

const paths = {
  maskedPaths: [
    '/proc/acpi',
    '/proc/asound',
    '/proc/kcore',
    '/proc/keys',
    '/proc/latency_stats',
    '/proc/timer_list',
    '/proc/timer_stats',
    '/proc/sched_debug',
    '/sys/firmware',
    '/proc/scsi'
  ],
  readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']
}

const linux = (cgroup2: boolean): Linux => ({
  resources: { devices: [{ allow: false, access: 'rwm' }] },
  namespaces: [{ type: 'pid' }, { type: 'network' }, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }, ...cgroupNamespace(cgroup2)],
  ...paths
})

const rootlessLinux = (cgroup2: boolean, { uid, gid }: { uid: number; gid: number }): Linux => ({
  uidMappings: [{ containerID: 0, hostID: uid, size: 1 }],
  gidMappings: [{ containerID: 0, hostID: gid, size: 1 }],
  namespaces: [{ type: 'pid' }, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }, ...cgroupNamespace(cgroup2), { type: 'user' }],
  ...paths
})

const cgroupNamespace = (cgroup2: boolean): { type: 'cgroup' }[] => (cgroup2 ? [{ type: 'cgroup' }] : [])
