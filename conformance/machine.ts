/** Facts about the machine, found out once, by which requirements are skipped that it cannot hold. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Need } from './requirement.ts'

/** What the suite knows of the machine. */
export interface Machine {
  /** `6.12.48` and the like. */
  readonly kernel: string
  readonly arch: string
  /** `v1`, `v2`, or `hybrid`: v1 with controllers, and a v2 hierarchy without. */
  readonly cgroup: 'v1' | 'v2' | 'hybrid' | 'none'
  /** Where each controller is: its version and mount point. */
  readonly controllers: ReadonlyMap<string, { readonly version: 1 | 2; readonly mount: string }>
  /** Bits of the suite's effective capabilities. */
  readonly capabilities: bigint
  readonly lsms: ReadonlySet<string>
  readonly cpus: number
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

interface Mount {
  readonly point: string
  readonly type: string
  readonly options: string
}

/** Mounts of the suite's own mount namespace, in order. */
export function mountTable(): readonly Mount[] {
  return read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => {
      const [left = '', right = ''] = line.split(' - ')
      const [type = '', , options = ''] = right.split(' ')
      return { point: left.split(' ')[4] ?? '', type, options }
    })
}

function controllersOf(table: readonly Mount[]): Machine['controllers'] {
  const found = new Map<string, { version: 1 | 2; mount: string }>()
  for (const { point, type, options } of table) {
    if (type === 'cgroup') for (const name of options.split(',')) found.set(name, { version: 1, mount: point })
    if (type === 'cgroup2') {
      found.set('unified', { version: 2, mount: point })
      for (const name of read(join(point, 'cgroup.controllers')).split(/\s+/)) if (name) found.set(name, { version: 2, mount: point })
    }
  }
  return found
}

/** Looks at the machine. */
export function findMachine(): Machine {
  const table = mountTable()
  const types = new Set(table.map(({ type }) => type))
  const cgroup = types.has('cgroup') ? (types.has('cgroup2') ? 'hybrid' : 'v1') : types.has('cgroup2') ? 'v2' : 'none'
  return {
    kernel: read('/proc/sys/kernel/osrelease'),
    arch: process.arch,
    cgroup,
    controllers: controllersOf(table),
    capabilities: BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(read('/proc/self/status'))?.[1] ?? '0'}`),
    lsms: new Set(read('/sys/kernel/security/lsm').split(',').filter(Boolean)),
    cpus: read('/proc/cpuinfo').split(/^processor/m).length - 1
  }
}

/** Why no container can be made here at all; undefined when it can. */
export function unfit({ capabilities }: Machine): string | undefined {
  if (process.geteuid?.() !== 0) return 'not root'
  if ((capabilities & (1n << 21n)) === 0n) return 'root without CAP_SYS_ADMIN'
  if (!existsSync(BUSYBOX)) return `${BUSYBOX} is missing (Debian: busybox-static)`
  return undefined
}

/** A static busybox: the whole of the root file system. */
export const BUSYBOX = '/bin/busybox'

const CAPABILITY = { CAP_SYS_RESOURCE: 24, CAP_SYS_NICE: 23, CAP_NET_ADMIN: 12, CAP_SYS_TIME: 25 } as const
const release = (text: string): number => Number(text.split('.')[0]) * 1000 + Number.parseInt(text.split('.')[1] ?? '0', 10)

/** Linux of this version or newer. */
export const kernel =
  (version: string): Need =>
  (machine) =>
    release(machine.kernel) >= release(version) ? undefined : `needs Linux ${version}, this is ${machine.kernel}`

/** A cgroup controller, of any version or of one. */
export const controller =
  (name: string, version?: 1 | 2): Need =>
  ({ controllers }) => {
    const found = controllers.get(name)
    if (found === undefined) return `this machine has no cgroup controller ${name}`
    return version === undefined || found.version === version
      ? undefined
      : `the cgroup controller ${name} is of cgroup v${found.version} here, not v${version}`
  }

/** A capability that the suite itself has. */
export const capability =
  (name: keyof typeof CAPABILITY): Need =>
  ({ capabilities }) =>
    (capabilities & (1n << BigInt(CAPABILITY[name]))) !== 0n ? undefined : `${name} is missing on this machine, even to root`

/** A file that must exist. */
export const file =
  (path: string, what = path): Need =>
  () =>
    existsSync(path) ? undefined : `this machine has no ${what}`

/** A file that must not exist: the requirement is about machines without it. */
export const noFile =
  (path: string, what = path): Need =>
  () =>
    existsSync(path) ? `this machine has ${what}` : undefined

/** A security module that is on. */
export const lsm =
  (name: string): Need =>
  ({ lsms }) =>
    lsms.has(name) ? undefined : `the security module ${name} is not on`

/** A security module that is off. */
export const noLsm =
  (name: string): Need =>
  ({ lsms }) =>
    lsms.has(name) ? `the security module ${name} is on` : undefined

/** Processors of this architecture, in Node's words. */
export const arch =
  (...names: readonly string[]): Need =>
  (machine) =>
    names.includes(machine.arch) ? undefined : `for ${names.join(' and ')}, this is ${machine.arch}`

/** More than one processor that is on: with one, every affinity is the same. */
export const twoCpus: Need = ({ cpus }) => (cpus > 1 ? undefined : 'only one processor is on')

/** A program in PATH. */
export const command =
  (name: string): Need =>
  () =>
    (process.env.PATH ?? '').split(':').some((directory) => existsSync(join(directory, name))) ? undefined : `${name} is not installed`

/** All of several needs. */
export const all =
  (...needs: readonly Need[]): Need =>
  (machine) => {
    for (const need of needs) {
      const why = need(machine)
      if (why !== undefined) return why
    }
    return undefined
  }

/** A file with this name in a controller's hierarchy: kernels leave some out. */
export const cgroupFile =
  (name: string, v1: string | undefined, v2: string | undefined): Need =>
  (machine) => {
    const found = machine.controllers.get(name)
    if (found === undefined) return `this machine has no cgroup controller ${name}`
    const wanted = found.version === 1 ? v1 : v2
    if (wanted === undefined) return `cgroup v${found.version} has nothing of the kind`
    return hasFile(found.mount, wanted) ? undefined : `this kernel's ${name} controller has no ${wanted}`
  }

/** The root cgroup lacks many files: look into its children as well. */
function hasFile(mount: string, name: string): boolean {
  if (existsSync(join(mount, name))) return true
  const children = readdirSync(mount, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return children.some((entry) => existsSync(join(mount, entry.name, name)))
}
