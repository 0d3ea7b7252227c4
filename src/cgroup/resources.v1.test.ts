import t from 'tap'
import type { Resources } from '../config/types.ts'
import { planResources, type ResourceFacts } from './resources.ts'

const facts: ResourceFacts = { mode: 'v1', v1: [], v2: [], hugePageSizes: ['2MB', '1GB'] }
const lines = (resources: Resources, more: Partial<ResourceFacts> = {}) =>
  planResources(resources, { ...facts, ...more }).writes.map(({ file, value }) => `${file} ${value}`)

t.test('every field has its file', async (t) => {
  t.same(
    lines({
      cpu: {
        cpus: '0-1',
        mems: '0',
        shares: 512,
        quota: 50000,
        period: 100000,
        burst: 1000,
        idle: 0,
        realtimePeriod: 1000000,
        realtimeRuntime: 950000
      },
      memory: { limit: 1000, swap: 3000, reservation: 500, kernelTCP: 200, swappiness: 0, disableOOMKiller: true },
      pids: { limit: 100 },
      blockIO: {
        weight: 500,
        leafWeight: 300,
        weightDevice: [{ major: 8, minor: 0, weight: 400, leafWeight: 200 }],
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }],
        throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 2 }],
        throttleReadIOPSDevice: [{ major: 8, minor: 0, rate: 3 }],
        throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 4 }]
      },
      hugepageLimits: [{ pageSize: '2MB', limit: 4194304 }],
      network: { classID: 0x100001, priorities: [{ name: 'eth0', priority: 5 }] },
      rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 }, mlx4_0: { hcaObjects: 1 }, none: {} }
    }),
    [
      'cpuset.cpus 0-1',
      'cpuset.mems 0',
      'cpu.idle 0',
      'cpu.shares 512',
      'cpu.cfs_burst_us 1000',
      'cpu.cfs_period_us 100000',
      'cpu.cfs_quota_us 50000',
      'cpu.rt_period_us 1000000',
      'cpu.rt_runtime_us 950000',
      'memory.limit_in_bytes 1000',
      'memory.memsw.limit_in_bytes 3000',
      'memory.soft_limit_in_bytes 500',
      'memory.kmem.tcp.limit_in_bytes 200',
      'memory.oom_control 1',
      'memory.swappiness 0',
      'pids.max 100',
      'blkio.weight 500',
      'blkio.leaf_weight 300',
      'blkio.weight_device 8:0 400',
      'blkio.leaf_weight_device 8:0 200',
      'blkio.throttle.read_bps_device 8:0 1',
      'blkio.throttle.write_bps_device 8:0 2',
      'blkio.throttle.read_iops_device 8:0 3',
      'blkio.throttle.write_iops_device 8:16 4',
      'hugetlb.2MB.limit_in_bytes 4194304',
      'hugetlb.2MB.rsvd.limit_in_bytes 4194304',
      'net_cls.classid 1048577',
      'net_prio.ifpriomap eth0 5',
      'rdma.max mlx5_1 hca_handle=3 hca_object=10000',
      'rdma.max mlx4_0 hca_object=1'
    ]
  )
})

t.test('zeros and empty strings are not set, as in runc', async (t) => {
  t.same(
    lines({
      cpu: { shares: 0, quota: 0, period: 0, cpus: '', mems: '', realtimeRuntime: 0 },
      memory: { limit: 0, swap: 0, reservation: 0 },
      blockIO: { weight: 0 },
      network: { classID: 0 }
    }),
    []
  )
})

t.test('every write knows its field', async (t) => {
  const { writes } = planResources(
    { memory: { limit: 5 }, blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }] }, rdma: { 'a/b': { hcaHandles: 1 } } },
    facts
  )
  t.same(
    writes.map(({ controller, pointer }) => [controller, pointer]),
    [
      ['memory', '/linux/resources/memory/limit'],
      ['blkio', '/linux/resources/blockIO/throttleReadBpsDevice/0'],
      ['rdma', '/linux/resources/rdma/a~1b']
    ]
  )
})

t.test('limit and memsw are ordered by the limit in force', async (t) => {
  const memory = { limit: 100, swap: 200 }
  t.same(lines({ memory }), ['memory.limit_in_bytes 100', 'memory.memsw.limit_in_bytes 200'], 'a new cgroup')
  t.same(
    lines({ memory }, { memoryLimit: 150n }),
    ['memory.memsw.limit_in_bytes 200', 'memory.limit_in_bytes 100'],
    'memsw stays above the limit'
  )
  t.same(
    lines({ memory }, { memoryLimit: 300n }),
    ['memory.limit_in_bytes 100', 'memory.memsw.limit_in_bytes 200'],
    'the limit must shrink first'
  )
  t.same(lines({ memory: { limit: 100, swap: -1 } }), ['memory.memsw.limit_in_bytes -1', 'memory.limit_in_bytes 100'])
})

t.test('unlimited memory is unlimited swap as well', async (t) => {
  const { writes } = planResources({ memory: { limit: -1 } }, facts)
  t.same(
    writes.map(({ file, value, optional }) => [file, value, optional]),
    [
      ['memory.memsw.limit_in_bytes', '-1', true],
      ['memory.limit_in_bytes', '-1', undefined]
    ]
  )
})

t.test('numbers beyond 2^53 stay exact', async (t) => {
  t.same(lines({ memory: { limit: 9223372036854771712n } }), ['memory.limit_in_bytes 9223372036854771712'])
})

t.test('an idle group has no shares', async (t) => {
  t.same(lines({ cpu: { idle: 1, shares: 512 } }), ['cpu.idle 1'])
})

t.test('pids', async (t) => {
  t.same(lines({ pids: { limit: 0 } }), ['pids.max 1'])
  t.same(lines({ pids: { limit: -1 } }), ['pids.max max'])
  t.same(lines({ pids: {} }), [])
})

t.test('what no kernel takes is refused with its pointer', async (t) => {
  const refused = (resources: Resources, pointer: string) =>
    t.throws(() => lines(resources), { code: 'config', pointer: `/linux/resources/${pointer}` }, pointer)
  refused({ cpu: { shares: 1 } }, 'cpu/shares')
  refused({ cpu: { shares: 262145 } }, 'cpu/shares')
  refused({ memory: { swappiness: 101 } }, 'memory/swappiness')
  refused({ memory: { limit: 100, swap: 99 } }, 'memory/swap')
  refused({ hugepageLimits: [{ pageSize: '3MB', limit: 1 }] }, 'hugepageLimits/0/pageSize')
  refused(
    {
      hugepageLimits: [
        { pageSize: '2MB', limit: 1 },
        { pageSize: '../../x', limit: 1 }
      ]
    },
    'hugepageLimits/1/pageSize'
  )
  refused({ network: { priorities: [{ name: 'a 1\nb', priority: 1 }] } }, 'network/priorities/0/name')
  t.throws(() => lines({ unified: { 'memory.high': '1' } }), { code: 'unsupported', pointer: '/linux/resources/unified' })
})

t.test('what no kernel limits any more is ignored with a word', async (t) => {
  const ignored = (kernel: number, kernelTCP: number, mode: ResourceFacts['mode']) =>
    planResources({ memory: { kernel, kernelTCP } }, { ...facts, mode }).ignored.map(({ pointer }) => pointer)
  t.same(ignored(1, 1, 'v1'), ['/linux/resources/memory/kernel'])
  t.same(ignored(0, 1, 'v2'), ['/linux/resources/memory/kernelTCP'])
  t.same(ignored(0, 0, 'v2'), [])
})

t.test('a hybrid host takes v2 for controllers that only v2 has', async (t) => {
  const resources: Resources = { hugepageLimits: [{ pageSize: '2MB', limit: 5 }], pids: { limit: 5 }, rdma: { a: { hcaHandles: 1 } } }
  const { writes } = planResources(resources, { ...facts, mode: 'hybrid', v1: ['pids', 'name=systemd'], v2: ['hugetlb'] })
  t.same(
    writes.map(({ controller, file }) => [controller, file]),
    [
      ['pids', 'pids.max'],
      ['', 'hugetlb.2MB.max'],
      ['', 'hugetlb.2MB.rsvd.max'],
      ['rdma', 'rdma.max']
    ]
  )
})
