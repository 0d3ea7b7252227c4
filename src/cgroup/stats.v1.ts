/** Statistics of cgroup v1. */
import { childNames, tryRead } from './files.ts'
import {
  type BlockEntry,
  type BlockTable,
  type Count,
  count,
  countIn,
  keyed,
  type MemoryUse,
  type Statistics,
  times,
  unlessEmpty
} from './stats.ts'

type Paths = Readonly<Record<string, string>>

/** cpuacct.stat counts in USER_HZ, which is 100 on every architecture of ours. */
const NANOSECONDS_A_TICK = 10_000_000

/** Reads all controllers that `paths` names. */
export const statisticsV1 = (paths: Paths): Statistics => ({
  cpu: cpu(paths),
  cpuset: cpuset(paths.cpuset ?? ''),
  memory: memory(paths.memory ?? ''),
  pids: { ...unlessEmpty('current', countIn(paths.pids ?? '', 'pids.current')), ...pidsLimit(paths.pids ?? '') },
  blkio: blkio(paths.blkio ?? ''),
  hugetlb: hugetlb(paths.hugetlb),
  intel_rdt: {},
  network_interfaces: null
})

/** No limit is no member. */
export function pidsLimit(directory: string): { limit?: Count } {
  const limit = tryRead(`${directory}/pids.max`)
  return limit === 'max' ? {} : unlessEmpty('limit', count(limit))
}

function cpu({ cpu = '', cpuacct = '' }: Paths): Statistics['cpu'] {
  const throttled = keyed(cpu, 'cpu.stat')
  const ticks = keyed(cpuacct, 'cpuacct.stat')
  // `cpu user system`, one line a CPU, in nanoseconds.
  const all = (tryRead(`${cpuacct}/cpuacct.usage_all`) ?? '')
    .split('\n')
    .slice(1)
    .map((line) => line.split(' '))
  return {
    usage: {
      ...unlessEmpty('total', countIn(cpuacct, 'cpuacct.usage')),
      ...unlessEmpty('percpu', (tryRead(`${cpuacct}/cpuacct.usage_percpu`) ?? '').split(' ').filter(Boolean).map(count)),
      ...unlessEmpty(
        'percpu_kernel',
        all.map(([, , kernel]) => count(kernel))
      ),
      ...unlessEmpty(
        'percpu_user',
        all.map(([, user]) => count(user))
      ),
      kernel: times(ticks.system ?? 0, NANOSECONDS_A_TICK),
      user: times(ticks.user ?? 0, NANOSECONDS_A_TICK)
    },
    throttling: {
      ...unlessEmpty('periods', throttled.nr_periods),
      ...unlessEmpty('throttledPeriods', throttled.nr_throttled),
      ...unlessEmpty('throttledTime', throttled.throttled_time)
    }
  }
}

/** The numbers of `0-2,5`. */
export const listed = (text: string | undefined): number[] =>
  (text ?? '')
    .split(',')
    .filter(Boolean)
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })

/** With '' for a directory, as on v2: all zeros. */
export const cpuset = (directory: string): Statistics['cpuset'] => ({
  ...unlessEmpty('cpus', listed(tryRead(`${directory}/cpuset.cpus`))),
  cpu_exclusive: countIn(directory, 'cpuset.cpu_exclusive'),
  ...unlessEmpty('mems', listed(tryRead(`${directory}/cpuset.mems`))),
  mem_hardwall: countIn(directory, 'cpuset.mem_hardwall'),
  mem_exclusive: countIn(directory, 'cpuset.mem_exclusive'),
  memory_migrate: countIn(directory, 'cpuset.memory_migrate'),
  memory_spread_page: countIn(directory, 'cpuset.memory_spread_page'),
  memory_spread_slab: countIn(directory, 'cpuset.memory_spread_slab'),
  memory_pressure: countIn(directory, 'cpuset.memory_pressure'),
  sched_load_balance: countIn(directory, 'cpuset.sched_load_balance'),
  sched_relax_domain_level: countIn(directory, 'cpuset.sched_relax_domain_level')
})

function memory(directory: string): Statistics['memory'] {
  const raw = keyed(directory, 'memory.stat')
  const use = (infix: string): MemoryUse => ({
    limit: countIn(directory, `memory.${infix}limit_in_bytes`),
    ...unlessEmpty('usage', countIn(directory, `memory.${infix}usage_in_bytes`)),
    ...unlessEmpty('max', countIn(directory, `memory.${infix}max_usage_in_bytes`)),
    failcnt: countIn(directory, `memory.${infix}failcnt`)
  })
  return {
    ...unlessEmpty('cache', raw.cache),
    usage: use(''),
    swap: use('memsw.'),
    kernel: use('kmem.'),
    kernelTCP: use('kmem.tcp.'),
    ...unlessEmpty('raw', raw)
  }
}

/** Where each table is read from when BFQ counts; the throttling layer counts only the first two. */
const tables: Readonly<Record<BlockTable, string>> = {
  ioServiceBytesRecursive: 'io_service_bytes_recursive',
  ioServicedRecursive: 'io_serviced_recursive',
  ioQueueRecursive: 'io_queued_recursive',
  ioServiceTimeRecursive: 'io_service_time_recursive',
  ioWaitTimeRecursive: 'io_wait_time_recursive',
  ioMergedRecursive: 'io_merged_recursive',
  ioTimeRecursive: 'time_recursive',
  sectorsRecursive: 'sectors_recursive'
}

function blkio(directory: string): Statistics['blkio'] {
  const layer = blockEntries(directory, 'blkio.bfq.io_serviced_recursive').length > 0 ? 'bfq' : 'throttle'
  const out: Partial<Record<BlockTable, BlockEntry[]>> = {}
  for (const [table, file] of Object.entries(tables)) {
    const entries = blockEntries(directory, `blkio.${layer}.${file}`)
    if (entries.length > 0) out[table as BlockTable] = entries
  }
  return out
}

/** `8:0 Read 4096`, or `8:0 4096` for those that do not tell operations apart; the line `Total 4096` is about all devices. */
function blockEntries(directory: string, file: string): BlockEntry[] {
  return (tryRead(`${directory}/${file}`) ?? '').split('\n').flatMap((line) => {
    const match = /^(\d+):(\d+)(?: ([A-Za-z]+))? (\d+)$/.exec(line)
    if (match === null) return []
    const [, major, minor, op, value] = match
    const numbers = { ...unlessEmpty('major', Number(major)), ...unlessEmpty('minor', Number(minor)) }
    return [{ ...numbers, ...unlessEmpty('op', op), ...unlessEmpty('value', count(value)) }]
  })
}

/** Reservations are what the limit is about, where the kernel counts them (Linux 5.7). */
function hugetlb(directory: string | undefined): Statistics['hugetlb'] {
  if (directory === undefined) return {}
  const names = childNames(directory)
  const sizes = names.flatMap((name) => /^hugetlb\.(\d+[KMG]B)\.usage_in_bytes$/.exec(name)?.[1] ?? [])
  return Object.fromEntries(
    sizes.map((size) => {
      const base = names.includes(`hugetlb.${size}.rsvd.usage_in_bytes`) ? `hugetlb.${size}.rsvd` : `hugetlb.${size}`
      const usage = unlessEmpty('usage', countIn(directory, `${base}.usage_in_bytes`))
      const max = unlessEmpty('max', countIn(directory, `${base}.max_usage_in_bytes`))
      return [size, { ...usage, ...max, failcnt: countIn(directory, `${base}.failcnt`) }]
    })
  )
}
