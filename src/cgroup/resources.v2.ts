/** `linux.resources` on cgroup v2 (Documentation/admin-guide/cgroup-v2.rst), with the conversions that runc makes. Pure. */
import type { BlockIo, Int64, Memory, Resources, ThrottleDevice } from '../config/types.ts'
import { swapBelowLimit, swapWithoutLimit } from '../errors/wording.cgroup.ts'
import type { SectionName, Sections } from './resources.ts'
import { pidsMax, rdmaWrites, swappinessOf } from './resources.v1.ts'
import type { CgroupWrite, Ignored } from './types.ts'

const base = '/linux/resources'

const set = (
  file: string,
  value: string | undefined,
  field: string,
  more: Pick<CgroupWrite, 'optional' | 'instead' | 'again'> = {}
): CgroupWrite[] => (value === undefined ? [] : [{ controller: '', file, value, pointer: `${base}/${field}`, ...more }])

/** Bytes: 0 is "not set", -1 `max`. */
const bytes = (value: Int64 | undefined): string | undefined =>
  value === undefined || Number(value) === 0 ? undefined : value < 0 ? 'max' : String(value)

/** How each section is written. */
export const v2Sections: Sections = {
  cpuset: ({ cpu = {} }) => [
    ...set('cpuset.cpus', cpu.cpus || undefined, 'cpu/cpus'),
    ...set('cpuset.mems', cpu.mems || undefined, 'cpu/mems')
  ],

  cpu: ({ cpu = {} }) => {
    const idle = cpu.idle === undefined ? undefined : Number(cpu.idle)
    const weight = weightFromShares(cpu.shares)
    return [
      // An idle group refuses a weight, and leaving idle resets it.
      ...set('cpu.idle', idle?.toString(), 'cpu/idle'),
      ...(idle === 1 ? [] : set('cpu.weight', weight?.toString(), 'cpu/shares')),
      // burst must stay at or below the quota; which of them goes first depends on the old values.
      ...set('cpu.max.burst', cpu.burst?.toString(), 'cpu/burst', { again: true, ...(Number(cpu.burst) === 0 ? { optional: true } : {}) }),
      ...set('cpu.max', cpuMax(cpu.quota, cpu.period), cpu.quota === undefined ? 'cpu/period' : 'cpu/quota', { again: true })
    ]
  },

  memory: ({ memory = {} }) => {
    const swap = swapMax(memory)
    return [
      // Without swap accounting there is no file, and "no limit" and "no swap" hold anyway.
      ...set(
        'memory.swap.max',
        swap,
        memory.swap === undefined ? 'memory/limit' : 'memory/swap',
        swap === 'max' || swap === '0' ? { optional: true } : {}
      ),
      ...set('memory.max', bytes(memory.limit), 'memory/limit'),
      ...set('memory.low', bytes(memory.reservation), 'memory/reservation')
    ]
  },

  pids: ({ pids = {} }) => set('pids.max', pidsMax(pids.limit), 'pids/limit'),

  blockIO: ({ blockIO = {} }) => [
    ...weights(blockIO),
    ...throttle('rbps', blockIO.throttleReadBpsDevice, 'throttleReadBpsDevice'),
    ...throttle('wbps', blockIO.throttleWriteBpsDevice, 'throttleWriteBpsDevice'),
    ...throttle('riops', blockIO.throttleReadIOPSDevice, 'throttleReadIOPSDevice'),
    ...throttle('wiops', blockIO.throttleWriteIOPSDevice, 'throttleWriteIOPSDevice')
  ],

  hugepageLimits: ({ hugepageLimits = [] }) =>
    hugepageLimits.flatMap(({ pageSize, limit }, index) => [
      ...set(`hugetlb.${pageSize}.max`, String(limit), `hugepageLimits/${index}/limit`),
      ...set(`hugetlb.${pageSize}.rsvd.max`, String(limit), `hugepageLimits/${index}/limit`, { optional: true })
    ]),

  network: () => [],

  rdma: ({ rdma = {} }) => rdmaWrites('', rdma)
}

/**
 * cpu.weight (1 … 10000) for v1 shares (2 … 262144): a quadratic through the minima, the maxima, and 1024 → 100, the two defaults.
 * runc ≥ 1.3.2 and crun ≥ 1.23 have it; the older linear formula made a default container weigh 39. undefined for 0, which is "not set".
 */
export function weightFromShares(shares: Int64 | undefined): number | undefined {
  const value = Number(shares ?? 0)
  if (value === 0) return undefined
  if (value <= 2) return 1
  if (value >= 262144) return 10000
  const l = Math.log2(value)
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34))
}

/** io.weight (1 … 10000) for a blkio weight (10 … 1000). */
export const ioWeight = (weight: number): number => Math.trunc(1 + ((weight - 10) * 9999) / 990)

/** `QUOTA PERIOD`; the period is only named when it is given, so that an update keeps the old one. */
function cpuMax(quota: Int64 | undefined, period: Int64 | undefined): string | undefined {
  const given = Number(period ?? 0) !== 0
  if (Number(quota ?? 0) === 0 && !given) return undefined
  const first = quota !== undefined && quota > 0 ? String(quota) : 'max'
  return given ? `${first} ${period}` : first
}

/** config.json limits memory and swap together, v2 swap alone. */
export function swapMax({ limit = 0, swap = 0 }: Memory): string | undefined {
  if (Number(swap) === 0) return limit < 0 ? 'max' : undefined
  if (swap < 0) return 'max'
  // Without a limit of memory there is nothing to subtract.
  if (limit <= 0) throw swapWithoutLimit()
  if (swap < limit) throw swapBelowLimit()
  return String(BigInt(swap) - BigInt(limit))
}

/** BFQ has a file of its own, with the scale of v1. */
function weights({ weight = 0, weightDevice = [] }: BlockIo): CgroupWrite[] {
  return [
    ...(weight === 0
      ? []
      : set('io.bfq.weight', String(weight), 'blockIO/weight', { instead: { file: 'io.weight', value: String(ioWeight(weight)) } })),
    ...weightDevice.flatMap(({ major, minor, weight }, index) =>
      weight === undefined
        ? []
        : set('io.bfq.weight', `${major}:${minor} ${weight}`, `blockIO/weightDevice/${index}`, {
            instead: { file: 'io.weight', value: `${major}:${minor} ${ioWeight(weight)}` }
          })
    )
  ]
}

const throttle = (key: string, devices: readonly ThrottleDevice[] = [], field: string): CgroupWrite[] =>
  devices.flatMap(({ major, minor, rate }, index) =>
    set('io.max', `${major}:${minor} ${key}=${Number(rate) === 0 ? 'max' : rate}`, `blockIO/${field}/${index}`)
  )

/** What v2 has no file for. runc ignores these silently. */
export function ignoredByV2(section: SectionName, { memory, cpu, blockIO, network }: Resources): Ignored[] {
  const fields: Partial<Record<SectionName, Record<string, boolean>>> = {
    memory: {
      'memory/swappiness': memory !== undefined && swappinessOf(memory) !== undefined,
      'memory/disableOOMKiller': memory?.disableOOMKiller === true
    },
    cpu: {
      'cpu/realtimePeriod': Number(cpu?.realtimePeriod ?? 0) !== 0,
      'cpu/realtimeRuntime': Number(cpu?.realtimeRuntime ?? 0) !== 0
    },
    blockIO: { 'blockIO/leafWeight': (blockIO?.leafWeight ?? 0) !== 0 },
    network: { 'network/classID': (network?.classID ?? 0) !== 0, 'network/priorities': (network?.priorities ?? []).length > 0 }
  }
  return Object.entries(fields[section] ?? {})
    .filter(([, present]) => present)
    .map(([field]) => ({ pointer: `${base}/${field}`, message: 'cgroup v2 has no such limit' }))
}
