/** `linux.resources` on cgroup v1 (Documentation/admin-guide/cgroup-v1). Pure. */
import type { Int64, Memory, ThrottleDevice } from '../config/types.ts'
import { badName, badSwappiness, sharesTooHigh, sharesTooLow, swapBelowLimit } from '../errors/wording.cgroup.ts'
import type { Sections } from './resources.ts'
import type { CgroupWrite } from './types.ts'

const base = '/linux/resources'

type More = Pick<CgroupWrite, 'optional' | 'instead' | 'again'>

/** One write, or none when the value is absent. */
const set = (controller: string, file: string, value: Int64 | string | undefined, field: string, more: More = {}): CgroupWrite[] =>
  value === undefined ? [] : [{ controller, file, value: String(value), pointer: `${base}/${field}`, ...more }]

/** For the fields of which 0 means "not set", as in runc. */
const unlessZero = (value: Int64 | undefined): Int64 | undefined => (value === undefined || Number(value) === 0 ? undefined : value)

/** How each section is written. */
export const v1Sections: Sections = {
  cpuset: ({ cpu = {} }) => [
    ...set('cpuset', 'cpuset.cpus', cpu.cpus || undefined, 'cpu/cpus'),
    ...set('cpuset', 'cpuset.mems', cpu.mems || undefined, 'cpu/mems')
  ],

  cpu: ({ cpu = {} }) => {
    const idle = cpu.idle === undefined ? undefined : Number(cpu.idle)
    const shares = unlessZero(cpu.shares)
    // The kernel clamps silently what is out of range.
    if (shares !== undefined && shares < 2) throw sharesTooLow()
    if (shares !== undefined && shares > 262144) throw sharesTooHigh()
    return [
      // An idle group refuses shares, and leaving idle resets them: idle comes first, and shares only when it is off.
      ...set('cpu', 'cpu.idle', idle, 'cpu/idle'),
      ...(idle === 1 ? [] : set('cpu', 'cpu.shares', shares, 'cpu/shares')),
      // The kernel checks old quota / new period against the parent, and burst against quota, so the right order depends on what was there before.
      ...set('cpu', 'cpu.cfs_burst_us', cpu.burst, 'cpu/burst', { again: true, ...(Number(cpu.burst) === 0 ? { optional: true } : {}) }),
      ...set('cpu', 'cpu.cfs_period_us', unlessZero(cpu.period), 'cpu/period', { again: true }),
      ...set('cpu', 'cpu.cfs_quota_us', unlessZero(cpu.quota), 'cpu/quota', { again: true }),
      ...set('cpu', 'cpu.rt_period_us', unlessZero(cpu.realtimePeriod), 'cpu/realtimePeriod', { again: true }),
      ...set('cpu', 'cpu.rt_runtime_us', unlessZero(cpu.realtimeRuntime), 'cpu/realtimeRuntime', { again: true })
    ]
  },

  memory: ({ memory = {} }, { memoryLimit }) => {
    const limit = unlessZero(memory.limit)
    const swap = unlessZero(memory.swap)
    if (limit !== undefined && swap !== undefined && swap > 0 && swap < limit) throw swapBelowLimit()
    const swappiness = swappinessOf(memory)
    if (swappiness !== undefined && (swappiness > 100 || swappiness < 0)) throw badSwappiness(String(swappiness))
    // Without swap accounting there is no memsw file, and then nothing limits memory and swap anyway.
    const unlimited = limit !== undefined && limit < 0 && swap === undefined
    const setLimit = set('memory', 'memory.limit_in_bytes', limit, 'memory/limit')
    const setSwap = unlimited
      ? set('memory', 'memory.memsw.limit_in_bytes', -1, 'memory/limit', { optional: true })
      : set('memory', 'memory.memsw.limit_in_bytes', swap, 'memory/swap', swap !== undefined && swap < 0 ? { optional: true } : {})
    // The kernel keeps limit <= memsw at every moment: a memsw above the limit in force goes first, one below it goes last.
    const swapFirst = unlimited || (swap !== undefined && (swap < 0 || (memoryLimit !== undefined && BigInt(swap) >= memoryLimit)))
    return [
      ...(swapFirst ? [...setSwap, ...setLimit] : [...setLimit, ...setSwap]),
      ...set('memory', 'memory.soft_limit_in_bytes', unlessZero(memory.reservation), 'memory/reservation'),
      ...set('memory', 'memory.kmem.tcp.limit_in_bytes', unlessZero(memory.kernelTCP), 'memory/kernelTCP'),
      ...set('memory', 'memory.oom_control', memory.disableOOMKiller ? 1 : undefined, 'memory/disableOOMKiller'),
      ...set('memory', 'memory.swappiness', swappiness, 'memory/swappiness')
    ]
  },

  pids: ({ pids = {} }) => set('pids', 'pids.max', pidsMax(pids.limit), 'pids/limit'),

  blockIO: ({ blockIO = {} }) => {
    const weight = unlessZero(blockIO.weight)
    return [
      // blkio.weight belongs to CFQ, which Linux 5.0 dropped; BFQ has a file of its own.
      ...set('blkio', 'blkio.weight', weight, 'blockIO/weight', bfq('blkio.bfq.weight', weight)),
      ...set('blkio', 'blkio.leaf_weight', unlessZero(blockIO.leafWeight), 'blockIO/leafWeight'),
      ...(blockIO.weightDevice ?? []).flatMap(({ major, minor, weight, leafWeight }, index) => {
        const own = weight === undefined ? undefined : `${major}:${minor} ${weight}`
        const leaf = leafWeight === undefined ? undefined : `${major}:${minor} ${leafWeight}`
        return [
          ...set('blkio', 'blkio.weight_device', own, `blockIO/weightDevice/${index}`, bfq('blkio.bfq.weight_device', own)),
          ...set('blkio', 'blkio.leaf_weight_device', leaf, `blockIO/weightDevice/${index}`)
        ]
      }),
      ...throttle('read_bps', blockIO.throttleReadBpsDevice, 'throttleReadBpsDevice'),
      ...throttle('write_bps', blockIO.throttleWriteBpsDevice, 'throttleWriteBpsDevice'),
      ...throttle('read_iops', blockIO.throttleReadIOPSDevice, 'throttleReadIOPSDevice'),
      ...throttle('write_iops', blockIO.throttleWriteIOPSDevice, 'throttleWriteIOPSDevice')
    ]
  },

  hugepageLimits: ({ hugepageLimits = [] }) =>
    hugepageLimits.flatMap(({ pageSize, limit }, index) => [
      ...set('hugetlb', `hugetlb.${pageSize}.limit_in_bytes`, limit, `hugepageLimits/${index}/limit`),
      // Reservations are counted apart since Linux 5.7; without this limit a process gets SIGBUS where it should get ENOMEM.
      ...set('hugetlb', `hugetlb.${pageSize}.rsvd.limit_in_bytes`, limit, `hugepageLimits/${index}/limit`, { optional: true })
    ]),

  network: ({ network = {} }) => [
    ...set('net_cls', 'net_cls.classid', unlessZero(network.classID), 'network/classID'),
    ...(network.priorities ?? []).flatMap(({ name, priority }, index) => {
      if (/\s/.test(name) || name === '') throw badName('network interface', name, `${base}/network/priorities/${index}/name`)
      return set('net_prio', 'net_prio.ifpriomap', `${name} ${priority}`, `network/priorities/${index}`)
    })
  ],

  rdma: ({ rdma = {} }) => rdmaWrites('rdma', rdma)
}

/** Engines write "not set" as -1, and in an unsigned field that is 2^64 - 1. */
export const swappinessOf = ({ swappiness }: Memory): Int64 | undefined =>
  swappiness === undefined || Number(swappiness) === -1 || swappiness === 2n ** 64n - 1n ? undefined : swappiness

/** pids.max; 0 becomes 1, since the kernel would let not even init fork a thread but a limit of 0 reads as "none" elsewhere. */
export const pidsMax = (limit: Int64 | undefined): string | undefined =>
  limit === undefined ? undefined : limit < 0 ? 'max' : Number(limit) === 0 ? '1' : String(limit)

/** rdma.max is the same in v1 and v2. */
export const rdmaWrites = (
  controller: string,
  rdma: Readonly<Record<string, { hcaHandles?: number; hcaObjects?: number }>>
): CgroupWrite[] =>
  Object.entries(rdma).flatMap(([device, { hcaHandles, hcaObjects }]) => {
    if (/\s/.test(device) || device === '') throw badName('rdma device', device, `${base}/rdma`)
    const limits = [
      ...(hcaHandles === undefined ? [] : [`hca_handle=${hcaHandles}`]),
      ...(hcaObjects === undefined ? [] : [`hca_object=${hcaObjects}`])
    ]
    return limits.length === 0
      ? []
      : set(controller, 'rdma.max', [device, ...limits].join(' '), `rdma/${device.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  })

const bfq = (file: string, value: Int64 | string | undefined): More =>
  value === undefined ? {} : { instead: { file, value: String(value) } }

const throttle = (what: string, devices: readonly ThrottleDevice[] = [], field: string): CgroupWrite[] =>
  devices.flatMap(({ major, minor, rate }, index) =>
    set('blkio', `blkio.throttle.${what}_device`, `${major}:${minor} ${rate}`, `blockIO/${field}/${index}`)
  )
