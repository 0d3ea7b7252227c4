/** What cases run on: the machine, the runtime under test, and containers. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { baseConfig } from './config.ts'
import { Container } from './container.ts'
import type { Machine } from './machine.ts'
import { apply, type Change, type Verdict } from './requirement.ts'
import { rootfsMaker } from './rootfs.ts'

/** One runtime on one machine. Dispose of it at the end. */
export class Stage {
  readonly machine: Machine
  /** Path of the runtime's executable. */
  readonly runtime: string
  private readonly directory = mkdtempSync('/tmp/conf-')
  private readonly makeRootfs = rootfsMaker(this.directory)
  private readonly accepted = new Map<Change, Promise<Verdict>>()
  private count = 0

  constructor(machine: Machine, runtime: string) {
    this.machine = machine
    this.runtime = runtime
    // The mapped root of a user namespace must get to the bundles.
    chmodSync(this.directory, 0o755)
    mkdirSync(join(this.directory, 'root'))
  }

  /** A new bundle with the base configuration, changed; not created yet. */
  container(change: Change = {}, wrapper: readonly string[] = []): Container {
    const id = `${this.directory.slice('/tmp/'.length)}-${++this.count}`
    const directory = join(this.directory, String(this.count))
    mkdirSync(directory)
    const { machine, runtime } = this
    const container = new Container({ directory, id, root: join(this.directory, 'root'), runtime, machine, config: baseConfig() })
    this.makeRootfs(container.rootfs)
    container.wrapper = wrapper
    apply(container.config, change, container)
    return container
  }

  /** Whether the runtime takes a configuration; asked once for each change. */
  accepts(change: Change): Promise<Verdict> {
    const known = this.accepted.get(change) ?? this.tryCreate(change)
    this.accepted.set(change, known)
    return known
  }

  private async tryCreate(change: Change): Promise<Verdict> {
    using container = this.container(change)
    const { status, stderr } = await container.create()
    if (status !== 0) return stderr.trim() || `create ended with status ${status}`
    return (await container.state()).status === 'created' ? undefined : 'create succeeded, but there is no created container'
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
