/** config-linux.md: cgroups and their resources, each looked at in the cgroup's own files. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Container, type Created, textOf } from '../container.ts'
import { is, like } from '../expect.ts'
import { all, cgroupFile, controller, type Machine } from '../machine.ts'
import {
  acts,
  both,
  type Case,
  type Change,
  type Expectation,
  type Need,
  namespace,
  type Requirement,
  refusals,
  scene,
  section
} from '../requirement.ts'

const paths = section('config-linux.md#cgroups-path')
const ownership = section('config-linux.md#cgroup-ownership')
const memory = section('config-linux.md#memory')
const cpu = section('config-linux.md#cpu')
const blockIO = section('config-linux.md#block-io')
const hugepages = section('config-linux.md#huge-page-limits')
const network = section('config-linux.md#network')
const pids = section('config-linux.md#pids')
const unified = section('config-linux.md#unified')

const MIB = 2 ** 20
const resources = (value: Readonly<Record<string, unknown>>): Change => ({ linux: { resources: value } })

/** A file of cgroup v1 and one of v2 that hold the same setting; undefined where the version has none. */
type Files = readonly [v1: string | undefined, v2: string | undefined]

/** One setting: the requirement, what is configured, in which files of which controller it is, and what they must hold. */
type Setting = readonly [
  requirement: (needs: Need) => Requirement,
  configured: Readonly<Record<string, unknown>>,
  controllerName: string,
  files: Files,
  v1: Expectation,
  v2: Expectation
]

function setting([requirement, configured, name, [v1, v2], onV1, onV2]: Setting): Case {
  const look = ({ cgroup }: Created): string => cgroup(name, v1, v2)
  return {
    ...scene(resources(configured), [[requirement(cgroupFile(name, v1, v2)), look, is('')]]),
    async run(stage) {
      const version = stage.machine.controllers.get(name)?.version
      return scene(resources(configured), [[requirement(() => undefined), look, version === 1 ? onV1 : onV2]]).run(stage)
    }
  }
}

const must =
  (of: typeof memory, text: string) =>
  (needs: Need): Requirement =>
    of.must(text, needs)
const same = (wanted: string): readonly [Expectation, Expectation] => [is(wanted), is(wanted)]
const UNLIMITED = like(/^(max|-1|9223372036854771712)$/)

const MEMORY: readonly Setting[] = [
  [
    must(memory, 'limit is the limit of memory usage'),
    { memory: { limit: 64 * MIB } },
    'memory',
    ['memory.limit_in_bytes', 'memory.max'],
    ...same(`${64 * MIB}`)
  ],
  [
    must(memory, 'limit: -1 is unlimited'),
    { memory: { limit: -1 } },
    'memory',
    ['memory.limit_in_bytes', 'memory.max'],
    UNLIMITED,
    UNLIMITED
  ],
  [
    must(memory, 'reservation is the soft limit'),
    { memory: { reservation: 32 * MIB } },
    'memory',
    ['memory.soft_limit_in_bytes', 'memory.low'],
    ...same(`${32 * MIB}`)
  ],
  [
    must(memory, 'swap is the limit of memory and swap together'),
    { memory: { limit: 64 * MIB, swap: 96 * MIB } },
    'memory',
    ['memory.memsw.limit_in_bytes', 'memory.swap.max'],
    is(`${96 * MIB}`),
    is(`${32 * MIB}`)
  ],
  [
    must(memory, 'swappiness is the parameter of vmscan'),
    { memory: { swappiness: 30 } },
    'memory',
    ['memory.swappiness', undefined],
    ...same('30')
  ],
  [must(memory, 'swappiness: zero is a value'), { memory: { swappiness: 0 } }, 'memory', ['memory.swappiness', undefined], ...same('0')],
  [
    must(memory, 'disableOOMKiller disables the OOM killer'),
    { memory: { disableOOMKiller: true } },
    'memory',
    ['memory.oom_control', undefined],
    like(/oom_kill_disable 1/),
    is('')
  ]
]

const CPU: readonly Setting[] = [
  [
    must(cpu, 'shares is a relative share of CPU time'),
    { cpu: { shares: 512 } },
    'cpu',
    ['cpu.shares', 'cpu.weight'],
    is('512'),
    like(/^(?!100$)\d+$/)
  ],
  [
    must(cpu, 'quota is the total time in a period'),
    { cpu: { quota: 20_000, period: 50_000 } },
    'cpu',
    ['cpu.cfs_quota_us', 'cpu.max'],
    is('20000'),
    is('20000 50000')
  ],
  [
    must(cpu, 'period is how regularly CPU time is reallocated'),
    { cpu: { quota: 30_000, period: 60_000 } },
    'cpu',
    ['cpu.cfs_period_us', 'cpu.max'],
    is('60000'),
    is('30000 60000')
  ],
  [must(cpu, 'quota: -1 is unlimited'), { cpu: { quota: -1 } }, 'cpu', ['cpu.cfs_quota_us', 'cpu.max'], is('-1'), like(/^max /)],
  [
    must(cpu, 'burst is time that is accumulated'),
    { cpu: { quota: 20_000, period: 50_000, burst: 5000 } },
    'cpu',
    ['cpu.cfs_burst_us', 'cpu.max.burst'],
    ...same('5000')
  ],
  [must(cpu, 'idle 1 is SCHED_IDLE'), { cpu: { idle: 1 } }, 'cpu', ['cpu.idle', 'cpu.idle'], ...same('1')],
  [must(cpu, 'idle 0 is the default behaviour'), { cpu: { idle: 0 } }, 'cpu', ['cpu.idle', 'cpu.idle'], ...same('0')],
  [
    must(cpu, 'cpus is the list of CPUs that the container runs on'),
    { cpu: { cpus: '0' } },
    'cpuset',
    ['cpuset.cpus', 'cpuset.cpus'],
    ...same('0')
  ],
  [
    must(cpu, 'mems is the list of memory nodes that the container runs on'),
    { cpu: { mems: '0' } },
    'cpuset',
    ['cpuset.mems', 'cpuset.mems'],
    ...same('0')
  ],
  [
    must(cpu, 'realtimeRuntime is the time of realtime tasks'),
    { cpu: { realtimeRuntime: 1000, realtimePeriod: 100_000 } },
    'cpu',
    ['cpu.rt_runtime_us', undefined],
    ...same('1000')
  ],
  [
    must(cpu, 'realtimePeriod is the period of realtime tasks'),
    { cpu: { realtimeRuntime: 1000, realtimePeriod: 200_000 } },
    'cpu',
    ['cpu.rt_period_us', undefined],
    ...same('200000')
  ]
]

/** A disk of this machine: only such a one can be throttled. */
function disk(): { major: number; minor: number } {
  const name = readdirSync('/sys/block').find((each) => /^(vd|sd|nvme|xvd|mmcblk)/.test(each)) ?? readdirSync('/sys/block')[0] ?? ''
  const [major = 0, minor = 0] = textOf(`/sys/block/${name}/dev`).split(':').map(Number)
  return { major, minor }
}
const DISK = disk()
const NUMBERS = `${DISK.major}:${DISK.minor}`
const throttled = (file1: string, key: string, value: string): readonly [Files, Expectation, Expectation] => [
  [`blkio.throttle.${file1}`, 'io.max'],
  is(`${NUMBERS} ${value}`),
  like(new RegExp(`^${NUMBERS} .*${key}=${value}`))
]

function throttle(property: string, file1: string, key: string, rate: number): Setting {
  const [files, v1, v2] = throttled(file1, key, String(rate))
  // The controller has another name in v2.
  const name = textOf('/proc/self/mountinfo').match(/ - cgroup .*\bblkio\b/) ? 'blkio' : 'io'
  return [must(blockIO, `${property} is a limit for a device`), { blockIO: { [property]: [{ ...DISK, rate }] } }, name, files, v1, v2]
}

const BLOCK_IO: readonly Setting[] = [
  throttle('throttleReadBpsDevice', 'read_bps_device', 'rbps', 1_048_576),
  throttle('throttleWriteBpsDevice', 'write_bps_device', 'wbps', 2_097_152),
  throttle('throttleReadIOPSDevice', 'read_iops_device', 'riops', 300),
  throttle('throttleWriteIOPSDevice', 'write_iops_device', 'wiops', 400),
  [
    must(blockIO, 'weight is the default weight on all devices'),
    { blockIO: { weight: 500 } },
    'blkio',
    ['blkio.weight', undefined],
    ...same('500')
  ],
  [
    must(blockIO, 'weight, with the BFQ scheduler, is the default weight on all devices'),
    { blockIO: { weight: 500 } },
    'blkio',
    ['blkio.bfq.weight', undefined],
    ...same('500')
  ],
  [
    must(blockIO, 'weight, in cgroup v2, is the default weight on all devices'),
    { blockIO: { weight: 500 } },
    'io',
    [undefined, 'io.weight'],
    is(''),
    like(/^default (?!100$)\d+/)
  ],
  [
    must(blockIO, 'leafWeight is the weight against the child cgroups'),
    { blockIO: { leafWeight: 500 } },
    'blkio',
    ['blkio.leaf_weight', undefined],
    ...same('500')
  ],
  [
    must(blockIO, 'weightDevice is the weight on one device'),
    { blockIO: { weightDevice: [{ ...DISK, weight: 500 }] } },
    'blkio',
    ['blkio.weight_device', undefined],
    is(`${NUMBERS} 500`),
    is('')
  ]
]

const OTHERS: readonly Setting[] = [
  [must(pids, 'limit is the maximum number of tasks'), { pids: { limit: 33 } }, 'pids', ['pids.max', 'pids.max'], ...same('33')],
  [must(pids, 'limit: -1 is no limit'), { pids: { limit: -1 } }, 'pids', ['pids.max', 'pids.max'], ...same('max')],
  [
    must(hugepages, 'a limit of huge pages is that of reservations'),
    { hugepageLimits: [{ pageSize: '2MB', limit: 4 * MIB }] },
    'hugetlb',
    ['hugetlb.2MB.rsvd.limit_in_bytes', 'hugetlb.2MB.rsvd.max'],
    ...same(`${4 * MIB}`)
  ],
  [
    must(network, 'classID is the class of network packets'),
    { network: { classID: 1_048_577 } },
    'net_cls',
    ['net_cls.classid', undefined],
    ...same('1048577')
  ],
  [
    must(network, 'priorities are applied to interfaces'),
    { network: { priorities: [{ name: 'lo', priority: 7 }] } },
    'net_prio',
    ['net_prio.ifpriomap', undefined],
    like(/^lo 7$/m),
    is('')
  ]
]

const limited: readonly Case[] = [
  scene(resources({ pids: { limit: 2 } }), [
    [
      pids.must('limit is enforced', controller('pids')),
      '(sleep 1 & sleep 1 & sleep 1 & wait) 2>&1; echo tried',
      like(/can't fork|temporarily unavailable/)
    ]
  ]),
  ...refusals(resources({ memory: { limit: 64 * MIB } }), [
    [memory.must('a limit that is a string is an error', controller('memory')), resources({ memory: { limit: '64M' } })],
    [
      memory.must('a swap limit below the memory limit, which the kernel refuses, is an error', controller('memory')),
      resources({ memory: { swap: 32 * MIB } })
    ],
    [
      memory.must('swappiness above 100 is an error', cgroupFile('memory', 'memory.swappiness', undefined)),
      resources({ memory: { swappiness: 101 } })
    ]
  ]),
  ...refusals(resources({ cpu: { quota: 20_000, period: 50_000 } }), [
    [cpu.must('a period that the kernel refuses is an error', controller('cpu')), resources({ cpu: { period: 1 } })],
    [cpu.must('cpus that the machine does not have are an error', controller('cpuset')), resources({ cpu: { cpus: '4000-4001' } })],
    [cpu.must('cpus that are no list are an error', controller('cpuset')), resources({ cpu: { cpus: 'many' } })],
    [cpu.must('mems that the machine does not have are an error', controller('cpuset')), resources({ cpu: { mems: '900' } })],
    [cpu.must('shares that are negative are an error', controller('cpu')), resources({ cpu: { shares: -1 } })]
  ]),
  ...refusals(resources({ pids: { limit: 10 } }), [
    [pids.must('a limit that is a string is an error', controller('pids')), resources({ pids: { limit: '10' } })]
  ]),
  ...refusals({}, [
    [
      hugepages.must('a page size that the kernel does not have is an error'),
      resources({ hugepageLimits: [{ pageSize: '3MB', limit: 0 }] })
    ],
    [hugepages.required('limit: an entry without it is not valid'), resources({ hugepageLimits: [{ pageSize: '2MB' }] })],
    [blockIO.required('rate: an entry without it is not valid'), resources({ blockIO: { throttleReadBpsDevice: [DISK] } })],
    [blockIO.must('a weight beyond 16 bits is an error'), resources({ blockIO: { weight: 70_000 } })]
  ])
]

/** Where the process is, in the hierarchy of a controller that every layout has. */
function place({ machine }: { machine: Machine }, { container, pid }: Created): string {
  const name =
    machine.cgroup === 'v2'
      ? 'unified'
      : (['memory', 'pids', 'cpu', 'freezer'].find((each) => machine.controllers.get(each)?.version === 1) ?? 'unified')
  const path = container.cgroupPath(pid, name)
  return path.slice(machine.controllers.get(name)!.mount.length)
}

const at =
  (path: string) =>
  (config: Parameters<Extract<Change, (...args: never[]) => unknown>>[0], container: Container): void => {
    config.linux.cgroupsPath = path.replaceAll('ID', container.id)
  }

const placed: readonly Case[] = acts([
  [
    paths.must('an absolute path is relative to the mount point of the cgroups, and is made when it does not exist'),
    async (stage) => {
      using container = stage.container(at('/ID-top/ID-below'))
      await container.mustCreate()
      return is(`/${container.id}-top/${container.id}-below`)(place(stage, await container.created()), 0)
    }
  ],
  [
    paths.must('a relative path is a value that works'),
    async (stage) => {
      using container = stage.container(at('ID-relative'))
      await container.mustCreate()
      return like(new RegExp(`${container.id}-relative$`))(place(stage, await container.created()), 0)
    }
  ],
  [
    paths.must('the same value is the same place each time: an absolute path'),
    async (stage) => sameTwice(stage.container(at('/ID-same')), stage)
  ],
  [
    paths.must('the same value is the same place each time: a relative path'),
    async (stage) => sameTwice(stage.container(at('ID-same')), stage)
  ],
  [
    paths.must('a path that does not exist is made in every hierarchy of a resource that is limited'),
    async (stage) => {
      using container = stage.container(both(at('/ID-limited'), resources({ pids: { limit: 20 } })))
      await container.mustCreate()
      const created = await container.created()
      const found = stage.machine.controllers.has('pids') ? container.cgroupPath(created.pid, 'pids') : `/${container.id}-limited`
      return like(new RegExp(`/${container.id}-limited$`))(found, 0)
    }
  ]
])

async function sameTwice(made: Container, stage: { machine: Machine }): Promise<string | undefined> {
  using container = made
  await container.mustCreate()
  const first = place(stage, await container.created())
  await container.invoke(['delete', '--force', container.id])
  await container.mustCreate()
  return is(first)(place(stage, await container.created()), 0)
}

const V2 = ({ cgroup }: Machine): string | undefined =>
  cgroup === 'v2' ? undefined : `cgroup v2 has no controllers on this machine (${cgroup})`
const V1 = ({ cgroup }: Machine): string | undefined => (cgroup === 'v2' ? 'this machine has no cgroup v1' : undefined)

const MAPPING = [{ containerID: 0, hostID: 100_000, size: 65_536 }]
const mountCgroup =
  (...options: readonly string[]): Change =>
  (config) =>
    void config.mounts.push({
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['nosuid', 'noexec', 'nodev', ...options]
    })
const USER = both(namespace('user'), { linux: { uidMappings: MAPPING, gidMappings: MAPPING } })
const owner =
  (name: string, controllerName = 'unified') =>
  ({ container, pid }: Created): string =>
    String(statSync(join(container.cgroupPath(pid, controllerName), name)).uid)
/** A hierarchy of v1 that every such machine has. */
const ownerV1 = ({ container, pid }: Created): string => String(statSync(container.cgroupPath(pid, 'memory')).uid)

const owned: readonly Case[] = [
  scene(both(USER, both(namespace('cgroup'), mountCgroup())), [
    [
      ownership.shouldNot('the ownership of cgroups is changed when cgroups v1 is in use', all(V1, controller('memory', 1))),
      ownerV1,
      is('0')
    ],
    [
      ownership.should('the owner of the cgroup is changed when the cgroup file system is mounted read/write', V2),
      owner('.'),
      is('100000')
    ],
    [
      ownership.must('without /sys/kernel/cgroup/delegate, or with it, cgroup.procs is among the files', V2),
      owner('cgroup.procs'),
      is('100000')
    ],
    [ownership.must('cgroup.subtree_control is among the files', V2), owner('cgroup.subtree_control'), is('100000')],
    [ownership.must('cgroup.threads is among the files', V2), owner('cgroup.threads'), is('100000')],
    [ownership.shouldNot('the ownership of any other file is changed', V2), owner('cgroup.max.depth'), is('0')]
  ]),
  scene(both(USER, both(namespace('cgroup'), mountCgroup('ro'))), [
    [ownership.shouldNot('the ownership is changed when the cgroup file system is mounted read-only', V2), owner('.'), is('0')]
  ]),
  scene(both(USER, namespace('cgroup')), [
    [ownership.shouldNot('the ownership is changed when the cgroup file system is not mounted', V2), owner('.'), is('0')]
  ]),
  scene(both(USER, mountCgroup()), [
    [ownership.shouldNot('the ownership is changed without a new cgroup namespace', V2), owner('.'), is('0')]
  ])
]

const direct: readonly Case[] = [
  scene(resources({ unified: { 'pids.max': '44' } }), [
    [
      unified.must('the controllers that are needed are enabled, and the value is written', all(V2, controller('pids', 2))),
      ({ cgroup }) => cgroup('pids', undefined, 'pids.max'),
      is('44')
    ]
  ]),
  scene(resources({ unified: { 'memory.high': `${48 * MIB}`, 'memory.oom.group': '1' } }), [
    [
      unified.must('what is unknown to the runtime is written: memory.high', all(V2, controller('memory', 2))),
      ({ cgroup }) => cgroup('memory', undefined, 'memory.high'),
      is(`${48 * MIB}`)
    ],
    [
      unified.must('what is unknown to the runtime is written: memory.oom.group', all(V2, controller('memory', 2))),
      ({ cgroup }) => cgroup('memory', undefined, 'memory.oom.group'),
      is('1')
    ]
  ]),
  ...refusals({}, [
    [unified.must('a controller that is not present is an error', V2), resources({ unified: { 'nosuch.max': '1' } })],
    [unified.must('a file that the controller does not have is an error', V2), resources({ unified: { 'memory.nosuch': '1' } })],
    [unified.must('a value that the kernel refuses is an error', V2), resources({ unified: { 'pids.max': 'many' } })],
    [
      unified.must('a property that cannot be applied, because there is no cgroup v2, is an error', all(V1, noUnified)),
      resources({ unified: { 'memory.high': '1048576' } })
    ],
    [unified.must('a value that is a number is an error'), resources({ unified: { 'pids.max': 44 } })]
  ])
]

/** In the hybrid layout the v2 hierarchy has other controllers, if any. */
function noUnified(machine: Machine): string | undefined {
  return machine.controllers.get('memory')?.version === 2 ? 'memory is a controller of cgroup v2 here' : undefined
}

const zero: readonly Case[] = [
  scene(resources({ pids: { limit: 0 } }), [
    [
      pids.should('0 is a valid limit: no task can be added to the one of the container', controller('pids')),
      ({ cgroup }) => cgroup('pids', 'pids.max', 'pids.max'),
      like(/^[01]$/)
    ]
  ])
]

export const resourceCases: readonly Case[] = [
  ...placed,
  ...owned,
  ...[...MEMORY, ...CPU, ...BLOCK_IO, ...OTHERS].map(setting),
  ...limited,
  ...zero,
  ...direct
]
