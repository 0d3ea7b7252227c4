/**
 * What container tests share: a sandbox with bundles, the runtimes, cleaning up, and reasons to skip.
 *
 *     t.test('hostname', { skip: needs({ root: true }) }, async (t) => {
 *       const box = sandbox(t)
 *       const { stdout } = box.tsrun('run', '--bundle', box.bundle({ process: { args: ['hostname'] } }), box.id())
 *       t.equal(stdout, 'test\n')
 *     })
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../src/config/types.ts'
import { DEFAULT_CONFIG, merge, type Overrides } from './config.ts'
import { added, mountPoints, type Scope, type Snapshot, snapshot } from './leftovers.ts'
import { removeSandbox, sandboxPrefix } from './remove.ts'
import { makeRootfs } from './rootfs.ts'
import { forUser, user } from './user.ts'

/** The repository; this file runs as build/test/harness.js. */
export const repository = findRepository(fileURLToPath(new URL('..', import.meta.url)))

function findRepository(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : findRepository(join(directory, '..'))
}

export { asRoot, cgroupVersion, controllers, type Needs, needs, unable } from './needs.ts'

/** How a command ended. */
export interface Result {
  /** Exit status; 128 + n when signal n ended it. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** What was written to stdout by now: a created container goes on writing to the same file. */
  readonly later: () => string
}

export interface CallOptions {
  /** Beside PATH; nothing else of the test's environment is passed on. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Standard input; empty by default. */
  readonly input?: string
  /** More descriptors, from 3 on. */
  readonly fds?: readonly number[]
  readonly timeoutMs?: number
  /** Run instead of the runtime, with the runtime's command line behind it: `['strace', '-f']`, `['setpriv', …]`. */
  readonly wrapper?: readonly string[]
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15 }
/** Under emulation everything takes longer; the machine of `npm run test:vm` says how much. */
const CALL_TIMEOUT_MS = 30_000 * Number(process.env.TSRUN_SLOWNESS ?? 1)

/** Where an ordinary user's runtime keeps what it keeps. */
const OF_USER = user && process.env.XDG_RUNTIME_DIR ? { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR } : {}

let calls = 0

/**
 * Runs a command with stdout and stderr going to files. (Pipes would stay open for as long as a created container holds them.)
 *
 * @param directory of the sandbox; the two files go to `calls` in it
 */
export function call(directory: string, command: readonly string[], options: CallOptions = {}): Result {
  const scratch = join(directory, 'calls')
  const [out, err] = [join(scratch, `${++calls}.out`), join(scratch, `${calls}.err`)]
  const [outFd, errFd] = [openSync(out, 'a'), openSync(err, 'a')]
  const [program = '', ...args] = [...(options.wrapper ?? []), ...command]
  const { status, signal, error } = spawnSync(program, args, {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', outFd, errFd, ...(options.fds ?? [])],
    env: { PATH: process.env.PATH, TSRUN_TEST: directory, ...OF_USER, ...options.env },
    timeout: options.timeoutMs ?? CALL_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? {} : { input: options.input })
  })
  closeSync(outFd)
  closeSync(errFd)
  const stderr = `${readFileSync(err, 'utf8')}${error ? `${error.message}\n` : ''}`
  const read = (): string => readFileSync(out, 'utf8')
  return { status: status ?? 128 + (SIGNALS[signal ?? ''] ?? 0), stdout: read(), stderr, later: read }
}

/** Newest change of a file under src/, in ms since the epoch. */
function newestSource(): number {
  const files = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  return Math.max(...files.map((path) => statSync(join(repository, 'src', path)).mtimeMs))
}

let chosen: string | undefined

/** The runtime under test: $TSRUN_RUNTIME, else dist/tsrun unless a source is newer, else bin/tsrun. */
export function tsrunPath(): string {
  if (process.env.TSRUN_RUNTIME) return process.env.TSRUN_RUNTIME
  const built = join(repository, 'dist/tsrun')
  chosen ??= existsSync(built) && statSync(built).mtimeMs >= newestSource() ? built : join(repository, 'bin/tsrun')
  return chosen
}

/** crun refuses the hybrid layout of cgroups, and runs where its v2 part is not mounted. */
const WITHOUT_UNIFIED = ['unshare', '--mount', 'sh', '-c', 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', 'sh'] as const
const isHybrid = (): boolean => mountPoints().some(({ point }) => point === '/sys/fs/cgroup/unified')

/** What tap hands to a test, as far as it is needed here. */
export interface Teardown {
  teardown(fn: () => void): unknown
}

/** A directory of a test's own, with everything in it that makes a container. */
export class Sandbox {
  readonly directory: string
  private readonly prefix: string
  private count = 0

  /** Use `sandbox(t)`. */
  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), sandboxPrefix()))
    this.prefix = this.directory.slice(this.directory.lastIndexOf('/') + 1)
    for (const name of ['state', 'calls']) mkdirSync(join(this.directory, name))
  }

  /** A container id that nobody else uses, also as the name of a cgroup. */
  id(): string {
    return `${this.prefix}-${++this.count}`
  }

  /** The directory given as `--root` to the runtime named `name`. */
  root(name = 'tsrun'): string {
    return join(this.directory, 'state', name)
  }

  /**
   * Makes a bundle: config.json, and a root file system with busybox.
   *
   * @param overrides laid over DEFAULT_CONFIG, or a function from it to the whole configuration
   * @returns its path
   */
  bundle(overrides: Overrides<Config> | ((config: Config) => unknown) = {}): string {
    const path = join(this.directory, `bundle-${++this.count}`)
    mkdirSync(join(path, 'rootfs'), { recursive: true })
    makeRootfs(join(path, 'rootfs'))
    const config = typeof overrides === 'function' ? overrides(DEFAULT_CONFIG) : merge(DEFAULT_CONFIG, overrides)
    writeFileSync(join(path, 'config.json'), `${JSON.stringify(forUser(config), undefined, 2)}\n`)
    return path
  }

  /** Runs any runtime that has runc's command line, with a root of its own named after it. */
  runtime(path: string, args: readonly string[], options: CallOptions = {}): Result {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const wrapper = name === 'crun' && isHybrid() ? WITHOUT_UNIFIED : []
    const wrapped = { ...options, wrapper: [...(options.wrapper ?? []), ...wrapper] }
    return call(this.directory, [path, '--root', this.root(name), ...args], wrapped)
  }

  tsrun(...args: string[]): Result {
    return this.tsrunWith({}, ...args)
  }

  tsrunWith(options: CallOptions, ...args: string[]): Result {
    return call(this.directory, [tsrunPath(), '--root', this.root(), ...args], options)
  }

  runc(...args: string[]): Result {
    return this.runtime('runc', args)
  }

  crun(...args: string[]): Result {
    return this.runtime('crun', args)
  }

  /** What there is now, to be compared with `leftovers`. */
  snapshot(): Snapshot {
    return snapshot(this.scope())
  }

  /** What is there now and was not at `before`; waits a little for processes that are ending. */
  async leftovers(before: Snapshot): Promise<string[]> {
    for (let tries = 0; ; tries++) {
      const found = added(before, this.snapshot())
      if (found.length === 0 || tries === 20) return found
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Ends and removes everything: processes, mounts, cgroups, the directory. */
  [Symbol.dispose](): void {
    removeSandbox(this.directory)
  }

  private scope(): Scope {
    const roots = existsSync(join(this.directory, 'state')) ? readdirSync(join(this.directory, 'state')) : []
    return {
      directory: this.directory,
      prefix: this.prefix,
      roots: ['/run/tsrun', ...roots.map((name) => join(this.directory, 'state', name))]
    }
  }
}

const open = new Set<Sandbox>()

/** A sandbox that is removed when the test ends, and when its file is ended because it takes too long. */
export function sandbox(t: Teardown): Sandbox {
  if (open.size === 0) process.once('SIGTERM', removeAll)
  const box = new Sandbox()
  open.add(box)
  t.teardown(() => {
    box[Symbol.dispose]()
    open.delete(box)
    if (open.size === 0) process.removeListener('SIGTERM', removeAll)
  })
  return box
}

function removeAll(): void {
  for (const box of open) box[Symbol.dispose]()
  process.exit(128 + SIGNALS.SIGTERM!)
}
