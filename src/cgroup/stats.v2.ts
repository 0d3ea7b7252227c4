/** Statistics of cgroup v2, in the shape of v1's, as runc converts them. */
import { childNames, tryRead } from './files.ts'
import {
  type BlockEntry,
  type BlockTable,
  type Count,
  count,
  countIn,
  keyed,
  type Pressure,
  type PressureLine,
  plus,
  type Statistics,
  times,
  unlessEmpty
} from './stats.ts'
import { cpuset, pidsLimit } from './stats.v1.ts'

/** Reads the cgroup `directory`. */
export const statisticsV2 = (directory: string): Statistics => ({
  cpu: cpu(directory),
  cpuset: cpuset(''),
  memory: memory(directory),
  pids: { ...unlessEmpty('current', countIn(directory, 'pids.current')), ...pidsLimit(directory) },
  blkio: { ...blkio(directory), ...pressure(directory, 'io.pressure') },
  hugetlb: hugetlb(directory),
  intel_rdt: {},
  network_interfaces: null
})

function cpu(directory: string): Statistics['cpu'] {
  const stat = keyed(directory, 'cpu.stat')
  const nanoseconds = (microseconds: Count | undefined): Count => times(microseconds ?? 0, 1000)
  return {
    usage: {
      ...unlessEmpty('total', nanoseconds(stat.usage_usec)),
      kernel: nanoseconds(stat.system_usec),
      user: nanoseconds(stat.user_usec)
    },
    throttling: {
      ...unlessEmpty('periods', stat.nr_periods),
      ...unlessEmpty('throttledPeriods', stat.nr_throttled),
      ...unlessEmpty('throttledTime', nanoseconds(stat.throttled_usec))
    },
    ...pressure(directory, 'cpu.pressure')
  }
}

function memory(directory: string): Statistics['memory'] {
  const raw = keyed(directory, 'memory.stat')
  const usage = countIn(directory, 'memory.current')
  const limit = countIn(directory, 'memory.max')
  const swap = countIn(directory, 'memory.swap.max')
  const none = { limit: 0, failcnt: 0 }
  return {
    ...unlessEmpty('cache', raw.file),
    usage: {
      limit,
      ...unlessEmpty('usage', usage),
      ...unlessEmpty('max', countIn(directory, 'memory.peak')),
      failcnt: keyed(directory, 'memory.events').max ?? 0
    },
    // v1 counts memory and swap together, and so do the readers.
    swap: { limit: sumOfLimits(limit, swap), ...unlessEmpty('usage', plus(usage, countIn(directory, 'memory.swap.current'))), failcnt: 0 },
    kernel: none,
    kernelTCP: none,
    ...unlessEmpty('raw', raw),
    ...pressure(directory, 'memory.pressure')
  }
}

/** "No limit" for one is "no limit" for the sum. */
const sumOfLimits = (memory: Count, swap: Count): Count =>
  typeof memory === 'bigint' ? memory : typeof swap === 'bigint' ? swap : plus(memory, swap)

/** Each key of io.stat: the table it belongs to, and the operation. */
const keys: Readonly<Record<string, readonly [BlockTable, string]>> = {
  rbytes: ['ioServiceBytesRecursive', 'Read'],
  wbytes: ['ioServiceBytesRecursive', 'Write'],
  dbytes: ['ioServiceBytesRecursive', 'Discard'],
  rios: ['ioServicedRecursive', 'Read'],
  wios: ['ioServicedRecursive', 'Write'],
  dios: ['ioServicedRecursive', 'Discard']
}

/** `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`. */
function blkio(directory: string): Statistics['blkio'] {
  const out: Partial<Record<BlockTable, BlockEntry[]>> = {}
  for (const line of (tryRead(`${directory}/io.stat`) ?? '').split('\n')) {
    const [device = '', ...fields] = line.split(' ')
    const [major, minor] = device.split(':').map(Number)
    for (const field of fields) {
      const [key = '', value] = field.split('=')
      const known = keys[key]
      if (known === undefined || major === undefined || minor === undefined) continue
      const [table, op] = known
      const numbers = { ...unlessEmpty('major', major), ...unlessEmpty('minor', minor) }
      out[table] = [...(out[table] ?? []), { ...numbers, op, ...unlessEmpty('value', count(value)) }]
    }
  }
  return out
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and `full …`. Nothing without CONFIG_PSI. */
function pressure(directory: string, file: string): { psi?: Pressure } {
  const psi: Record<string, PressureLine> = {}
  for (const line of (tryRead(`${directory}/${file}`) ?? '').split('\n')) {
    const match = /^(some|full) avg10=(\S+) avg60=(\S+) avg300=(\S+) total=(\d+)$/.exec(line)
    if (match === null) continue
    const [, kind, avg10, avg60, avg300, total] = match as unknown as [string, string, string, string, string, string]
    psi[kind] = { avg10: Number(avg10), avg60: Number(avg60), avg300: Number(avg300), total: count(total) }
  }
  return unlessEmpty('psi', psi)
}

function hugetlb(directory: string): Statistics['hugetlb'] {
  const names = childNames(directory)
  const sizes = names.flatMap((name) => /^hugetlb\.(\d+[KMG]B)\.current$/.exec(name)?.[1] ?? [])
  return Object.fromEntries(
    sizes.map((size) => {
      const base = names.includes(`hugetlb.${size}.rsvd.current`) ? `hugetlb.${size}.rsvd` : `hugetlb.${size}`
      return [
        size,
        { ...unlessEmpty('usage', countIn(directory, `${base}.current`)), failcnt: keyed(directory, `hugetlb.${size}.events`).max ?? 0 }
      ]
    })
  )
}
