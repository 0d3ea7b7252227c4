/** A container of the runtime under test: its bundle, the operations of the specification on it, and looks at it. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CallOptions, call, type Result } from './call.ts'
import { removeCgroups } from './cgroups.ts'
import type { Machine } from './machine.ts'
import type { Config, Verdict } from './requirement.ts'

/** What a look showed. */
export interface Seen {
  readonly output: string
  readonly status: number
}

/** The state that the runtime reports (runtime.md#state), unchecked. */
export type State = Readonly<Record<string, unknown>>

/** A container whose process has not run, as looks from the host get it. */
export interface Created {
  readonly container: Container
  readonly pid: number
  readonly state: State
  /** A file under /proc/PID of its process. */
  proc(name: string): string
  /** The text of a file in its cgroup of one controller: named as in v1, and as in v2. */
  cgroup(controller: string, v1: string | undefined, v2?: string): string
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** Below 1 the suite waits less long for what a runtime does not do. */
const patience = Number(process.env.CONFORMANCE_PATIENCE ?? 1)
const OUTPUT_TIMEOUT_MS = 20_000
const SOON_MS = 500
const end = '@@end'

/** The text of a file, without the newline at its end; '' when it cannot be read. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd()
  } catch {
    return ''
  }
}

/** Waits until something is there; false when it is not there in time. */
export async function eventually(holds: () => boolean | Promise<boolean>, timeoutMs = 5000): Promise<boolean> {
  for (const deadline = Date.now() + timeoutMs * patience; Date.now() < deadline; await pause(5)) if (await holds()) return true
  return await holds()
}

/** A container; dispose of it, and nothing of it is left. */
export class Container {
  readonly bundle: string
  readonly rootfs: string
  readonly id: string
  /** Directory given to the runtime as `--root`. */
  readonly root: string
  config: Config
  /** Put before the runtime's command line at `create`. */
  wrapper: readonly string[] = []
  /** Options of `create` beside --bundle. */
  readonly createOptions: string[] = []
  /** How `create` is run. */
  readonly options: { cwd?: string; env?: Record<string, string>; fds?: number[] } = {}
  private readonly directory: string
  private readonly runtime: string
  readonly machine: Machine
  private calls = 0

  /** Use `stage.container()`. `directory` exists, is empty, and belongs to the container. */
  constructor(options: { directory: string; id: string; root: string; runtime: string; machine: Machine; config: Config }) {
    this.directory = options.directory
    this.bundle = join(options.directory, 'bundle')
    this.rootfs = join(this.bundle, 'rootfs')
    this.id = options.id
    this.root = options.root
    this.runtime = options.runtime
    this.machine = options.machine
    this.config = options.config
    mkdirSync(this.rootfs, { recursive: true })
  }

  /** A path beside the bundle, that containers see only when it is mounted. */
  path(name: string): string {
    return join(this.directory, name)
  }

  /** Runs the runtime with any command line. */
  invoke(args: readonly string[], options: CallOptions = {}): Promise<Result> {
    return this.host([...this.command, ...args], options)
  }

  /** The runtime with its global options. */
  get command(): readonly string[] {
    return [this.runtime, '--root', this.root]
  }

  /** Runs any command on the host. */
  host(command: readonly string[], options: CallOptions = {}): Promise<Result> {
    return call(join(this.directory, `call${++this.calls}`), command, options)
  }

  /** Writes config.json as it is now. */
  write(): void {
    writeFileSync(join(this.bundle, 'config.json'), JSON.stringify(this.config, undefined, 2))
  }

  create(): Promise<Result> {
    this.write()
    return this.createAs(this.id)
  }

  /** `create` of this bundle with another id. */
  createAs(id: string, bundle = this.bundle): Promise<Result> {
    const out = join(this.directory, 'container')
    return call(out, [...this.wrapper, ...this.command, 'create', ...this.createOptions, '--bundle', bundle, id], this.options)
  }

  start(): Promise<Result> {
    return this.invoke(['start', this.id])
  }

  kill(signal: string): Promise<Result> {
    return this.invoke(['kill', this.id, signal])
  }

  delete(): Promise<Result> {
    return this.invoke(['delete', this.id])
  }

  query(): Promise<Result> {
    return this.invoke(['state', this.id])
  }

  /** The state; {} when there is none. */
  async state(): Promise<State> {
    const { status, stdout } = await this.query()
    if (status !== 0) return {}
    const value: unknown = JSON.parse(stdout)
    return typeof value === 'object' && value !== null ? (value as State) : {}
  }

  /** What the container's process has written. */
  get output(): string {
    return textOf(join(this.directory, 'container.out'))
  }

  /** What `create` and the container's process have written to standard error. */
  get complaints(): string {
    return textOf(join(this.directory, 'container.err'))
  }

  /** Waits for the container's process to have ended, by what `state` says. */
  stopped(): Promise<boolean> {
    return eventually(async () => (await this.state()).status === 'stopped')
  }

  /** Creates, or throws what the runtime said. */
  async mustCreate(): Promise<void> {
    must('create', await this.create())
  }

  /** Creates and starts, or throws what the runtime said. */
  async mustRun(): Promise<void> {
    await this.mustCreate()
    must('start', await this.start())
  }

  /** Creates the container, looks at it from the host, starts it with all scripts as its program, and gives what each showed. */
  async look(looks: readonly (string | ((created: Created) => string | Promise<string>))[]): Promise<readonly Seen[]> {
    const scripts = looks.map((look, i) => (typeof look === 'string' ? block(look, i) : ''))
    this.config.process = { ...this.config.process, args: ['/bin/sh', '-c', `${scripts.join('')}echo ${end}`] }
    await this.mustCreate()
    const outside = new Map<number, Seen>()
    for (const [i, look] of looks.entries()) {
      if (typeof look === 'function') outside.set(i, { output: await look(await this.created()), status: 0 })
    }
    if (outside.size < looks.length) {
      must('start', await this.start())
      await this.ended()
    }
    return looks.map((_, i) => outside.get(i) ?? seen(this.output, i))
  }

  /** Whether the runtime refuses the configuration, at `create` or at `start`, and leaves no container behind. */
  async isRefused(): Promise<Verdict> {
    const created = await this.create()
    if (created.status === 0) {
      const started = await this.start()
      if (started.status === 0) return 'no error: the container was created and started'
      return undefined
    }
    if (created.status < 0) return `create did not end by itself: ${created.stderr}`
    if ((await this.query()).status === 0) return `create failed (${created.stderr.trim()}), but the container is there`
    return undefined
  }

  /** What the host can see of a created container. */
  async created(): Promise<Created> {
    const state = await this.state()
    const pid = Number(state.pid)
    const proc = (name: string): string => textOf(`/proc/${pid}/${name}`)
    return {
      container: this,
      pid,
      state,
      proc,
      cgroup: (controller, v1, v2) => {
        const path = this.cgroupPath(pid, controller)
        const name = this.machine.controllers.get(controller)?.version === 1 ? v1 : v2
        return name === undefined ? '' : textOf(join(path, name))
      }
    }
  }

  /** The directory of a process's cgroup of one controller. */
  cgroupPath(pid: number, controller: string): string {
    const found = this.machine.controllers.get(controller)
    if (found === undefined) throw new Error(`this machine has no cgroup controller ${controller}`)
    const lines = textOf(`/proc/${pid}/cgroup`).split('\n')
    const line = lines.find((each) => {
      const [number, names = ''] = each.split(':')
      return found.version === 2 ? number === '0' : names.split(',').includes(controller)
    })
    if (line === undefined) throw new Error(`process ${pid} is in no cgroup of ${controller}`)
    return join(found.mount, line.split(':').slice(2).join(':'))
  }

  /** Waits for the last line of the scripts, or for the container to have stopped without it. */
  private async ended(): Promise<void> {
    const written = (): boolean => this.output.endsWith(end)
    if (await eventually(written, SOON_MS)) return
    await eventually(async () => written() || (await this.state()).status === 'stopped', OUTPUT_TIMEOUT_MS)
  }

  [Symbol.dispose](): void {
    spawnSync(this.runtime, [...this.command.slice(1), 'delete', '--force', this.id], { stdio: 'ignore', timeout: 20_000 })
    removeCgroups(this.id, this.machine)
    // The suite has a mount namespace of its own; what is mounted below the directory must not be emptied with it.
    unmountBelow(this.directory)
    if (existsSync(this.directory)) rmSync(this.directory, { recursive: true, force: true })
  }
}

function must(what: string, { status, stderr }: Result): void {
  if (status !== 0) throw new Error(`${what} failed with status ${status}: ${stderr.trim()}`)
}

/** A script with marks around its output; it runs in a shell of its own, so that nothing that it does concerns the next. */
function block(script: string, i: number): string {
  return `echo @@${i}; ( ${script}\n ) 2>&1; printf '\\n@@= %s\\n' $?\n`
}

function seen(output: string, i: number): Seen {
  const from = output.indexOf(`@@${i}\n`)
  if (from < 0) return { output: '', status: -1 }
  const rest = output.slice(from + `@@${i}\n`.length)
  const status = /^@@= (\d+)$/m.exec(rest)
  if (!status) return { output: rest, status: -1 }
  return { output: rest.slice(0, status.index).trim(), status: Number(status[1]) }
}

function unmountBelow(directory: string): void {
  const points = textOf('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${directory}/`))
  for (const point of points.reverse()) spawnSync('umount', ['-l', point], { stdio: 'ignore' })
}
