/**
 * What is kept of a container between two commands: `state.json` in its state directory.
 *
 * Keys that runc's state.json has too carry runc's names, because cAdvisor and scripts read them.
 */
import type { CgroupLocation } from '../cgroup/index.ts'
import type { ErrorCode } from '../errors/error.ts'
import { startTime } from '../linux/process.ts'
import type { RdtGroup } from './resctrl.ts'

/** The format that this version writes, and the only one that it reads. */
export const FORMAT = 1

/** How a step of the program is described once the plan itself is gone. */
export interface SavedStep {
  readonly says: string
  readonly pointer: string
  readonly code?: ErrorCode
}

export interface ContainerRecord {
  readonly format: typeof FORMAT
  readonly id: string
  /** 0 while the container is being created. */
  readonly init_process_pid: number
  /** Clock ticks since boot, from /proc/PID/stat field 22; guards against a reused pid. */
  readonly init_process_start: number
  /** RFC 3339, UTC. */
  readonly created: string
  readonly bundle: string
  readonly rootfs: string
  readonly ociVersion: string
  readonly annotations: Readonly<Record<string, string>>
  readonly rootless: boolean
  /** v1: controller → directory; v2: the one key ''. */
  readonly cgroup_paths: Readonly<Record<string, string>>
  /** `NEWPID` … → /proc/PID/ns/…, of the container's own and joined namespaces. */
  readonly namespace_paths: Readonly<Record<string, string>>
  /** False: init shares the pid namespace of the host or of another container, so that its death ends no other process. */
  readonly ownPidNamespace: boolean
  /** Init has kept its caller's session keyring, and so does whoever joins it. */
  readonly noNewKeyring?: true
  /** Where the container's cgroups are; absent without any. */
  readonly cgroup?: CgroupLocation
  /** Where its processes are in the resctrl file system; absent without Intel RDT. */
  readonly intelRdt?: RdtGroup
  /**
   * The limits in force since the last `update`, the JSON of linux.resources; absent before: then those of config.json are. A text,
   * because it may hold integers beyond 2^53, which src/config reads exactly.
   */
  readonly resources?: string
  /** The steps that init does after it was released, by index; `start` puts their failures into words. */
  readonly steps: Readonly<Record<string, SavedStep>>
}

/** The namespaces by runc's names and by the kernel's in /proc/PID/ns. */
const namespaces = {
  NEWCGROUP: 'cgroup',
  NEWIPC: 'ipc',
  NEWNET: 'net',
  NEWNS: 'mnt',
  NEWPID: 'pid',
  NEWTIME: 'time',
  NEWUSER: 'user',
  NEWUTS: 'uts'
} as const

/** The record of a container whose init is process `pid`. */
export function withInit(record: ContainerRecord, pid: number, steps: ContainerRecord['steps']): ContainerRecord {
  return {
    ...record,
    init_process_pid: pid,
    init_process_start: startTime(pid) ?? 0,
    namespace_paths: namespacePaths(pid),
    steps
  }
}

function namespacePaths(pid: number): ContainerRecord['namespace_paths'] {
  const paths: Record<string, string> = {}
  for (const [name, file] of Object.entries(namespaces)) paths[name] = `/proc/${pid}/ns/${file}`
  return paths
}
