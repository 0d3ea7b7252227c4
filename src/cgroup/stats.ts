/**
 * What a container uses, in the shape that runc's `events` prints and its readers parse. Apart from index.ts, because nothing else needs it.
 */
import { tryRead } from './files.ts'
import { statisticsV1 } from './stats.v1.ts'
import { statisticsV2 } from './stats.v2.ts'
import type { CgroupLocation } from './types.ts'

/** A counter or limit: a bigint only beyond 2^53. */
export type Count = number | bigint

/** Pressure (Documentation/accounting/psi.rst): shares of time in percent, the total in microseconds. */
export interface PressureLine {
  readonly avg10: number
  readonly avg60: number
  readonly avg300: number
  readonly total: Count
}
export interface Pressure {
  readonly some?: PressureLine
  readonly full?: PressureLine
}

/** Bytes. */
export interface MemoryUse {
  readonly limit: Count
  readonly usage?: Count
  readonly max?: Count
  readonly failcnt: Count
}

export interface BlockEntry {
  readonly major?: number
  readonly minor?: number
  readonly op?: string
  readonly value?: Count
}

/** The member `data` of a line of `events`. Zero and empty members that are optional here are left out, as runc does. Times in nanoseconds. */
export interface Statistics {
  readonly cpu: {
    readonly usage: {
      readonly total?: Count
      readonly percpu?: readonly Count[]
      readonly percpu_kernel?: readonly Count[]
      readonly percpu_user?: readonly Count[]
      readonly kernel: Count
      readonly user: Count
    }
    readonly throttling: { readonly periods?: Count; readonly throttledPeriods?: Count; readonly throttledTime?: Count }
    readonly psi?: Pressure
  }
  readonly cpuset: {
    readonly cpus?: readonly number[]
    readonly cpu_exclusive: Count
    readonly mems?: readonly number[]
    readonly mem_hardwall: Count
    readonly mem_exclusive: Count
    readonly memory_migrate: Count
    readonly memory_spread_page: Count
    readonly memory_spread_slab: Count
    readonly memory_pressure: Count
    readonly sched_load_balance: Count
    readonly sched_relax_domain_level: Count
  }
  readonly memory: {
    readonly cache?: Count
    readonly usage: MemoryUse
    /** Memory and swap together, on v2 too. */
    readonly swap: MemoryUse
    readonly kernel: MemoryUse
    readonly kernelTCP: MemoryUse
    readonly raw?: Readonly<Record<string, Count>>
    readonly psi?: Pressure
  }
  readonly pids: { readonly current?: Count; readonly limit?: Count }
  readonly blkio: Readonly<Partial<Record<BlockTable, readonly BlockEntry[]>>> & { readonly psi?: Pressure }
  /** By size of page: `2MB`. */
  readonly hugetlb: Readonly<Record<string, { readonly usage?: Count; readonly max?: Count; readonly failcnt: Count }>>
  readonly intel_rdt: Readonly<Record<string, never>>
  readonly network_interfaces: null
}

export type BlockTable =
  | 'ioServiceBytesRecursive'
  | 'ioServicedRecursive'
  | 'ioQueueRecursive'
  | 'ioServiceTimeRecursive'
  | 'ioWaitTimeRecursive'
  | 'ioMergedRecursive'
  | 'ioTimeRecursive'
  | 'sectorsRecursive'

/** Reads the statistics of the container's cgroups. What a host does not count is zero or left out; nothing is thrown. */
export const statistics = (location: CgroupLocation): Statistics =>
  location.mode === 'v2' ? statisticsV2(location.paths[''] ?? '') : statisticsV1(location.paths)

/** One line of JSON for `statistics`. JSON.stringify knows no bigint. */
export function formatStatistics(value: unknown): string {
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.map(formatStatistics).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${formatStatistics(member)}`).join(',')}}`
}

/** The kernel's word for "no limit" on v2, as runc prints it: 2^64 - 1. */
const NO_LIMIT = 2n ** 64n - 1n

/** A number from a file's text: 0 when there is none. */
export function count(text: string | undefined): Count {
  if (text === 'max') return NO_LIMIT
  if (text === undefined || !/^-?\d+$/.test(text)) return 0
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

/** The number in a file that holds one. */
export const countIn = (directory: string, file: string): Count => count(tryRead(`${directory}/${file}`))

/** `name value` lines. */
export function keyed(directory: string, file: string): Record<string, Count> {
  const out: Record<string, Count> = {}
  for (const line of (tryRead(`${directory}/${file}`) ?? '').split('\n')) {
    const space = line.indexOf(' ')
    if (space > 0) out[line.slice(0, space)] = count(line.slice(space + 1))
  }
  return out
}

/** `value` under `name`, or nothing when it is zero or empty. */
export function unlessEmpty<const Name extends string, Value>(name: Name, value: Value): { [N in Name]?: Value } {
  const empty =
    value === undefined || value === 0 || value === 0n || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  return empty ? {} : ({ [name]: value } as { [N in Name]?: Value })
}

/** The sum of two counts. */
export function plus(a: Count, b: Count): Count {
  const sum = BigInt(a) + BigInt(b)
  return sum <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(sum) : sum
}

/** The product of a count and a factor. */
export const times = (a: Count, factor: number): Count => count(String(BigInt(a) * BigInt(factor)))
