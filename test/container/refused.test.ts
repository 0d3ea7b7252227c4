/** Values that only the kernel can judge: each is an error with its place, whether by `run` or by `create`, and leaves nothing behind. */
import t from 'tap'
import type { Config, Linux, Process, Resources } from '../../src/config/types.ts'
import { create, run } from '../../src/index.ts'
import { controllers, needs, sandbox, unable } from '../harness.ts'
import { idMaps, user } from '../user.ts'

t.setTimeout(110_000)

interface Case {
  readonly mounts?: Config['mounts']
  readonly hooks?: Config['hooks']
  readonly annotations?: Config['annotations']
  readonly process?: Partial<Process>
  readonly linux?: Partial<Linux>
  readonly resources?: Partial<Resources>
  /** The end of the sentence. */
  readonly message: RegExp
  /** True for what is known only when the command is executed: after `create`. */
  readonly atStart?: boolean
  readonly skip?: string | false
}

/** Without one, what it cannot have is warned about, and no error. */
const ownCgroup = needs({ ownCgroup: true })
const v1 = (controller: string) => needs({ cgroup: 'v1', controllers: [controller] })
const namespaces = (...more: NonNullable<Linux['namespaces']>) => [{ type: 'pid' }, { type: 'mount' }, { type: 'uts' }, ...more] as const
const as = (ids: Partial<NonNullable<Process['user']>>) => ({ user: { uid: 0, gid: 0, ...ids } })
const userNamespace: Partial<Linux> = {
  namespaces: namespaces({ type: 'user' }, { type: 'ipc' }, { type: 'network' }),
  ...idMaps(0, 10)
}
const HUGE = 2 ** 62
const mount = (fields: object) => ({ mounts: [{ destination: '/x', ...fields }] as const })
const hook = (kind: string, path: string) => ({ hooks: { [kind]: [{ path }] } })
const throttle = (kind: string): Case => ({
  resources: { blockIO: { [`throttle${kind}Device`]: [{ major: 77, minor: 99, rate: 1000 }] } },
  message: new RegExp(`\\(ENODEV\\).* \\[/linux/resources/blockIO/throttle${kind}Device/0\\]$`),
  skip: v1('blkio')
})
/** Refused with its place when the machine does not have it, and skipped when it does. */
const withoutController = (controller: string, resources: Partial<Resources>, message: RegExp): Case => ({
  resources,
  message,
  skip: ownCgroup || (controllers().has(controller) && `this machine has the controller ${controller}`)
})
const timeNamespace = { linux: { namespaces: namespaces({ type: 'time' }) }, skip: needs({ files: ['/proc/self/ns/time'] }) }
const MAP = [{ containerID: 0, hostID: 1000, size: 1 }]
/** What is longer than one argument may be (MAX_ARG_STRLEN). */
const TOO_LONG = 'x'.repeat(132_000)
/** A program that runs on past its end. */
const ENDLESS_FILTER = Buffer.alloc(8).toString('base64')

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
  'a uid that the user namespace does not map': {
    process: as({ uid: 65_537 }),
    linux: userNamespace,
    message: /\[\/process\/user\/uid\]$/
  },
  'a gid that the user namespace does not map': {
    process: as({ gid: 65_537 }),
    linux: userNamespace,
    message: /\[\/process\/user\/gid\]$/
  },
  'a group that the user namespace does not map': {
    process: as({ additionalGids: [0, 65_537] }),
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
    linux: { namespaces: namespaces({ type: 'network' }, { type: 'ipc' }), sysctl: { 'net.no.such': '1' } },
    message: /cannot set the sysctl "net\.no\.such" to "1": .*\(ENOENT\) \[\/linux\/sysctl\/net\.no\.such\]$/
  },
  'a value that a sysctl refuses': {
    linux: { namespaces: namespaces({ type: 'ipc' }, { type: 'network' }), sysctl: { 'kernel.sem': '1 2 3 x' } },
    message: /\(EINVAL\) \[\/linux\/sysctl\/kernel\.sem\]$/
  },
  'a network device that does not exist': {
    linux: { namespaces: namespaces({ type: 'network' }, { type: 'ipc' }), netDevices: { 'no-such': {} } },
    message: user
      ? /cannot join a namespace: .*\(EPERM\) \[\/linux\/netDevices\/no-such\]$/
      : /\(ENODEV\) \[\/linux\/netDevices\/no-such\]$/
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
    skip: needs({ cgroup: 'v1', controllers: ['cpu'], files: ['/sys/fs/cgroup/cpu/cpu.rt_runtime_us'] })
  },
  'a limit in bytes read for a block device that is not there': throttle('ReadBps'),
  'a limit in bytes written for it': throttle('WriteBps'),
  'a limit in reads for it': throttle('ReadIOPS'),
  'a limit in writes for it': throttle('WriteIOPS'),
  'a weight for a device that is not there': {
    resources: { blockIO: { weightDevice: [{ major: 77, minor: 99, weight: 100 }] } },
    message: /cannot write "77:99 100" .*: (?!unknown).* \[\/linux\/resources\/blockIO\/weightDevice\/0\]$/,
    skip: v1('blkio')
  },
  'a weight of leaves, which the kernel has dropped': {
    resources: { blockIO: { leafWeight: 100 } },
    message: /\(ENOENT\): this kernel does not have the file.* \[\/linux\/resources\/blockIO\/leafWeight\]$/,
    skip: v1('blkio') || needs({ kernel: [5, 0] })
  },
  'a quota beyond what the scheduler can count': {
    resources: { cpu: { quota: 2 ** 60 } },
    message: /\(EINVAL\).* \[\/linux\/resources\/cpu\/quota\]$/,
    skip: v1('cpu')
  },
  'fewer shares than the kernel has': {
    resources: { cpu: { shares: 1 } },
    message: /the minimum allowed cpu-shares is 2 \[\/linux\/resources\/cpu\/shares\]$/,
    skip: v1('cpu')
  },
  'more shares than the kernel has': {
    resources: { cpu: { shares: 2 ** 40 } },
    message: /the maximum allowed cpu-shares is 262144 \[\/linux\/resources\/cpu\/shares\]$/,
    skip: v1('cpu')
  },
  'a list of CPUs that is none': {
    resources: { cpu: { cpus: '0-' } },
    message: /\(EINVAL\).* \[\/linux\/resources\/cpu\/cpus\]$/,
    skip: v1('cpuset')
  },
  'a list of nodes that is none': {
    resources: { cpu: { mems: 'x' } },
    message: /\(EINVAL\).* \[\/linux\/resources\/cpu\/mems\]$/,
    skip: v1('cpuset')
  },
  'a file of v2 that its cgroup does not have': {
    resources: { unified: { 'no.such': '1' } },
    message: /\(ENOENT\).* \[\/linux\/resources\/unified\/no\.such\]$|unified.*v1.*\[\/linux\/resources\/unified.*\]$/
  },
  'a network class without net_cls': withoutController(
    'net_cls',
    { network: { classID: 1 } },
    /the cgroup controller "net_cls" is not mounted .*\[\/linux\/resources\/network\/classID\]$/
  ),
  'a network priority without net_prio': withoutController(
    'net_prio',
    { network: { priorities: [{ name: 'lo', priority: 1 }] } },
    /the cgroup controller "net_prio" is not mounted .*\[\/linux\/resources\/network\/priorities\/0\]$/
  ),
  'a limit of RDMA without its controller': withoutController(
    'rdma',
    { rdma: { mlx5_9: { hcaHandles: 1 } } },
    /the cgroup controller "rdma" is not .*\[\/linux\/resources\/rdma\/mlx5_9\]$/
  ),
  'a size of huge pages that the kernel does not have': {
    resources: { hugepageLimits: [{ pageSize: '3MB', limit: 0 }] },
    message: /must be a huge page size of this kernel .*, not "3MB" \[\/linux\/resources\/hugepageLimits\/0\/pageSize\]$/
  },
  'a cgroup below a file': {
    linux: { cgroupsPath: '/cgroup.procs/x' },
    message: /cannot create cgroup .*\(ENOTDIR\) \[\/linux\/cgroupsPath\]$/,
    skip: ownCgroup
  },
  'a file system that the kernel does not have': {
    ...mount({ type: 'nofs', source: 'x' }),
    message: /cannot open the file system type "nofs": .*\(ENODEV\) \[\/mounts\/0\]$/
  },
  'an option that the file system does not have': {
    ...mount({ type: 'tmpfs', source: 'x', options: ['ro', 'no-such'] }),
    message: /cannot set the option "no-such" of "tmpfs": .*\(EINVAL\) \[\/mounts\/0\/options\/1\]$/
  },
  'a value that an option refuses': {
    ...mount({ type: 'tmpfs', source: 'x', options: ['size=abc'] }),
    message: /"size=abc" of "tmpfs": .*\(EINVAL\) \[\/mounts\/0\/options\/0\]$/
  },
  'a source that is not there': {
    ...mount({ source: '/nowhere', options: ['bind'] }),
    message: /cannot bind mount "\/nowhere": .*\(ENOENT\) \[\/mounts\/0\/source\]$/
  },
  'a directory on a file': {
    mounts: [{ destination: '/bin/busybox', source: '/tmp', options: ['bind'] }],
    message: /cannot open the mount point "\/bin\/busybox": .*\(ENOTDIR\) \[\/mounts\/0\/destination\]$/
  },
  'a file on a directory': {
    mounts: [{ destination: '/tmp', source: '/etc/passwd', options: ['bind'] }],
    message: /: the source is no directory, and the mount point is one \[\/mounts\/0\]$/
  },
  'a mount point below a file': {
    mounts: [{ destination: '/bin/busybox/x', type: 'tmpfs', source: 'x' }],
    message: /\(ENOTDIR\) \[\/mounts\/0\/destination\]$/
  },
  'a mount point with a name that is too long': {
    mounts: [{ destination: `/${'n'.repeat(256)}`, type: 'tmpfs', source: 'x' }],
    message: /\(ENAMETOOLONG\) \[\/mounts\/0\/destination\]$/
  },
  'ids of a file system that cannot be mapped': {
    ...mount({ source: '/proc', options: ['bind', 'idmap'], uidMappings: MAP, gidMappings: MAP }),
    message: /cannot map the ids of "\/x": .*: this kernel cannot map the ids of its file system \[\/mounts\/0\/uidMappings\]$/,
    skip: needs({ host: { CAP_SYS_ADMIN: 'mapping the ids of a mount' } })
  },
  'a remount of what is no mount': {
    mounts: [{ destination: '/tmp', options: ['remount', 'ro'] }],
    message: /\(EINVAL\): nothing is mounted there \[\/mounts\/0\/options\]$/
  },
  'a masked path below a file': { linux: { maskedPaths: ['/bin/busybox/x'] }, message: /\(ENOTDIR\) \[\/linux\/maskedPaths\/0\]$/ },
  'a read-only path below a file': { linux: { readonlyPaths: ['/bin/busybox/x'] }, message: /\(ENOTDIR\) \[\/linux\/readonlyPaths\/0\]$/ },
  'a device below a file': {
    linux: { devices: [{ type: 'c', path: '/bin/busybox/x', major: 1, minor: 3 }] },
    message: /\(ENOTDIR\) \[\/linux\/devices\/0\]$/
  },
  'a device in the place of a file': {
    linux: { devices: [{ type: 'c', path: '/bin/busybox', major: 1, minor: 3 }] },
    message: /which is there and is another device: .*\(EEXIST\) \[\/linux\/devices\/0\]$/,
    skip: needs({ host: { CAP_MKNOD: 'devices' } })
  },
  'an owner of a device that the user namespace does not map': {
    linux: { ...userNamespace, devices: [{ type: 'p', path: '/dev/fifo', uid: 20, gid: 0 }] },
    message: /cannot set the owner of "\/dev\/fifo": .*\(EINVAL\) \[\/linux\/devices\/0\]$/,
    skip: needs({ host: { CAP_MKNOD: 'devices' } })
  },
  'NUMA nodes of a memory policy that are not there': {
    linux: { memoryPolicy: { mode: 'MPOL_BIND', nodes: '900' } },
    message: /\(EINVAL\): its nodes must be there.* \[\/linux\/memoryPolicy\]$/
  },
  'an architecture of another byte order': {
    linux: {
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_S390X'],
        syscalls: [{ names: ['reboot'], action: 'SCMP_ACT_LOG' }]
      }
    },
    message: /its byte order is not this machine's \[\/linux\/seccomp\/architectures\/0\]$/
  },
  'an agent that is not there': {
    linux: {
      seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/nowhere', syscalls: [{ names: ['reboot'], action: 'SCMP_ACT_NOTIFY' }] }
    },
    message: /cannot send the seccomp listener to "\/nowhere": .*\(ENOENT\) \[\/linux\/seccomp\/listenerPath\]$/
  },
  'an argument that execve(2) does not take': {
    process: { args: ['/bin/true', TOO_LONG] },
    message: /argument list too long.* \[\/process\/args\/0\]$/,
    atStart: true
  },
  'a variable that execve(2) does not take': {
    process: { env: [`A=${TOO_LONG}`] },
    message: /argument list too long.* \[\/process\/args\/0\]$/,
    atStart: true
  },
  'a scheduler that the kernel does not have': {
    process: { scheduler: { policy: 'SCHED_ISO' } },
    message: /cannot set the scheduler SCHED_ISO: .*\(EINVAL\).* \[\/process\/scheduler\]$/
  },
  ...Object.fromEntries(
    ['prestart', 'createRuntime', 'createContainer'].map((kind) => [
      `a ${kind} hook that is not there`,
      { ...hook(kind, '/nowhere'), message: new RegExp(`cannot execute "/nowhere": .*\\(ENOENT\\) \\[/hooks/${kind}/0\\]$`) }
    ])
  ),
  ...Object.fromEntries(
    ['startContainer', 'poststart'].map((kind) => [
      `a ${kind} hook that is no program`,
      { ...hook(kind, '/etc'), message: new RegExp(`cannot execute "/etc": .*\\(EACCES\\) \\[/hooks/${kind}/0\\]$`), atStart: true }
    ])
  ),
  'a file for the output of hooks in no directory': {
    ...hook('createRuntime', '/bin/true'),
    annotations: { 'run.oci.hooks.stdout': '/nowhere/x' },
    message: /cannot open "\/nowhere\/x" for the output of hooks: .*\(ENOENT\) \[\/annotations\/run\.oci\.hooks\.stdout\]$/
  },
  'a directory for the errors of hooks': {
    ...hook('createContainer', '/bin/true'),
    annotations: { 'run.oci.hooks.stderr': '/etc' },
    message: /\(EISDIR\) \[\/annotations\/run\.oci\.hooks\.stderr\]$/
  },
  'a receiver of the pidfd that is not there': {
    annotations: { 'run.oci.pidfd_receiver': '/nowhere' },
    message: /cannot send the pidfd to "\/nowhere": .*\(ENOENT\) \[\/annotations\/run\.oci\.pidfd_receiver\]$/
  },
  'a filter that the kernel refuses': {
    annotations: { 'run.oci.seccomp_bpf_data': ENDLESS_FILTER },
    message: /cannot load the seccomp filter: .*\(EINVAL\) \[\/annotations\/run\.oci\.seccomp_bpf_data\]$/,
    atStart: true
  },
  'a clock of an annotation before its beginning': {
    ...timeNamespace,
    annotations: { 'run.oci.timens_offset': 'monotonic -9999999999 0' },
    message: /\(ERANGE\) \[\/annotations\/run\.oci\.timens_offset\]$/
  },
  'memory that is not enough for init': {
    resources: { memory: { limit: 1 } },
    message: /OOM-killed.* \[\/linux\/resources\/memory\/limit\]$/,
    skip: v1('memory')
  }
}

for (const [name, { process, linux, resources, mounts, message, atStart, skip, ...rest }] of Object.entries(cases))
  t.test(name, { skip: unable || skip || false }, async (t) => {
    using box = sandbox(t)
    const bundle = box.bundle((config: Config) => ({
      ...config,
      ...rest,
      mounts: [...(mounts ?? []), ...(config.mounts ?? [])],
      process: { ...config.process, args: ['/bin/true'], ...process },
      linux: { ...config.linux, ...linux, resources: { ...config.linux?.resources, ...resources } }
    }))
    const before = box.snapshot()
    for (const make of atStart ? [run] : [run, create])
      await t.rejects(Promise.resolve<unknown>(make({ root: box.root(), id: box.id(), bundle })), { message }, make.name)
    t.same(await box.leftovers(before), [], 'nothing is left')
  })
