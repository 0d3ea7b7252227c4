import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { count, formatStatistics, plus, statistics } from './stats.ts'
import { listed } from './stats.v1.ts'

t.test('numbers', async (t) => {
  t.same(
    [count('5'), count('max'), count(undefined), count('9223372036854771712'), count('-1')],
    [5, 2n ** 64n - 1n, 0, 9223372036854771712n, -1]
  )
  t.same([plus(1, 2), plus(2 ** 53 - 1, 1)], [3, 9007199254740992n])
  t.same(listed('0-2,5'), [0, 1, 2, 5])
  t.same(listed(''), [])
})

t.test('JSON keeps big numbers and leaves out what is undefined', async (t) => {
  t.equal(
    formatStatistics({ a: 2n ** 64n - 1n, b: [1, { c: 'x"' }], d: undefined, e: null, f: 0.5 }),
    '{"a":18446744073709551615,"b":[1,{"c":"x\\""}],"e":null,"f":0.5}'
  )
})

t.test('v2 files', async (t) => {
  const directory = t.testdir({
    'cpu.stat': 'usage_usec 500\nuser_usec 300\nsystem_usec 200\nnr_periods 0\nnr_throttled 2\nthrottled_usec 7\n',
    'cpu.pressure': 'some avg10=0.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
    'memory.stat': 'anon 1\nfile 4096\n',
    'memory.current': '8192\n',
    'memory.max': '10000\n',
    'memory.peak': '9000\n',
    'memory.swap.current': '100\n',
    'memory.swap.max': 'max\n',
    'memory.events': 'low 0\nmax 3\n',
    'pids.current': '2\n',
    'pids.max': 'max\n',
    'io.stat': '8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0 cost.usage=5\n\n',
    'hugetlb.2MB.current': '5\n',
    'hugetlb.2MB.rsvd.current': '6\n',
    'hugetlb.2MB.events': 'max 1\n'
  })
  const { cpu, memory, pids, blkio, hugetlb, ...rest } = statistics({
    mode: 'v2',
    driver: 'cgroupfs',
    paths: { '': directory },
    rootless: false
  })
  t.same(cpu, {
    usage: { total: 500000, kernel: 200000, user: 300000 },
    throttling: { throttledPeriods: 2, throttledTime: 7000 },
    psi: { some: { avg10: 0.5, avg60: 0, avg300: 0, total: 12 }, full: { avg10: 0, avg60: 0, avg300: 0, total: 0 } }
  })
  t.same(memory, {
    cache: 4096,
    usage: { limit: 10000, usage: 8192, max: 9000, failcnt: 3 },
    swap: { limit: 2n ** 64n - 1n, usage: 8292, failcnt: 0 },
    kernel: { limit: 0, failcnt: 0 },
    kernelTCP: { limit: 0, failcnt: 0 },
    raw: { anon: 1, file: 4096 }
  })
  t.same(pids, { current: 2 })
  const zero = (op: string) => ({ major: 8, op })
  t.same(blkio, {
    ioServiceBytesRecursive: [{ ...zero('Read'), value: 4096 }, zero('Write'), zero('Discard')],
    ioServicedRecursive: [{ ...zero('Read'), value: 1 }, zero('Write'), zero('Discard')]
  })
  t.same(hugetlb, { '2MB': { usage: 6, failcnt: 1 } })
  t.match(rest, { intel_rdt: {}, network_interfaces: null, cpuset: { cpu_exclusive: 0 } })
})

t.test('v1 files', async (t) => {
  const root = t.testdir()
  const files: Record<string, Record<string, string>> = {
    cpu: { 'cpu.stat': 'nr_periods 4\nnr_throttled 0\nthrottled_time 9\n' },
    cpuacct: {
      'cpuacct.usage': '100\n',
      'cpuacct.usage_percpu': '40 60 \n',
      'cpuacct.usage_all': 'cpu user system\n0 10 30\n1 20 40\n',
      'cpuacct.stat': 'user 3\nsystem 5\n'
    },
    memory: { 'memory.limit_in_bytes': '9223372036854771712\n', 'memory.usage_in_bytes': '5\n', 'memory.stat': 'cache 7\n' },
    pids: { 'pids.current': '1\n', 'pids.max': '20\n' },
    blkio: { 'blkio.throttle.io_serviced_recursive': '8:0 Read 3\n8:0 Total 3\nTotal 3\n' },
    hugetlb: { 'hugetlb.2MB.usage_in_bytes': '0\n', 'hugetlb.2MB.failcnt': '2\n' },
    cpuset: { 'cpuset.cpus': '0-1\n', 'cpuset.sched_relax_domain_level': '-1\n' }
  }
  for (const [controller, content] of Object.entries(files)) {
    mkdirSync(`${root}/${controller}`)
    for (const [file, text] of Object.entries(content)) writeFileSync(`${root}/${controller}/${file}`, text)
  }
  const paths = Object.fromEntries(Object.keys(files).map((controller) => [controller, `${root}/${controller}`]))
  const all = statistics({ mode: 'v1', driver: 'cgroupfs', paths, rootless: false })
  t.same(all.cpu, {
    usage: { total: 100, percpu: [40, 60], percpu_kernel: [30, 40], percpu_user: [10, 20], kernel: 50000000, user: 30000000 },
    throttling: { periods: 4, throttledTime: 9 }
  })
  t.match(all.memory, { cache: 7, usage: { limit: 9223372036854771712n, usage: 5, failcnt: 0 } })
  t.same(all.pids, { current: 1, limit: 20 })
  t.same(all.blkio, {
    ioServicedRecursive: [
      { major: 8, op: 'Read', value: 3 },
      { major: 8, op: 'Total', value: 3 }
    ]
  })
  t.same(all.hugetlb, { '2MB': { failcnt: 2 } })
  t.match(all.cpuset, { cpus: [0, 1], sched_relax_domain_level: -1 })
})
