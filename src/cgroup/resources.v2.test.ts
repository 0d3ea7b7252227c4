import t from 'tap'
import type { Resources } from '../config/types.ts'
import { planResources, type ResourceFacts } from './resources.ts'
import { ioWeight, swapMax, weightFromShares } from './resources.v2.ts'

const facts: ResourceFacts = { mode: 'v2', v1: [], v2: [], hugePageSizes: ['2MB'] }
const lines = (resources: Resources) => planResources(resources, facts).writes.map(({ file, value }) => `${file} ${value}`)

t.test('every field has its file', async (t) => {
  t.same(
    lines({
      cpu: { cpus: '0-1', mems: '0', shares: 1024, quota: 50000, period: 100000, burst: 1000, idle: 0 },
      memory: { limit: 1000, swap: 3000, reservation: 500 },
      pids: { limit: 100 },
      blockIO: {
        weight: 500,
        weightDevice: [{ major: 8, minor: 0, weight: 400 }],
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }],
        throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 2 }],
        throttleReadIOPSDevice: [{ major: 8, minor: 0, rate: 3 }],
        throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 0 }]
      },
      hugepageLimits: [{ pageSize: '2MB', limit: 4194304 }],
      rdma: { mlx5_1: { hcaHandles: 3 } },
      unified: { 'memory.high': '900', 'io.max': '8:0 rbps=1\n8:16 wbps=2\n', 'cpuset.cpus': '' }
    }),
    [
      'cpuset.cpus 0-1',
      'cpuset.mems 0',
      'cpu.idle 0',
      'cpu.weight 100',
      'cpu.max.burst 1000',
      'cpu.max 50000 100000',
      'memory.swap.max 2000',
      'memory.max 1000',
      'memory.low 500',
      'pids.max 100',
      'io.bfq.weight 500',
      'io.bfq.weight 8:0 400',
      'io.max 8:0 rbps=1',
      'io.max 8:0 wbps=2',
      'io.max 8:0 riops=3',
      'io.max 8:16 wiops=max',
      'hugetlb.2MB.max 4194304',
      'hugetlb.2MB.rsvd.max 4194304',
      'rdma.max mlx5_1 hca_handle=3',
      'memory.high 900',
      'io.max 8:0 rbps=1',
      'io.max 8:16 wbps=2',
      'cpuset.cpus '
    ]
  )
})

t.test('shares become a weight with both defaults and both ends kept', async (t) => {
  const cases: [number, number | undefined][] = [
    [0, undefined],
    [1, 1],
    [2, 1],
    [3, 2],
    [512, 59],
    [1024, 100],
    [2048, 174],
    [262144, 10000],
    [300000, 10000]
  ]
  for (const [shares, weight] of cases) t.equal(weightFromShares(shares), weight, String(shares))
})

t.test('blkio weights become io weights', async (t) => {
  t.same([ioWeight(10), ioWeight(500), ioWeight(1000)], [1, 4950, 10000])
})

t.test('swap is what remains of memory and swap together', async (t) => {
  t.equal(swapMax({}), undefined)
  t.equal(swapMax({ limit: 100 }), undefined)
  t.equal(swapMax({ limit: -1 }), 'max')
  t.equal(swapMax({ limit: 100, swap: -1 }), 'max')
  t.equal(swapMax({ swap: -1 }), 'max')
  t.equal(swapMax({ limit: 100, swap: 100 }), '0')
  t.equal(swapMax({ limit: 100, swap: 250 }), '150')
  t.equal(swapMax({ limit: 1, swap: 9223372036854775807n }), '9223372036854775806')
  for (const memory of [{ swap: 100 }, { limit: -1, swap: 100 }, { limit: 100, swap: 99 }]) {
    t.throws(() => swapMax(memory), { code: 'config', pointer: '/linux/resources/memory/swap' })
  }
})

t.test('a missing swap file is no matter when nothing would be limited, or nothing be there', async (t) => {
  const optional = (limit: number, swap: number) => planResources({ memory: { limit, swap } }, facts).writes[0]?.optional === true
  t.same([optional(5, -1), optional(5, 5), optional(5, 6)], [true, true, false])
})

t.test('cpu.max', async (t) => {
  t.same(lines({ cpu: { quota: -1 } }), ['cpu.max max'])
  t.same(lines({ cpu: { period: 50000 } }), ['cpu.max max 50000'])
  t.same(lines({ cpu: { quota: 20000 } }), ['cpu.max 20000'])
  t.same(lines({ cpu: { quota: 0, period: 0 } }), [])
})

t.test('io.weight is the way out where BFQ has no file', async (t) => {
  t.same(planResources({ blockIO: { weight: 1000 } }, facts).writes[0]?.instead, { file: 'io.weight', value: '10000' })
})

t.test('what v2 does not have is ignored, and said', async (t) => {
  const { writes, ignored } = planResources(
    {
      memory: { swappiness: 10, disableOOMKiller: true },
      cpu: { realtimeRuntime: 5, realtimePeriod: 10 },
      blockIO: { leafWeight: 10 },
      network: { classID: 5, priorities: [{ name: 'lo', priority: 1 }] }
    },
    facts
  )
  t.same(writes, [])
  t.same(
    ignored.map(({ pointer }) => pointer.slice('/linux/resources/'.length)),
    [
      'cpu/realtimePeriod',
      'cpu/realtimeRuntime',
      'memory/swappiness',
      'memory/disableOOMKiller',
      'blockIO/leafWeight',
      'network/classID',
      'network/priorities'
    ]
  )
  t.same(planResources({ memory: { swappiness: -1, disableOOMKiller: false }, network: {} }, facts).ignored, [])
})

t.test('keys of unified are file names', async (t) => {
  for (const key of ['../x', 'a/b', '', '.', '..']) {
    t.throws(() => lines({ unified: { [key]: '1' } }), { code: 'config' }, JSON.stringify(key))
  }
})
