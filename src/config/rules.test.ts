import t from 'tap'
import { TsrunError } from '../errors/error.ts'
import { checkConfig } from './load.ts'
import { configStrings } from './rules.strings.ts'
import { rules } from './rules.ts'
import { everything, minimal, rootless, usual } from './samples.ts'
import type { Config, IdMapping, Linux, Process, Resources } from './types.ts'

type Loose = Record<string, unknown>
const top = (fields: Loose): Config => ({ ...minimal, ...fields }) as Config
const process = (fields: Partial<Process>): Config => top({ process: { ...minimal.process, ...fields } })
const linux = (fields: Partial<Linux>): Config => top({ linux: { ...minimal.linux, ...fields } })
const resources = (fields: Partial<Resources>): Config => linux({ resources: fields })
const mount = (fields: Loose): Config => top({ mounts: [{ destination: '/x', type: 'tmpfs', source: 'tmpfs', ...fields }] })
const namespaces = (...types: string[]) => types.map((type) => ({ type })) as unknown as NonNullable<Linux['namespaces']>
const without = (key: keyof Config): Config =>
  Object.fromEntries(Object.entries(minimal).filter(([name]) => name !== key)) as unknown as Config
const map = (containerID: number, hostID: number, size: number): IdMapping => ({ containerID, hostID, size })
const userns = (uidMappings: readonly IdMapping[], gidMappings = uidMappings): Config =>
  linux({ namespaces: namespaces('mount', 'user'), uidMappings, gidMappings })

type Bad = readonly [config: Config, pointer: string, message: string | RegExp]
interface Case {
  readonly good: readonly Config[]
  readonly bad: readonly Bad[]
}

const cases: Readonly<Record<string, Case>> = {
  'oci-version': {
    good: ['1.0.0', '1.0.2-dev', '1.1.0-rc.1', '1.2.1+dev', '1.3.0'].map((ociVersion) => top({ ociVersion })),
    bad: ['0.2.0', '1.4.0', '2.0.0', '1.10.0'].map((ociVersion) => [
      top({ ociVersion }),
      '/ociVersion',
      `1.3, the versions of the spec that tsrun knows, not "${ociVersion}"`
    ])
  },
  'root-present': { good: [minimal], bad: [[without('root'), '/root', 'root must be specified']] },
  'root-path': { good: [top({ root: { path: '/abs' } })], bad: [[top({ root: { path: '' } }), '/root/path', 'must not be empty']] },
  'process-present': { good: [minimal], bad: [[without('process'), '/process', 'process property must not be empty']] },
  'uts-length': {
    good: [top({ hostname: 'h'.repeat(64), linux: { namespaces: namespaces('uts') } })],
    bad: [
      [top({ hostname: 'h'.repeat(65) }), '/hostname', '64 bytes'],
      [top({ domainname: 'ö'.repeat(33) }), '/domainname', '64 bytes']
    ]
  },
  'annotation-values': {
    good: [
      top({ annotations: { 'run.oci.hooks.stdout': '/var/log/x', 'run.oci.timens_offset': 'boottime 1 0\nmonotonic -5 999999999\n' } }),
      top({
        annotations: { 'run.oci.seccomp_bpf_data': 'BgAAAAAA/38=', 'run.oci.unknown': 'x', 'run.oci.mount_context_type': 'rootcontext' }
      })
    ],
    bad: [
      [top({ annotations: { 'run.oci.mount_context_type': 'x' } }), '/annotations/run.oci.mount_context_type', 'must be one of "context"'],
      [top({ annotations: { 'run.oci.hooks.stderr': 'x' } }), '/annotations/run.oci.hooks.stderr', 'must be an absolute path, not "x"'],
      [top({ annotations: { 'run.oci.timens_offset': 'boottime x 0' } }), '/annotations/run.oci.timens_offset', 'must be lines such as'],
      [top({ annotations: { 'run.oci.seccomp_bpf_data': 'AAAA' } }), '/annotations/run.oci.seccomp_bpf_data', 'struct sock_filter'],
      [top({ annotations: { 'run.oci.seccomp_bpf_data': '%' } }), '/annotations/run.oci.seccomp_bpf_data', 'struct sock_filter']
    ]
  },
  'annotation-keys': {
    good: [top({ annotations: { a: '' } })],
    bad: [[top({ annotations: { '': 'x' } }), '/annotations/', 'must not be empty']]
  },
  'hook-paths': {
    good: [top({ hooks: { poststop: [{ path: '/bin/true', timeout: 1 }] } })],
    bad: [
      [
        top({ hooks: { createContainer: [{ path: '/a' }, { path: 'b' }] } }),
        '/hooks/createContainer/1/path',
        'must be an absolute path, not "b"'
      ]
    ]
  },
  'mount-destinations': {
    good: [
      mount({ destination: '/proc', type: 'proc' }),
      mount({ destination: '/proc', type: 'bind', source: '/proc' }),
      mount({ destination: '/proc', type: 'none', source: '/proc', options: ['rbind'] }),
      mount({ destination: '/proc/cpuinfo', options: ['bind'] }),
      mount({ destination: '/proc/../procx' }),
      mount({ destination: 'relative' })
    ],
    bad: [
      [mount({ destination: '/' }), '/mounts/0/destination', 'is on the top of rootfs'],
      [mount({ destination: '' }), '/mounts/0/destination', 'is on the top of rootfs'],
      [mount({ destination: '/a/./..//' }), '/mounts/0/destination', 'is on the top of rootfs'],
      [mount({ destination: '/proc/' }), '/mounts/0/destination', 'not of type proc'],
      [mount({ destination: '/proc/sys' }), '/mounts/0/destination', 'cannot be mounted because it is inside /proc'],
      [mount({ destination: 'dev/..//proc/self' }), '/mounts/0/destination', 'inside /proc']
    ]
  },
  'mount-sources': {
    good: [mount({ options: ['remount', 'ro'], type: '' }), mount({ type: 'bind', source: 'here' })],
    bad: [
      [mount({ type: '' }), '/mounts/0/type', 'unless the options have "bind"'],
      [mount({ options: ['rbind'], source: '' }), '/mounts/0/source', 'must be given for a bind mount']
    ]
  },
  'mount-data': {
    good: [
      mount({ type: 'overlay', options: [`lowerdir=${'x'.repeat(4086)}`] }),
      mount({ type: 'tmpfs', options: Array.from({ length: 1000 }, () => 'size=1m') })
    ],
    bad: [
      [
        mount({ type: 'overlay', options: [`lowerdir=${'x'.repeat(4087)}`] }),
        '/mounts/0/options',
        'at most 4095 bytes for the file system, not 4096'
      ],
      [
        mount({ type: 'overlay', options: ['ro', `lowerdir=${'x'.repeat(3000)}`, `upperdir=${'x'.repeat(3000)}`] }),
        '/mounts/0/options',
        'not 6019'
      ]
    ]
  },
  'mount-mappings': {
    good: [
      mount({ options: ['bind'], uidMappings: [map(0, 1, 1)], gidMappings: [map(0, 1, 1)] }),
      mount({ uidMappings: [], gidMappings: [] })
    ],
    bad: [
      [mount({ options: ['bind'], uidMappings: [map(0, 1, 1)] }), '/mounts/0/gidMappings', 'must be given when uidMappings is'],
      [mount({ options: ['bind'], gidMappings: [map(0, 1, 1)] }), '/mounts/0/uidMappings', 'must be given when gidMappings is'],
      [mount({ uidMappings: [map(0, 1, 1)], gidMappings: [map(0, 1, 1)] }), '/mounts/0/uidMappings', 'no bind mount']
    ]
  },
  devices: {
    good: [linux({ devices: [{ type: 'p', path: '/fifo', fileMode: 0o10644 }] })],
    bad: [
      [linux({ devices: [{ type: 'p', path: '/fifo', fileMode: 65536 }] }), '/linux/devices/0/fileMode', 'at most 65535'],
      [linux({ devices: [{ type: 'p', path: 'fifo' }] }), '/linux/devices/0/path', 'absolute'],
      [linux({ devices: [{ type: 'c', path: '/c', major: 1 }] }), '/linux/devices/0/minor', 'must be given for a device of type "c"']
    ]
  },
  'process-args': {
    good: [process({ args: [''] })],
    bad: [
      [process({ args: [] }), '/process/args', 'args must not be empty'],
      [top({ process: { cwd: '/' } }), '/process/args', 'args must not be empty']
    ]
  },
  'process-cwd': { good: [minimal], bad: [[process({ cwd: 'tmp' }), '/process/cwd', 'Cwd must be an absolute path, not "tmp"']] },
  'process-env': {
    good: [process({ env: ['A=', 'A=b=c'] })],
    bad: [
      [process({ env: ['A=1', 'B'] }), '/process/env/1', "invalid environment variable: missing '='"],
      [process({ env: ['=x'] }), '/process/env/0', 'name cannot be empty']
    ]
  },
  groups: {
    good: [process({ user: { additionalGids: [1] } })],
    bad: [[process({ user: { additionalGids: new Array(65537).fill(1) } }), '/process/user/additionalGids', 'at most 65536']]
  },
  'rlimit-duplicates': {
    good: [process({ rlimits: [{ type: 'RLIMIT_AS', soft: 1, hard: 1 }] })],
    bad: [
      [
        process({ rlimits: (['RLIMIT_AS', 'RLIMIT_CPU', 'RLIMIT_AS'] as const).map((type) => ({ type, soft: 1, hard: 1 })) }),
        '/process/rlimits/2/type',
        'must not repeat "RLIMIT_AS", which entry 0 limits'
      ]
    ]
  },
  'rlimit-order': {
    good: [process({ rlimits: [{ type: 'RLIMIT_AS', soft: 18446744073709551614n, hard: 18446744073709551615n }] })],
    bad: [
      [
        process({ rlimits: [{ type: 'RLIMIT_AS', soft: 18446744073709551615n, hard: 18446744073709551614n }] }),
        '/process/rlimits/0/soft',
        'must not exceed'
      ]
    ]
  },
  'effective-capabilities': {
    good: [process({ capabilities: { effective: ['CAP_KILL', 'CAP_FLY'], permitted: ['CAP_CHOWN', 'CAP_KILL'] } })],
    bad: [
      [process({ capabilities: { effective: ['CAP_KILL'] } }), '/process/capabilities/effective/0', '"CAP_KILL" must be in "permitted"']
    ]
  },
  scheduler: {
    good: [
      process({ scheduler: { policy: 'SCHED_BATCH', nice: 5 } }),
      process({ scheduler: { policy: 'SCHED_FIFO', priority: 99 } }),
      process({ scheduler: { policy: 'SCHED_DEADLINE', runtime: 1, deadline: 2, period: 2 } })
    ],
    bad: [
      [process({ scheduler: { policy: 'SCHED_IDLE', nice: 5 } }), '/process/scheduler/nice', 'SCHED_BATCH'],
      [process({ scheduler: { policy: 'SCHED_OTHER', priority: 1 } }), '/process/scheduler/priority', 'SCHED_FIFO'],
      [process({ scheduler: { policy: 'SCHED_RR' } }), '/process/scheduler/priority', 'from 1 to 99'],
      [process({ scheduler: { policy: 'SCHED_OTHER', deadline: 1 } }), '/process/scheduler/deadline', 'SCHED_DEADLINE'],
      [process({ scheduler: { policy: 'SCHED_DEADLINE', runtime: 3, deadline: 2 } }), '/process/scheduler/runtime', 'runtime <= deadline']
    ]
  },
  'namespace-duplicates': {
    good: [linux({ namespaces: namespaces('pid', 'user', 'mount'), uidMappings: [map(0, 0, 1)], gidMappings: [map(0, 0, 1)] })],
    bad: [[linux({ namespaces: namespaces('pid', 'uts', 'pid') }), '/linux/namespaces/2/type', 'duplicated ns "pid"']]
  },
  'namespace-paths': {
    good: [
      linux({
        namespaces: [
          { type: 'network', path: '/run/netns/a' },
          { type: 'pid', path: '' }
        ]
      })
    ],
    bad: [[linux({ namespaces: [{ type: 'network', path: 'a' }] }), '/linux/namespaces/0/path', 'absolute']]
  },
  'uts-names': {
    good: [top({ hostname: 'a', linux: { namespaces: namespaces('uts') } }), top({ hostname: '' })],
    bad: [
      [top({ hostname: 'a' }), '/hostname', 'unable to set hostname without a private UTS namespace'],
      [
        top({ domainname: 'a', linux: { namespaces: [{ type: 'uts', path: '/proc/1/ns/uts' }] } }),
        '/domainname',
        'unable to set domainname'
      ]
    ]
  },
  'restricted-paths': {
    good: [linux({ maskedPaths: ['/a', '/..a', '/...'], readonlyPaths: ['/b', '/'] })],
    bad: [
      [linux({ maskedPaths: ['/'] }), '/linux/maskedPaths/0', 'must not be the root file system'],
      [linux({ maskedPaths: ['/a', '/.//../.'] }), '/linux/maskedPaths/1', 'must not be the root file system'],
      [linux({ maskedPaths: ['/a', 'b'] }), '/linux/maskedPaths/1', 'absolute'],
      [linux({ readonlyPaths: [''] }), '/linux/readonlyPaths/0', 'absolute']
    ]
  },
  'restricted-paths-namespace': {
    good: [linux({ namespaces: [], maskedPaths: [] })],
    bad: [
      [
        linux({ namespaces: [], maskedPaths: ['/a'] }),
        '/linux/maskedPaths',
        'unable to restrict sys entries without a private MNT namespace'
      ],
      [linux({ namespaces: [{ type: 'mount', path: '/m' }], readonlyPaths: ['/a'] }), '/linux/readonlyPaths', 'unable to restrict']
    ]
  },
  'time-offsets': {
    good: [linux({ namespaces: namespaces('time'), timeOffsets: { boottime: { secs: 1 } } }), linux({ timeOffsets: {} })],
    bad: [
      [linux({ timeOffsets: { boottime: { secs: 1 } } }), '/linux/timeOffsets', "time namespace isn't enabled"],
      [
        linux({ namespaces: [{ type: 'time', path: '/t' }], timeOffsets: { monotonic: {} } }),
        '/linux/timeOffsets',
        'both namespace path and time offsets'
      ]
    ]
  },
  sysctl: {
    good: [
      linux({ namespaces: namespaces('network'), sysctl: { 'net.ipv4.ip_forward': '1', 'net/ipv4/conf/eth0.1/forwarding': '1' } }),
      linux({ namespaces: namespaces('ipc'), sysctl: { 'kernel.shmmax': '1', 'fs.mqueue.msg_max': '1' } }),
      linux({ namespaces: namespaces('uts'), sysctl: { 'kernel.domainname': 'x' } }),
      linux({ namespaces: [{ type: 'network', path: '/run/netns/a' }], sysctl: { 'net.core.somaxconn': '1' } })
    ],
    bad: [
      [
        linux({ sysctl: { 'net.ipv4.ip_forward': '1' } }),
        '/linux/sysctl/net.ipv4.ip_forward',
        /not in a separate kernel namespace.*network/
      ],
      [
        linux({ namespaces: namespaces('ipc', 'network', 'uts', 'pid'), sysctl: { 'kernel.pid_max': '1' } }),
        '/linux/sysctl/kernel.pid_max',
        'is not in a separate'
      ],
      [
        linux({ namespaces: namespaces('ipc'), sysctl: { 'kernel/shmmax.x': '1' } }),
        '/linux/sysctl/kernel~1shmmax.x',
        'is not in a separate'
      ],
      [
        linux({ namespaces: namespaces('uts'), sysctl: { 'kernel.hostname': 'x' } }),
        '/linux/sysctl/kernel.hostname',
        'conflicts with the OCI "hostname" field'
      ],
      [
        linux({ namespaces: namespaces('network'), sysctl: { 'net/../kernel/core_pattern': 'x' } }),
        '/linux/sysctl/net~1..~1kernel~1core_pattern',
        'is not the name'
      ],
      [linux({ namespaces: namespaces('network'), sysctl: { 'net..x': 'x' } }), '/linux/sysctl/net..x', 'is not the name'],
      [
        linux({ namespaces: [{ type: 'network', path: '/proc/1/ns/net' }], sysctl: { 'net.x': '1' } }),
        '/linux/sysctl/net.x',
        'is not in a separate'
      ],
      [linux({ sysctl: { 'user.max_user_namespaces': '1' } }), '/linux/sysctl/user.max_user_namespaces', 'is not in a separate']
    ]
  },
  'net-devices': {
    good: [linux({ namespaces: namespaces('network'), netDevices: { eth0: {}, eth1: { name: 'a%d' }, eth2: { name: 'a%d' } } })],
    bad: [
      [linux({ netDevices: { eth0: {} } }), '/linux/netDevices', 'without a NET namespace'],
      [
        linux({ namespaces: namespaces('network'), netDevices: { eth0: { name: 'sixteen-letters!' } } }),
        '/linux/netDevices/eth0/name',
        'invalid network device name'
      ],
      [linux({ namespaces: namespaces('network'), netDevices: { 'a/b': {} } }), '/linux/netDevices/a~1b', 'invalid network device name'],
      [
        linux({ namespaces: namespaces('network'), netDevices: { eth0: {}, eth1: { name: 'eth0' } } }),
        '/linux/netDevices/eth1',
        'of another device'
      ]
    ]
  },
  'user-namespace-mappings': {
    good: [userns([map(0, 1000, 1)]), linux({ namespaces: [{ type: 'user', path: '/u' }] })],
    bad: [
      [
        linux({ namespaces: namespaces('mount', 'user') }),
        '/linux/namespaces/1',
        'user namespaces enabled, but no namespace path to join nor mappings'
      ],
      [linux({ uidMappings: [map(0, 0, 1)] }), '/linux/uidMappings', "user namespace mappings specified, but user namespace isn't enabled"],
      [userns([map(0, 0, 1)], []), '/linux/gidMappings', 'must be given when uidMappings is']
    ]
  },
  'mapping-ranges': {
    good: [userns([map(0, 0, 4294967295)]), userns([map(0, 1000, 1), map(1, 100000, 65536)])],
    bad: [
      [userns([map(0, 0, 0)], [map(0, 0, 1)]), '/linux/uidMappings/0/size', 'at least 1'],
      [userns([map(1, 0, 4294967295)], [map(0, 0, 1)]), '/linux/uidMappings/0/size', 'at most 4294967294'],
      [userns([map(0, 4294967294, 2)], [map(0, 0, 1)]), '/linux/uidMappings/0/size', 'because hostID is 4294967294'],
      [userns([map(5, 0, 10), map(0, 100, 6)], [map(0, 0, 1)]), '/linux/uidMappings/0/containerID', 'must not overlap with entry 1'],
      [userns([map(0, 0, 10)], [map(0, 0, 10), map(10, 9, 1)]), '/linux/gidMappings/1/hostID', 'must not overlap with entry 0'],
      [
        userns(
          Array.from({ length: 341 }, (_, i) => map(i, i, 1)),
          [map(0, 0, 1)]
        ),
        '/linux/uidMappings',
        'at most 340 entries'
      ],
      [mount({ options: ['bind'], uidMappings: [map(0, 0, 0)], gidMappings: [map(0, 0, 1)] }), '/mounts/0/uidMappings/0/size', 'at least 1']
    ]
  },
  'mapped-user': {
    good: [userns([map(0, 1000, 1)])],
    bad: [
      [
        { ...process({ user: { uid: 1, gid: 0 } }), linux: userns([map(0, 9, 1)]).linux! },
        '/process/user/uid',
        '1 is not mapped by linux.uidMappings'
      ],
      [
        { ...process({ user: { gid: 5, additionalGids: [0, 7] } }), linux: userns([map(0, 9, 6)]).linux! },
        '/process/user/additionalGids/1',
        '7 is not mapped'
      ]
    ]
  },
  'cgroups-path': {
    good: [linux({ cgroupsPath: '/a/b' }), linux({ cgroupsPath: 'system.slice:runc:id' })],
    bad: [[linux({ cgroupsPath: '/a/../../b' }), '/linux/cgroupsPath', 'must not contain ".."']]
  },
  memory: {
    good: [
      resources({ memory: { limit: -1, swap: -1, swappiness: 18446744073709551615n } }),
      resources({ memory: { limit: 10, swap: 10, swappiness: 100 } })
    ],
    bad: [
      [resources({ memory: { reservation: -2 } }), '/linux/resources/memory/reservation', 'must be -1 (unlimited)'],
      [resources({ memory: { swap: 5 } }), '/linux/resources/memory/swap', 'unable to set swap limit without memory limit'],
      [
        resources({ memory: { limit: 9223372036854775807n, swap: 5 } }),
        '/linux/resources/memory/swap',
        'memory+swap limit should be >= memory limit'
      ],
      [resources({ memory: { swappiness: 101 } }), '/linux/resources/memory/swappiness', 'from 0 to 100']
    ]
  },
  cpu: {
    good: [resources({ cpu: { period: 0, quota: -1, burst: 5 } }), resources({ cpu: { period: 100000, quota: 50000, burst: 50000 } })],
    bad: [
      [resources({ cpu: { period: 999 } }), '/linux/resources/cpu/period', 'from 1000 to 1000000'],
      [resources({ cpu: { quota: 1 } }), '/linux/resources/cpu/quota', 'at least 1000'],
      [resources({ cpu: { quota: 1000, burst: 1001 } }), '/linux/resources/cpu/burst', 'must not be larger than the quota']
    ]
  },
  'block-io': {
    good: [resources({ blockIO: { weight: 0, leafWeight: 1000, weightDevice: [{ major: 8, minor: 0, weight: 10 }] } })],
    bad: [
      [resources({ blockIO: { weight: 9 } }), '/linux/resources/blockIO/weight', 'from 10 to 1000'],
      [
        resources({ blockIO: { weightDevice: [{ major: 8, minor: 0, leafWeight: 1001 }] } }),
        '/linux/resources/blockIO/weightDevice/0/leafWeight',
        'from 10 to 1000'
      ],
      [
        resources({ blockIO: { weightDevice: [{ major: 8, minor: 0 }] } }),
        '/linux/resources/blockIO/weightDevice/0',
        'must have "weight" or "leafWeight"'
      ]
    ]
  },
  'hugepage-duplicates': {
    good: [resources({ hugepageLimits: [{ pageSize: '2MB', limit: 1 }] })],
    bad: [
      [
        resources({ hugepageLimits: ['2MB', '1GB', '2MB'].map((pageSize) => ({ pageSize, limit: 1 })) }),
        '/linux/resources/hugepageLimits/2/pageSize',
        'must not repeat "2MB"'
      ]
    ]
  },
  rdma: {
    good: [resources({ rdma: { a: { hcaHandles: 0 } } })],
    bad: [[resources({ rdma: { 'a/b': {} } }), '/linux/resources/rdma/a~1b', 'must have']]
  },
  unified: {
    good: [resources({ unified: { 'memory.high': 'max' } })],
    bad: ['../x', '..', ''].map((key) => [
      resources({ unified: { [key]: '1' } }),
      `/linux/resources/unified/${key.replace('/', '~1')}`,
      'must be a file name'
    ])
  },
  'intel-rdt': {
    good: [linux({ intelRdt: { closID: '/' } })],
    bad: [
      [linux({ intelRdt: { closID: '..' } }), '/linux/intelRdt/closID', 'name of a directory'],
      [linux({ intelRdt: { memBwSchema: 'L3:0=1' } }), '/linux/intelRdt/memBwSchema', 'must start with "MB:"'],
      [linux({ intelRdt: { schemata: ['L3:0=1\nMB:0=1'] } }), '/linux/intelRdt/schemata/0', 'one line']
    ]
  },
  'memory-policy': {
    good: [linux({ memoryPolicy: { mode: 'MPOL_PREFERRED' } })],
    bad: [
      [linux({ memoryPolicy: { mode: 'MPOL_BIND' } }), '/linux/memoryPolicy/nodes', 'must be given with MPOL_BIND'],
      [linux({ memoryPolicy: { mode: 'MPOL_LOCAL', nodes: '0' } }), '/linux/memoryPolicy/nodes', 'must be empty'],
      [
        linux({ memoryPolicy: { mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_STATIC_NODES', 'MPOL_F_RELATIVE_NODES'] } }),
        '/linux/memoryPolicy/flags',
        'must not have both'
      ]
    ]
  },
  'seccomp-errno': {
    good: [linux({ seccomp: { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38 } })],
    bad: [
      [linux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', defaultErrnoRet: 1 } }), '/linux/seccomp/defaultErrnoRet', 'has no errno'],
      [
        linux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['read'], action: 'SCMP_ACT_KILL', errnoRet: 1 }] } }),
        '/linux/seccomp/syscalls/0/errnoRet',
        'has no errno'
      ]
    ]
  },
  'seccomp-notify': {
    good: [
      linux({
        seccomp: {
          defaultAction: 'SCMP_ACT_ALLOW',
          listenerPath: '/l',
          listenerMetadata: 'm',
          syscalls: [{ names: ['mknod'], action: 'SCMP_ACT_NOTIFY' }]
        }
      })
    ],
    bad: [
      [
        linux({ seccomp: { defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/l' } }),
        '/linux/seccomp/defaultAction',
        'must not be SCMP_ACT_NOTIFY'
      ],
      [
        linux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerMetadata: 'm' } }),
        '/linux/seccomp/listenerMetadata',
        'without listenerPath'
      ],
      [
        linux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mknod'], action: 'SCMP_ACT_NOTIFY' }] } }),
        '/linux/seccomp/listenerPath',
        'must be given'
      ],
      [
        linux({
          seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/l', syscalls: [{ names: ['write'], action: 'SCMP_ACT_NOTIFY' }] }
        }),
        '/linux/seccomp/syscalls/0/names',
        'must not have "write"'
      ]
    ]
  },
  strings: {
    good: [process({ args: ['ünïcode 🐧'] }), top({ annotations: { a: 'b\0c' } })],
    bad: [
      [process({ args: ['sh', 'a\0b'] }), '/process/args/1', 'must not contain a NUL byte'],
      [process({ env: ['A=b\0'] }), '/process/env/0', 'contain a NUL byte'],
      [linux({ maskedPaths: ['/\ud800'] }), '/linux/maskedPaths/0', 'half of a surrogate pair'],
      [
        linux({ namespaces: namespaces('network'), sysctl: { 'net.a\0b': '1' } }),
        '/linux/sysctl/net.a\0b',
        'the name must not contain a NUL byte'
      ]
    ]
  }
}

/** The problems that a config is refused for; none when it is accepted, or refused only because this version cannot do it. */
const problemsOf = (config: Config) => {
  try {
    checkConfig(config)
    return []
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error
    return error.code === 'unsupported' ? [] : (error.problems ?? [])
  }
}

for (const rule of [...rules, configStrings]) {
  t.test(rule.name, async (t) => {
    const { good, bad } = cases[rule.name] ?? { good: [], bad: [] }
    t.ok(good.length > 0 && bad.length > 0, 'is tested both ways')
    t.ok(rule.why !== '')
    for (const config of good) t.strictSame(rule.check(config), [])
    for (const config of good) t.strictSame(problemsOf(config), [], 'a good config is accepted as a whole')
    for (const [config, pointer, message] of bad) {
      t.match(rule.check(config), [{ pointer, message }], `${pointer} ${message}`)
      t.ok(
        problemsOf(config).some((problem) => problem.pointer === pointer),
        'the config is refused as a whole'
      )
    }
  })
}

t.test('every case belongs to a rule', async (t) => {
  t.strictSame(Object.keys(cases).sort(), [...rules, configStrings].map(({ name }) => name).sort())
})

t.test('the samples break no rule', async (t) => {
  for (const config of [minimal, usual, rootless, everything]) {
    for (const rule of [...rules, configStrings]) t.strictSame(rule.check(config), [], rule.name)
  }
})
