/** The document that `tsrun spec` writes: a shell in a read-only root file system, with few rights. */
import { OCI_VERSION } from './rules.root.ts'
import type { Config, Linux, Mount, Namespace, NamespaceType } from './types.ts'

/** What the document depends on. */
export interface SpecOptions {
  /** For a user without rights: a user namespace with one id, the host's network, no cgroup of its own. */
  readonly rootless: boolean
  /** Ids of the caller on the host; only rootless uses them. */
  readonly euid: number
  readonly egid: number
  /** True when the host has the unified hierarchy: only there is a cgroup namespace of use (cgroup_namespaces(7)). */
  readonly cgroupV2: boolean
}

/** The document as text: indented with tabs, without a newline at its end, as engines and people know it. */
export const specText = (options: SpecOptions): string => JSON.stringify(specDocument(options), undefined, '\t')

/** The document. */
export const specDocument = (options: SpecOptions): Config => ({
  ociVersion: OCI_VERSION,
  process: {
    terminal: true,
    user: { uid: 0, gid: 0 },
    args: ['sh'],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
    cwd: '/',
    capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
    noNewPrivileges: true
  },
  root: { path: 'rootfs', readonly: true },
  hostname: 'tsrun',
  mounts: mounts(options),
  linux: linux(options)
})

const CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE']

function mounts({ rootless, cgroupV2 }: SpecOptions): readonly Mount[] {
  const all: Mount[] = [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      // Group 5 is tty; a user namespace with one id does not map it.
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...(rootless ? [] : ['gid=5'])]
    },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    // The kernel refuses a new sysfs to whoever does not own the network namespace.
    rootless
      ? { destination: '/sys', type: 'none', source: '/sys', options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'] }
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] }
  ]
  // Without rights only cgroup v2 can be mounted; otherwise the bind of /sys has brought the host's along.
  if (cgroupV2 || !rootless) {
    all.push({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'] })
  }
  return all
}

const linux = (options: SpecOptions): Linux => ({
  ...(options.rootless
    ? {
        uidMappings: [{ containerID: 0, hostID: options.euid, size: 1 }],
        gidMappings: [{ containerID: 0, hostID: options.egid, size: 1 }]
      }
    : { resources: { devices: [{ allow: false, access: 'rwm' }] } }),
  namespaces: namespaces(options),
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
})

function namespaces({ rootless, cgroupV2 }: SpecOptions): readonly Namespace[] {
  const types: NamespaceType[] = ['pid', ...(rootless ? [] : ['network' as const]), 'ipc', 'uts', 'mount']
  if (cgroupV2) types.push('cgroup')
  if (rootless) types.push('user')
  return types.map((type) => ({ type }))
}
