/** Values that only the kernel can judge: each is an error with its place, whether by `run` or by `create`, and leaves nothing behind. */
import t from 'tap'
import type { Config, Linux, Process, Resources } from '../../src/config/types.ts'
import { create, run } from '../../src/index.ts'
import { asRoot, needs, sandbox } from '../harness.ts'

interface Case {
  readonly process?: Partial<Process>
  readonly linux?: Partial<Linux>
  readonly resources?: Partial<Resources>
  /** The end of the sentence. */
  readonly message: RegExp
  readonly skip?: string | false
}

const v1 = (controller: string) => needs({ cgroup: 'v1', controllers: [controller] })
const namespaces = (...more: NonNullable<Linux['namespaces']>) => [{ type: 'pid' }, { type: 'mount' }, { type: 'uts' }, ...more] as const
const user = (ids: Partial<NonNullable<Process['user']>>) => ({ user: { uid: 0, gid: 0, ...ids } })
const userNamespace: Partial<Linux> = {
  namespaces: namespaces({ type: 'user' }, { type: 'ipc' }, { type: 'network' }),
  uidMappings: [{ containerID: 0, hostID: 0, size: 10 }],
  gidMappings: [{ containerID: 0, hostID: 0, size: 10 }]
}
const HUGE = 2 ** 62

const cases: Readonly<Record<string, Case>> = {
  'a working directory that is a file': { process: { cwd: '/bin/sh' }, message: /\(ENOTDIR\) \[\/process\/cwd\]$/ },
  'a limit above what the kernel allows': {
    process: { rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: HUGE }] },
    message: /cannot set RLIMIT_NOFILE to 1024 \(soft\) and 46116860184273\d+ \(hard\): .*\(EPERM\) \[\/process\/rlimits\/0\]$/
  },
  'the same with a user namespace, by the runtime': {
    process: { rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: HUGE }] },
    linux: userNamespace,
    message: /\(EPERM\) \[\/process\/rlimits\/0\]$/
  },
  'a uid that the user namespace does not map': { process: user({ uid: 10 }), linux: userNamespace, message: /\[\/process\/user\/uid\]$/ },
  'a gid that the user namespace does not map': { process: user({ gid: 10 }), linux: userNamespace, message: /\[\/process\/user\/gid\]$/ },
  'a group that the user namespace does not map': {
    process: user({ additionalGids: [1, 10] }),
    linux: userNamespace,
    message: /\[\/process\/user\/additionalGids(\/\d+)?\]$/
  },
  'times that the deadline scheduler refuses': {
    process: { scheduler: { policy: 'SCHED_DEADLINE', runtime: 10, deadline: 20, period: 30 } },
    message: /cannot set the scheduler SCHED_DEADLINE: .*\(EINVAL\) \[\/process\/scheduler\]$/
  },
  'a namespace of another type': {
    linux: { namespaces: namespaces({ type: 'network', path: '/proc/self/ns/mnt' }) },
    message: /cannot join the network namespace "\/proc\/self\/ns\/mnt": .*\(EINVAL\) \[\/linux\/namespaces\/3\/path\]$/
  },
  'a namespace that is not there': {
    linux: { namespaces: namespaces({ type: 'ipc', path: '/nowhere' }) },
    message: /\(ENOENT\) \[\/linux\/namespaces\/3\/path\]$/
  },
  'a clock before its beginning': {
    linux: { namespaces: namespaces({ type: 'time' }), timeOffsets: { monotonic: { secs: -HUGE } } },
    message: /\(ERANGE\) \[\/linux\/timeOffsets\]$/,
    skip: needs({ files: ['/proc/self/ns/time'] })
  },
  'a sysctl that does not exist': {
    linux: { namespaces: namespaces({ type: 'network' }), sysctl: { 'net.no.such': '1' } },
    message: /cannot set the sysctl "net\.no\.such" to "1": .*\(ENOENT\) \[\/linux\/sysctl\/net\.no\.such\]$/
  },
  'a value that a sysctl refuses': {
    linux: { namespaces: namespaces({ type: 'ipc' }), sysctl: { 'kernel.sem': '1 2 3 x' } },
    message: /\(EINVAL\) \[\/linux\/sysctl\/kernel\.sem\]$/
  },
  'a network device that does not exist': {
    linux: { namespaces: namespaces({ type: 'network' }), netDevices: { 'no-such': {} } },
    message: /\(ENODEV\) \[\/linux\/netDevices\/no-such\]$/
  },
  'more processes than the kernel can have': {
    resources: { pids: { limit: 99_999_999_999 } },
    message: /\(EINVAL\).* \[\/linux\/resources\/pids\/limit\]$/,
    skip: v1('pids')
  },
  'CPUs that are not there': { resources: { cpu: { cpus: '8000' } }, message: /\[\/linux\/resources\/cpu\/cpus\]$/m, skip: v1('cpuset') },
  'NUMA nodes that are not there': {
    resources: { cpu: { mems: '900' } },
    message: /\[\/linux\/resources\/cpu\/mems\]$/m,
    skip: v1('cpuset')
  },
  'real-time that the cgroup above does not have': {
    resources: { cpu: { realtimeRuntime: 2_000_000, realtimePeriod: 1_000_000 } },
    message: /\(EINVAL\).* \[\/linux\/resources\/cpu\/realtimeRuntime\]$/,
    skip: needs({ cgroup: 'v1', files: ['/sys/fs/cgroup/cpu/cpu.rt_runtime_us'] })
  },
  'a limit for a block device that is not there': {
    resources: { blockIO: { throttleReadBpsDevice: [{ major: 77, minor: 99, rate: 1000 }] } },
    message: /\(ENODEV\).* \[\/linux\/resources\/blockIO\/throttleReadBpsDevice\/0\]$/,
    skip: v1('blkio')
  },
  'a size of huge pages that the kernel does not have': {
    resources: { hugepageLimits: [{ pageSize: '3MB', limit: 0 }] },
    message: /must be a huge page size of this kernel .*, not "3MB" \[\/linux\/resources\/hugepageLimits\/0\/pageSize\]$/
  },
  'memory that is not enough for init': {
    resources: { memory: { limit: 1 } },
    message: /OOM-killed.* \[\/linux\/resources\/memory\/limit\]$/,
    skip: v1('memory')
  }
}

for (const [name, { process, linux, resources, message, skip }] of Object.entries(cases))
  t.test(name, { skip: asRoot || skip || false }, async (t) => {
    using box = sandbox(t)
    const bundle = box.bundle((config: Config) => ({
      ...config,
      process: { ...config.process, args: ['/bin/true'], ...process },
      linux: { ...config.linux, ...linux, resources: { ...config.linux?.resources, ...resources } }
    }))
    const before = box.snapshot()
    for (const make of [run, create] as const)
      await t.rejects(Promise.resolve<unknown>(make({ root: box.root(), id: box.id(), bundle })), { message }, make.name)
    t.same(await box.leftovers(before), [], 'nothing is left')
  })
