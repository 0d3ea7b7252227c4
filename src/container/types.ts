/** What the library's functions take and return. */
import type { Architecture } from '../abi/syscalls.ts'
import type { Statistics } from '../cgroup/stats.ts'
import type { Config, Process } from '../config/types.ts'

export type { Statistics } from '../cgroup/stats.ts'

export type Status = 'creating' | 'created' | 'running' | 'paused' | 'stopped'

/** The state of a container (runtime-spec, runtime.md#state) with runc's additions. */
export interface ContainerState {
  readonly ociVersion: string
  readonly id: string
  /** Pid of init as the runtime sees it; 0 when stopped. */
  readonly pid: number
  readonly status: Status
  /** Absolute. */
  readonly bundle: string
  /** Absolute. */
  readonly rootfs: string
  /** RFC 3339, UTC. */
  readonly created: string
  readonly annotations?: Readonly<Record<string, string>>
  /** User name of the owner of the state directory, or `#uid`; '' in `state`. */
  readonly owner: string
}

export type LogLevel = 'debug' | 'info' | 'warning' | 'error'

/** Options that every operation takes; runc's global options. */
export interface RuntimeOptions {
  /** Directory of all containers' state; default /run/tsrun, or $XDG_RUNTIME_DIR/tsrun when rootless. */
  readonly root?: string
  readonly systemdCgroup?: boolean
  /** Containers stay in the caller's cgroup, whatever their configuration says about resources. */
  readonly noCgroup?: boolean
  readonly rootless?: boolean | 'auto'
  /** Receives warnings and debug lines; nothing is printed without it. */
  readonly log?: (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void
}

export interface CreateOptions extends RuntimeOptions {
  readonly id: string
  /** Directory of the bundle; default the working directory. */
  readonly bundle?: string
  /** The configuration itself; default: what is in `configFile`. */
  readonly config?: Config
  /** Default: the bundle's config.json. */
  readonly configFile?: string
  readonly pidFile?: string
  readonly consoleSocket?: string
  readonly pidfdSocket?: string
  readonly noPivot?: boolean
  readonly noNewKeyring?: boolean
  readonly preserveFds?: number
  /** As `StartOptions.notifySocket`; to be given to `create` and `start`, or to `run`. */
  readonly notifySocket?: string
}

export interface StartOptions extends RuntimeOptions {
  /**
   * Address of the service manager's socket, as in $NOTIFY_SOCKET (sd_notify(3)), which only the command line reads: a path, or @ and an abstract
   * name. The container gets a socket of its own at /run/notify/notify.sock. The call returns when the container's process has said READY=1 there.
   */
  readonly notifySocket?: string
}

export interface RunOptions extends CreateOptions {
  /** Returns once the process runs. */
  readonly detach?: boolean
  /** Leaves the stopped container for `delete`. */
  readonly keep?: boolean
  readonly noSubreaper?: boolean
}

export interface RunResult {
  /** Exit status of the process, 128 + n when signal n ended it; 0 when detached. */
  readonly exitStatus: number
  readonly pid: number
}

/** Without `process` and `processFile`: the container's process with the options laid over it. */
export interface ExecOptions extends RuntimeOptions {
  readonly id: string
  /** The command and its arguments. */
  readonly args?: readonly string[]
  /** The whole process. What it does not mention of capabilities, limits and labels is the container's. */
  readonly process?: Process
  /** A file that holds it. */
  readonly processFile?: string
  readonly cwd?: string
  /** Added to the container's; the last value of a name counts. */
  readonly env?: readonly string[]
  /** Default false, whatever the container's process has. */
  readonly terminal?: boolean
  /** Without a gid the container's stays. */
  readonly user?: { readonly uid: number; readonly gid?: number }
  /** Added to the container's. */
  readonly additionalGids?: readonly number[]
  /** Added to the bounding, effective and permitted sets. */
  readonly capabilities?: readonly string[]
  /** Default: as the container's. */
  readonly noNewPrivileges?: boolean
  readonly apparmorProfile?: string
  readonly selinuxLabel?: string
  /** Cgroups that exist below the container's: `path`, or on v1 `controller[,controller…]:path`. */
  readonly cgroups?: readonly string[]
  readonly consoleSocket?: string
  readonly pidfdSocket?: string
  readonly pidFile?: string
  /** Returns once the process runs. */
  readonly detach?: boolean
  readonly preserveFds?: number
  /** The process runs when the container is resumed, and not before. */
  readonly ignorePaused?: boolean
}

export interface KillOptions extends RuntimeOptions {
  /** runc's obsolete --all: a stopped container is no error. */
  readonly all?: boolean
}

export interface DeleteOptions extends RuntimeOptions {
  readonly force?: boolean
}

/** What a checkpoint and a restore have in common; the names are those of CRIU's options. */
export interface CriuSettings {
  /** Directory of the image files; default ./checkpoint. */
  readonly imagePath?: string
  /** Directory of CRIU's logs and work files; default: that of the images. */
  readonly workPath?: string
  readonly tcpEstablished?: boolean
  readonly extUnixSk?: boolean
  readonly shellJob?: boolean
  readonly fileLocks?: boolean
  readonly autoDedup?: boolean
  readonly lazyPages?: boolean
  readonly manageCgroupsMode?: 'soft' | 'full' | 'strict' | 'ignore'
  /** Only `network`. */
  readonly emptyNs?: readonly string[]
}

export interface CheckpointOptions extends RuntimeOptions, CriuSettings {
  readonly id: string
  /** Images of the pre-dump before, relative to the image path. */
  readonly parentPath?: string
  /** The container goes on; it is deleted otherwise. */
  readonly leaveRunning?: boolean
  readonly linkRemap?: boolean
  readonly tcpSkipInFlight?: boolean
  readonly pageServer?: { readonly address: string; readonly port: number }
  /** A descriptor of this process that gets a NUL byte when the lazy pages can be fetched. */
  readonly statusFd?: number
  /** Saves memory only; the container goes on. */
  readonly preDump?: boolean
}

export interface RestoreOptions
  extends CriuSettings,
    Pick<
      RunOptions,
      'root' | 'systemdCgroup' | 'rootless' | 'log' | 'id' | 'bundle' | 'config' | 'pidFile' | 'consoleSocket' | 'detach' | 'noSubreaper'
    > {
  /** Accepted, and of no effect: CRIU makes the root as it was. */
  readonly noPivot?: boolean
  /** `apparmor:NAME` or `selinux:LABEL`. */
  readonly lsmProfile?: string
  readonly lsmMountContext?: string
}

export interface EventsOptions extends RuntimeOptions {
  /** Time between two lines of statistics, and before the first; default 5000. */
  readonly intervalMs?: number
  /** Ends the stream. */
  readonly signal?: AbortSignal
}

export interface UpdateOptions extends RuntimeOptions {
  /** Intel RDT: for a container that has `linux.intelRdt`. */
  readonly l3CacheSchema?: string
  readonly memBwSchema?: string
  /** Where the limits come from, for messages; default `resources`. */
  readonly source?: string
}

/** A line of `events`. */
export type ContainerEvent =
  | { readonly type: 'stats'; readonly id: string; readonly data: Statistics }
  /** The kernel has killed for lack of memory. */
  | { readonly type: 'oom'; readonly id: string }

export interface ExplainOptions extends RuntimeOptions, Pick<CreateOptions, 'bundle' | 'config' | 'noPivot' | 'noNewKeyring'> {
  /** Default: this machine's. */
  readonly arch?: Architecture
  readonly json?: boolean
}

/** What a build can do (runtime-spec, features.md). */
export interface Features {
  readonly ociVersionMin: string
  readonly ociVersionMax: string
  readonly hooks: readonly string[]
  readonly mountOptions: readonly string[]
  readonly linux: {
    readonly namespaces: readonly string[]
    readonly capabilities: readonly string[]
    readonly cgroup: {
      readonly v1: boolean
      readonly v2: boolean
      readonly systemd: boolean
      readonly systemdUser: boolean
      readonly rdma: boolean
    }
    readonly seccomp: {
      readonly enabled: boolean
      readonly actions?: readonly string[]
      readonly operators?: readonly string[]
      readonly archs?: readonly string[]
      /** Those that a config.json may have. */
      readonly knownFlags?: readonly string[]
      /** Those of them that the running kernel has. */
      readonly supportedFlags?: readonly string[]
    }
    readonly apparmor: Enabled
    readonly selinux: Enabled
    readonly intelRdt: { readonly enabled: boolean; readonly schemata: boolean; readonly monitoring: boolean }
    readonly memoryPolicy: { readonly modes: readonly string[]; readonly flags: readonly string[] }
    readonly mountExtensions: { readonly idmap: Enabled }
    readonly netDevices: Enabled
  }
  readonly annotations: Readonly<Record<string, string>>
  readonly potentiallyUnsafeConfigAnnotations: readonly string[]
}

interface Enabled {
  readonly enabled: boolean
}
