/**
 * What a plan depends on beside the configuration: everything about the host, read once by `container/facts.ts` and frozen.
 * Same config and same facts, same plan, byte for byte.
 */
import type { Architecture } from '../abi/syscalls.ts'
import type { Mount } from '../config/types.ts'

/** One mounted cgroup hierarchy of the host, from /proc/self/mountinfo and /proc/self/cgroup (cgroups(7)). */
export interface CgroupHierarchy {
  /** v1 controllers (`cpu`, `cpuacct`), `name=systemd` for a named one; empty for v2. */
  readonly controllers: readonly string[]
  /** Where it is mounted, such as /sys/fs/cgroup/memory. */
  readonly mountpoint: string
  readonly version: 1 | 2
  /** The runtime's own cgroup, below the mount point. */
  readonly own?: string
}

/** A cgroup that the program joins by writing "0" to its `file`. */
export interface CgroupJoin {
  /** Absolute directory on the host. */
  readonly directory: string
  /**
   * `tasks` on v1, otherwise (absent) `cgroup.procs`. `tasks` moves the thread that writes, which is all of a single-threaded program. To move a
   * thread group the kernel takes cgroup_threadgroup_rwsem for writing and first waits for an RCU grace period, 10 to 15 ms; for the
   * current thread alone it does not (kernel/cgroup/cgroup.c, cgroup_procs_write_start). v2 has no such file for another domain: there
   * clone3(2) with CLONE_INTO_CGROUP spares the wait.
   */
  readonly file?: 'tasks' | 'cgroup.procs'
  /** v1 controllers or `name=…`; empty for v2. */
  readonly controllers: readonly string[]
  /** True when a refusal (EACCES, EPERM, ENOENT, …) is no error: rootless without delegation. */
  readonly optional: boolean
}

export interface CgroupFacts {
  readonly mode: 'v1' | 'v2' | 'hybrid' | 'none'
  readonly hierarchies: readonly CgroupHierarchy[]
  /** In the order in which they are joined; empty when cgroups are not used. */
  readonly joins: readonly CgroupJoin[]
  /** systemd makes the cgroup, for a process that is there already: the spawned process waits for that. */
  readonly unit?: true
}

/** What a bind mount's source is; the kind of mount point made for it follows from it. */
export interface SourceFact {
  /** Absolute, after joining relative sources to the bundle. */
  readonly path: string
  readonly kind: 'directory' | 'other' | 'missing'
  /** Where it leads, if it is a symlink that is mounted or made anew itself (`src-nofollow`, `copy-symlink`); its kind is then `other`. */
  readonly symlink?: string
  /** Attributes (MOUNT_ATTR_*) of the source's mount, where a user namespace cannot take them away; otherwise absent. */
  readonly attributes?: number
}

/** What every process of a container depends on: its init, and those that `exec` adds. */
export interface ProcessFacts {
  readonly arch: Architecture
  /** True when the caller is not root in the initial user namespace or lacks its rights: writes to cgroups and maps may be refused. */
  readonly rootless: boolean
  /** `linux.seccomp`, compiled (seccomp/compile.ts): struct sock_filter[], and the flags of seccomp(2). */
  readonly seccomp?: {
    readonly filter: Uint8Array
    readonly flags: number
    /** Loading it gives a descriptor of notifications, which the runtime passes on. */
    readonly listener?: boolean
    /** What tells the compiler of the filter from any other; absent when it is not known. The filter then follows from it and the configuration. */
    readonly maker?: { readonly library: string; readonly identity: Uint32Array }
  }
  /** HOME of process.user from the /etc/passwd that the container will see; '/' when it is not found. */
  readonly home: string
  /** Number of the last capability, from /proc/sys/kernel/cap_last_cap. */
  readonly lastCapability: number
  /** The runtime's own permitted capabilities as a bit set (capget(2)); a new user namespace has all. */
  readonly permittedCapabilities: bigint
  /** The caller's soft limit of open files, which the engine has raised; undefined when it was not changed. */
  readonly callerNofile?: { readonly soft: number; readonly hard: number }
  /** True when setgroups(2) is forbidden in the container's user namespace: a gid map that an unprivileged user wrote (user_namespaces(7)). */
  readonly setgroupsDenied: boolean
}

export interface HostFacts extends ProcessFacts {
  /** Kernel release as [major, minor]. */
  readonly kernel: readonly [number, number]
  /** Effective ids of the runtime. */
  readonly euid: number
  readonly egid: number
  /** True when the runtime itself runs in a user namespace that is not the initial one. */
  readonly inUserNamespace: boolean
  /** Absolute path of the root file system, no symlinks at its end. */
  readonly rootfs: string
  readonly bundle: string
  /** Mount point that holds the root file system, from mountinfo; needed to make it private when the propagation is shared. */
  readonly rootfsParentMount: string
  readonly cgroup: CgroupFacts
  /** By index of `mounts`; only bind mounts have one. */
  readonly sources: Readonly<Record<number, SourceFact>>
  /** Paths of the configuration that lead through a symlink to nothing in the root file system, and where there; see container/dangling.ts. */
  readonly dangling?: Readonly<Record<string, string>>
  /** Host mount points of proc and sysfs (mountinfo), for --no-pivot. */
  readonly procAndSysMounts: readonly string[]
}

/** What the command line adds to the process. */
export interface ProcessOptions {
  /** Of the container. */
  readonly id: string
  readonly noNewKeyring: boolean
  /** Descriptors 3 … 3+n-1 stay open. */
  readonly preserveFds: number
  /** A connected socket for the terminal's master is passed as descriptor `console`. */
  readonly consoleSocket: boolean
  /** Environment that is added to process.env, such as LISTEN_FDS. */
  readonly extraEnv: readonly string[]
}

/** What the command line adds to the configuration. */
export interface PlanOptions extends ProcessOptions {
  /** How the process is released: `socket` waits in accept(2) on the descriptor `start`; `sync` waits for a message on `sync`. */
  readonly release: 'socket' | 'sync'
  readonly noPivot: boolean
  /** Bind mounts of directories of the runtime's own, after those of the configuration. */
  readonly extraMounts?: readonly Mount[]
}
