/** `features`: what this build can do (features.md). It needs no rights, no state directory and no container. */
import { CAPABILITIES } from '../abi/capability.ts'
import type { CgroupLocation } from '../cgroup/index.ts'
import { knownAnnotations } from '../config/annotations.ts'
import type { Config, Hooks, MemoryPolicyFlag, MemoryPolicyMode, NamespaceType, SeccompAction } from '../config/types.ts'
import { unsupportedProblems } from '../config/unsupported.ts'
import { mountOptionNames } from '../plan/mount-options.ts'
import { supportedFlags } from '../seccomp/flags.ts'
import { type Libseccomp, libseccomp } from '../seccomp/libseccomp.ts'
import { actions, architectures, flags, operators } from '../seccomp/names.ts'
import { commit, SPEC_VERSION, version } from '../version.ts'
import type { Features } from './types.ts'

/** The oldest runtime-spec whose config.json is accepted. */
const OLDEST_SPEC = '1.0.0'

/** A part of a config.json, for asking src/config/unsupported.ts whether it would be refused. */
type Sample = { readonly [K in keyof Config]?: unknown }

const supports = (sample: Sample): boolean => unsupportedProblems(sample, 'config').length === 0

/** Types as values: a member that the schema gets must be entered here, too. */
const HOOKS: Readonly<Record<keyof Hooks, true>> = {
  prestart: true,
  createRuntime: true,
  createContainer: true,
  startContainer: true,
  poststart: true,
  poststop: true
}
const NAMESPACES: Readonly<Record<NamespaceType, true>> = {
  cgroup: true,
  ipc: true,
  mount: true,
  network: true,
  pid: true,
  time: true,
  user: true,
  uts: true
}
const DRIVERS: Readonly<Record<CgroupLocation['driver'], true>> = { cgroupfs: true, systemd: true }
const MODES: Readonly<Record<MemoryPolicyMode, true>> = {
  MPOL_DEFAULT: true,
  MPOL_BIND: true,
  MPOL_INTERLEAVE: true,
  MPOL_WEIGHTED_INTERLEAVE: true,
  MPOL_PREFERRED: true,
  MPOL_PREFERRED_MANY: true,
  MPOL_LOCAL: true
}
const MODE_FLAGS: Readonly<Record<MemoryPolicyFlag, true>> = {
  MPOL_F_NUMA_BALANCING: true,
  MPOL_F_RELATIVE_NODES: true,
  MPOL_F_STATIC_NODES: true
}

/** The features document. What depends on the machine (libseccomp, the kernel's seccomp flags) is looked up now; nothing is thrown. */
export async function features(): Promise<Features> {
  const library = supports({ linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } } }) ? loaded() : undefined
  return {
    ociVersionMin: OLDEST_SPEC,
    ociVersionMax: SPEC_VERSION,
    hooks: Object.keys(HOOKS),
    mountOptions: mountOptionNames().filter((option) => supports({ mounts: [{ options: [option] }] })),
    linux: linux(library),
    annotations: {
      'dev.tsrun.version': version(),
      ...(commit() === '' ? {} : { 'dev.tsrun.commit': commit() }),
      // Whether criu is there is another question: it is looked for when it is needed.
      'org.opencontainers.runc.checkpoint.enabled': 'true',
      ...(library === undefined ? {} : { 'io.github.seccomp.libseccomp.version': library.version })
    },
    potentiallyUnsafeConfigAnnotations: knownAnnotations.filter(({ unsafe }) => unsafe).map(({ key }) => key)
  }
}

function linux(library: Libseccomp | undefined): Features['linux'] {
  const memoryPolicy = supports({ linux: { memoryPolicy: { mode: 'MPOL_LOCAL' } } })
  const intelRdt = supports({ linux: { intelRdt: {} } })
  const systemd = 'systemd' in DRIVERS
  return {
    namespaces: Object.keys(NAMESPACES),
    capabilities: [...CAPABILITIES].sort(),
    cgroup: { v1: true, v2: true, systemd, systemdUser: systemd, rdma: true },
    seccomp: seccomp(library),
    apparmor: { enabled: supports({ process: { apparmorProfile: 'x' } }) },
    selinux: { enabled: supports({ process: { selinuxLabel: 'x' }, linux: { mountLabel: 'x' } }) },
    intelRdt: { enabled: intelRdt, schemata: intelRdt, monitoring: intelRdt },
    memoryPolicy: memoryPolicy ? { modes: Object.keys(MODES), flags: Object.keys(MODE_FLAGS) } : { modes: [], flags: [] },
    mountExtensions: { idmap: { enabled: supports({ mounts: [{ uidMappings: [{}], gidMappings: [{}] }] }) } },
    netDevices: { enabled: supports({ linux: { netDevices: { eth0: {} } } }) }
  }
}

function seccomp(library: Libseccomp | undefined): Features['linux']['seccomp'] {
  const supported = library === undefined ? undefined : flagsOfKernel()
  if (library === undefined || supported === undefined) return { enabled: false }
  const names = Object.keys(actions) as SeccompAction[]
  // A profile that notifies must say whom.
  const listener = (action: SeccompAction): object => (action === 'SCMP_ACT_NOTIFY' ? { listenerPath: '/x' } : {})
  const uses = (action: SeccompAction): Sample => ({ linux: { seccomp: { syscalls: [{ names: ['read'], action }], ...listener(action) } } })
  return {
    enabled: true,
    actions: names.filter((action) => supports(uses(action))),
    operators: Object.keys(operators),
    archs: Object.entries(architectures).flatMap(([name, itsName]) => (library.architecture(itsName) === 0 ? [] : [name])),
    knownFlags: Object.keys(flags),
    supportedFlags: supported
  }
}

/** Undefined without a libseccomp that can be used. */
function loaded(): Libseccomp | undefined {
  try {
    return libseccomp()
  } catch {
    return undefined
  }
}

/** Undefined when the kernel has no filters. */
function flagsOfKernel(): readonly string[] | undefined {
  try {
    return supportedFlags()
  } catch {
    return undefined
  }
}
