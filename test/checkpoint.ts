/** What the tests of checkpoint and restore share: containers that go on where they were, under any runtime that has runc's command line. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { asRoot, needs, type Sandbox, tsrunPath } from './harness.ts'

export const skip = asRoot || needs({ cgroup: 'v2', commands: ['criu', 'iptables-restore', 'tar'] })

/** Counts in its memory, and tells how far it is. */
export const COUNT = 'i=100; while :; do i=$((i+1)); echo $i > /dev/shm/count; sleep 0.05; done'

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Looks again and again; false when it does not come true. */
export async function until(what: () => boolean, tries = 1200): Promise<boolean> {
  for (let count = 0; count < tries; count++) {
    if (what()) return true
    await pause(50)
  }
  return false
}

/** How a call without any standard stream ended. */
export interface Quiet {
  readonly status: number
  /** What the runtime has logged. */
  readonly log: string
}

const TIMEOUT_MS = 30_000 * Number(process.env.TSRUN_SLOWNESS ?? 1)

/** A runtime with its containers in a sandbox. */
export class Checkpointer {
  readonly name: string
  private readonly box: Sandbox
  private count = 0

  constructor(box: Sandbox, name: 'tsrun' | 'runc') {
    this.box = box
    this.name = name
  }

  /** The command line up to the arguments of a command. */
  command(...args: readonly string[]): readonly [string, ...string[]] {
    return [this.name === 'tsrun' ? tsrunPath() : this.name, '--root', this.box.root(this.name), ...args]
  }

  /** Calls it with nothing but the null device, for its containers: what is open outside of them, runc does not save. */
  quiet(...args: readonly string[]): Quiet {
    const log = join(this.box.directory, `${this.name}-${++this.count}.log`)
    const [program, ...rest] = this.command('--log', log, ...args)
    const { status, signal } = spawnSync(program, rest, { stdio: 'ignore', timeout: TIMEOUT_MS, killSignal: 'SIGKILL' })
    return { status: status ?? 128, log: existsSync(log) ? readFileSync(log, 'utf8') : `${signal ?? ''}` }
  }

  /** What a command of it writes, or what a command in the container does. */
  output(...args: readonly string[]): string {
    const { stdout, stderr } = this.box.runtime(this.command()[0], args)
    return `${stdout}${stderr}`.trim()
  }

  /** 0 when there is no such container, or it has no process. */
  pid(id: string): number {
    const { status, stdout } = this.box.runtime(this.command()[0], ['state', id])
    const { pid, status: state } = status === 0 ? (JSON.parse(stdout) as { pid: number; status: string }) : { pid: 0, status: '' }
    return state === 'running' ? pid : 0
  }

  /** Ends a container and deletes it. */
  remove(id: string): void {
    this.quiet('delete', '--force', id)
  }
}

/** The log of CRIU in an image directory: its errors. */
export function criuErrors(images: string, log: 'dump' | 'restore'): string {
  const path = join(images, `${log}.log`)
  if (!existsSync(path)) return ''
  return (readFileSync(path, 'utf8').match(/Error \([^)]*\): .*/g) ?? []).join('\n')
}

/** Removes images, for the next checkpoint of the same name. */
export const removeImages = (images: string): void => rmSync(images, { recursive: true, force: true })
