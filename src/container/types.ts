/** What the library's functions take and return. */
import type { Architecture } from '../abi/syscalls.ts'
import type { Config } from '../config/types.ts'

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
  /** RFC 3339 with nanoseconds, UTC. */
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
  readonly rootless?: boolean | 'auto'
  /** Receives warnings and debug lines; nothing is printed without it. */
  readonly log?: (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void
}

export interface CreateOptions extends RuntimeOptions {
  readonly id: string
  /** Directory of the bundle; default the working directory. */
  readonly bundle?: string
  /** The configuration itself; default the bundle's config.json. */
  readonly config?: Config
  readonly pidFile?: string
  readonly consoleSocket?: string
  readonly pidfdSocket?: string
  readonly noPivot?: boolean
  readonly noNewKeyring?: boolean
  readonly preserveFds?: number
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

export interface KillOptions extends RuntimeOptions {
  /** runc's obsolete --all: a stopped container is no error. */
  readonly all?: boolean
}

export interface DeleteOptions extends RuntimeOptions {
  readonly force?: boolean
}

export interface ExplainOptions extends RuntimeOptions, Pick<CreateOptions, 'bundle' | 'config' | 'noPivot' | 'noNewKeyring'> {
  /** Default: this machine's. */
  readonly arch?: Architecture
  readonly json?: boolean
}
