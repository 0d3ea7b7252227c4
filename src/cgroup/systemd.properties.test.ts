import t from 'tap'
import type { Resources } from '../config/types.ts'
import { deviceProperties, resourceProperties } from './systemd.properties.ts'

const INFINITY = 2n ** 64n - 1n
const byName = (properties: ReturnType<typeof resourceProperties>) => Object.fromEntries(properties.map(({ name, value }) => [name, value]))
const v2 = (resources: Resources) => byName(resourceProperties(resources, 'v2'))
const v1 = (resources: Resources) => byName(resourceProperties(resources, 'hybrid'))

t.test('memory', async (t) => {
  t.same(v2({ memory: { limit: 1000, swap: 1500, reservation: 10 } }), { MemoryMax: 1000n, MemorySwapMax: 500n, MemoryLow: 10n })
  t.same(v2({ memory: { limit: -1 } }), { MemoryMax: INFINITY, MemorySwapMax: INFINITY })
  t.same(v2({ memory: { limit: 1000, swap: -1 } }), { MemoryMax: 1000n, MemorySwapMax: INFINITY })
  t.same(v2({ memory: { limit: 0 } }), {})
  t.same(v1({ memory: { limit: 1000, swap: 1500 } }), { MemoryLimit: 1000n })
  t.throws(() => v2({ memory: { limit: 1000, swap: 500 } }), { code: 'config' })
})

t.test('cpu', async (t) => {
  t.same(v2({ cpu: { shares: 1024 } }), { CPUWeight: 100n })
  t.same(v1({ cpu: { shares: 1024 } }), { CPUShares: 1024n })
  t.same(v2({ cpu: { shares: 1024, idle: 1 } }), { CPUWeight: 0n })
  t.same(
    resourceProperties({ cpu: { idle: 1 } }, 'v2').map(({ since }) => since),
    [252]
  )
  t.same(v2({ cpu: { quota: 50_000 } }), { CPUQuotaPerSecUSec: 500_000n }, 'the kernel has a period of 100 ms')
  t.same(v2({ cpu: { quota: 12_345, period: 100_000 } }), { CPUQuotaPeriodUSec: 100_000n, CPUQuotaPerSecUSec: 130_000n }, 'rounded up')
  t.same(v2({ cpu: { quota: 5000, period: 100_000 } }), { CPUQuotaPeriodUSec: 100_000n, CPUQuotaPerSecUSec: 50_000n }, 'not rounded')
  t.same(v2({ cpu: { quota: -1, period: 50_000 } }), { CPUQuotaPeriodUSec: 50_000n, CPUQuotaPerSecUSec: INFINITY })
})

t.test('sets of CPUs and nodes', async (t) => {
  t.same(v2({ cpu: { cpus: '0-2,9', mems: '0' } }), { AllowedCPUs: [0b111, 0b10], AllowedMemoryNodes: [1] })
  t.same(v2({ cpu: { cpus: '17' } }), { AllowedCPUs: [0, 0, 2] })
  t.same(v1({ cpu: { cpus: '0-2' } }), {}, 'systemd does not manage them on v1')
  for (const cpus of ['x', '3-1', '0-99999999', '1,']) t.same(v2({ cpu: { cpus } }), {}, `${cpus} is the kernel's to refuse`)
})

t.test('processes and block devices', async (t) => {
  t.same(v2({ pids: { limit: 20 } }), { TasksMax: 20n })
  t.same(v2({ pids: { limit: 0 } }), { TasksMax: 1n })
  t.same(v1({ pids: { limit: -1 } }), { TasksMax: INFINITY })
  t.same(v2({ blockIO: { weight: 1000 } }), { IOWeight: 10_000n })
  t.same(v1({ blockIO: { weight: 500 } }), { BlockIOWeight: 500n })
})

t.test('unified files that systemd would write anew', async (t) => {
  const unified = {
    'cpu.weight': '50',
    'cpu.max': '20000 100000',
    'cpuset.cpus': '1',
    'memory.high': '1000',
    'memory.max': 'max',
    'memory.oom.group': '1',
    'pids.max': '7',
    'hugetlb.2MB.max': '0'
  }
  t.same(v2({ pids: { limit: 20 }, unified }), {
    CPUWeight: 50n,
    CPUQuotaPeriodUSec: 100_000n,
    CPUQuotaPerSecUSec: 200_000n,
    AllowedCPUs: [2],
    MemoryHigh: 1000n,
    MemoryMax: INFINITY,
    OOMPolicy: 'kill',
    TasksMax: 7n
  })
  t.same(v2({ unified: { 'cpu.max': 'max', 'cpu.idle': '0', 'memory.oom.group': '0', 'memory.max': '1G', toString: 'x' } }), {
    CPUQuotaPerSecUSec: INFINITY
  })
})

t.test('devices', async (t) => {
  const [policy, allow] = deviceProperties([
    { allow: false, access: 'rwm' },
    { allow: true, type: 'b', major: 8, minor: 0, access: 'r' },
    { allow: true, type: 'c', major: 195, access: 'rw' }
  ])
  t.same(policy, { name: 'DevicePolicy', signature: 's', value: 'strict' })
  t.match(allow, { name: 'DeviceAllow', signature: 'a(ss)' })
  const entries = allow?.value as [string, string][]
  t.same(entries.slice(0, 2), [
    ['/dev/block/8:0', 'r'],
    ['char-195', 'rw']
  ])
  for (const entry of [
    ['char-*', 'm'],
    ['/dev/char/1:3', 'rwm'],
    ['char-136', 'rwm']
  ])
    t.ok(
      entries.some((each) => each.join() === entry.join()),
      String(entry)
    )
})

t.test('device rules that systemd cannot hold', async (t) => {
  const auto = [
    { name: 'DevicePolicy', signature: 's', value: 'auto' },
    { name: 'DeviceAllow', signature: 'a(ss)', value: [] }
  ]
  t.same(deviceProperties([{ allow: true, access: 'rwm' }]), auto, 'all of them')
  const exception = [
    { allow: true, type: 'c', major: 10, access: 'rwm' },
    { allow: false, type: 'c', major: 10, minor: 5, access: 'rwm' }
  ] as const
  t.same(deviceProperties(exception), auto, 'an exception inside a wildcard')
  t.same(deviceProperties([{ allow: true, type: 'c', minor: 5, access: 'rw' }]), auto, 'a minor number of all majors')
})
