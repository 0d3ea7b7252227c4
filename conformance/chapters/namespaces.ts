/** config-linux.md: namespaces, user namespace mappings, time offsets. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readlinkSync, statSync } from 'node:fs'
import { type Container, eventually, textOf } from '../container.ts'
import { host, is, isNot, like, succeeds } from '../expect.ts'
import { all, file, kernel } from '../machine.ts'
import {
  acts,
  both,
  type Case,
  type Change,
  type Need,
  namespace,
  refusals,
  scene,
  section,
  type Verdict,
  withoutNamespace
} from '../requirement.ts'
import type { Stage } from '../stage.ts'

const namespaces = section('config-linux.md#namespaces')
const mappings = section('config-linux.md#user-namespace-mappings')
const offsets = section('config-linux.md#offset-for-time-namespace')

/** A type of namespace: its file under /proc/PID/ns, unshare's option, and what it needs. */
interface Type {
  readonly type: string
  readonly file: string
  readonly unshare: string
  readonly needs?: Need
}

const TYPES: readonly Type[] = [
  { type: 'pid', file: 'pid', unshare: '--pid' },
  { type: 'network', file: 'net', unshare: '--net' },
  { type: 'mount', file: 'mnt', unshare: '--mount' },
  { type: 'ipc', file: 'ipc', unshare: '--ipc' },
  { type: 'uts', file: 'uts', unshare: '--uts' },
  { type: 'user', file: 'user', unshare: '--user' },
  { type: 'cgroup', file: 'cgroup', unshare: '--cgroup', needs: file('/proc/self/ns/cgroup', 'cgroup namespaces') },
  { type: 'time', file: 'time', unshare: '--time', needs: all(kernel('5.6'), file('/proc/self/ns/time', 'time namespaces')) }
]

const IDS = [{ containerID: 0, hostID: 100_000, size: 65_536 }]
const MAPPED: Change = { linux: { uidMappings: IDS, gidMappings: IDS } }
const fresh = (type: string): Change => (type === 'user' ? both(namespace('user'), MAPPED) : namespace(type))
const link = ({ file: name }: Type): string => `readlink /proc/self/ns/${name}`
const own =
  ({ file: name }: Type) =>
  (): string =>
    readlinkSync(`/proc/self/ns/${name}`)

const made: readonly Case[] = TYPES.map((each) =>
  scene(fresh(each.type), [
    [namespaces.must(`a new ${each.type} namespace is made when path is not specified`, each.needs), link(each), host(own(each), isNot)]
  ])
)

// Without a mount namespace the container would change the runtime's own mounts.
const inherited: readonly Case[] = TYPES.filter(({ type }) => type !== 'mount').map((each) =>
  scene(withoutNamespace(each.type), [
    [
      namespaces.must(`the container inherits the ${each.type} namespace of the runtime when the type is not specified`, each.needs),
      link(each),
      host(own(each), is)
    ]
  ])
)

/** A process with a namespace of its own, for a container to join. */
async function holder({ unshare, file: name }: Type): Promise<{ path: string; child: ChildProcess }> {
  const child = spawn('unshare', ['--fork', '--kill-child', unshare, 'sleep', '60'], { stdio: 'ignore' })
  const pid = (): string => textOf(`/proc/${child.pid}/task/${child.pid}/children`).split(' ')[0] ?? ''
  await eventually(() => pid() !== '' && readlinkSync(`/proc/${pid()}/ns/${name}`) !== readlinkSync(`/proc/self/ns/${name}`))
  return { path: `/proc/${pid()}/ns/${name}`, child }
}

async function joins(stage: Stage, type: Type): Promise<Verdict> {
  const { path, child } = await holder(type)
  try {
    using container = stage.container(namespace(type.type, { path }))
    const wanted = readlinkSync(path)
    const [seen] = await container.look([link(type)])
    return is(wanted)(seen!.output, 0)
  } finally {
    child.kill('SIGKILL')
  }
}

// The process that unshares a user namespace must have it mapped first, which is the runtime's part: only new ones are tried.
const joined: readonly Case[] = acts(
  TYPES.filter(({ type }) => type !== 'user').map((each) => [
    namespaces.must(`the container process is placed in the ${each.type} namespace of path`, each.needs),
    (stage) => joins(stage, each)
  ])
)

const other = (type: string): string => (type === 'uts' ? '/proc/self/ns/ipc' : '/proc/self/ns/uts')
const wrong: readonly Case[] = TYPES.flatMap(({ type, needs }) =>
  refusals(type === 'user' ? {} : fresh(type), [
    [namespaces.must(`a path that is not of type ${type} is an error`, needs), namespace(type, { path: other(type) })]
  ])
)

const refused: readonly Case[] = refusals({}, [
  [namespaces.must('two namespaces of the same type are an error'), (config) => void config.linux.namespaces.push({ type: 'uts' })],
  [namespaces.must('a path that is not absolute is an error'), namespace('uts', { path: 'proc/self/ns/uts' })],
  [namespaces.must('a path that does not exist is an error'), namespace('uts', { path: '/does/not/exist' })],
  [namespaces.must('a path that is no namespace is an error'), namespace('uts', { path: '/etc/hostname' })],
  [
    namespaces.required('type: a namespace without it is not valid'),
    (config) => void config.linux.namespaces.push({ path: '/proc/self/ns/uts' })
  ]
])

const isolated: readonly Case[] = [
  scene(both(namespace('cgroup'), { hostname: 'its-own', linux: { sysctl: { 'kernel.msgmax': '4321' } } }), [
    [namespaces.should('pid: processes see only those of the container'), 'ls /proc | grep -c "^[0-9]"', like(/^[1-6]$/)],
    [namespaces.should('pid: the process is the first of its namespace'), "sh -c 'echo $PPID' > /dev/null; echo $$", is('1')],
    [namespaces.should('network: the container has a network stack of its own'), 'ls /sys/class/net', is('lo')],
    [namespaces.should('mount: the container has a table of mounts of its own'), 'grep -c . /proc/self/mountinfo', like(/^[0-9]{1,2}$/)],
    [namespaces.should('uts: the container has a host name of its own'), 'hostname', is('its-own')],
    [namespaces.should('ipc: the container has System V IPC of its own'), 'cat /proc/sys/kernel/msgmax', is('4321')],
    [
      namespaces.should('cgroup: the container has a view of its own of the cgroups', file('/proc/self/ns/cgroup')),
      "grep -vc ':/$' /proc/self/cgroup",
      is('0')
    ]
  ])
]

const TWO = [
  { containerID: 0, hostID: 100_000, size: 1000 },
  { containerID: 1000, hostID: 300_000, size: 500 }
]
const map = (name: string): string => `awk '{ print $1, $2, $3 }' /proc/self/${name} | xargs`

const mapped: readonly Case[] = [
  scene(both(namespace('user'), { linux: { uidMappings: TWO, gidMappings: TWO } }), [
    [mappings.must('uidMappings are the mapping of uids of the user namespace'), map('uid_map'), is('0 100000 1000 1000 300000 500')],
    [mappings.must('gidMappings are the mapping of gids of the user namespace'), map('gid_map'), is('0 100000 1000 1000 300000 500')],
    [mappings.must('the process has the container id of process.user.uid'), 'id -u', is('0')],
    [
      mappings.must('on the host the created process has the mapped uid'),
      ({ proc }) => /^Uid:\s*(\d+)/m.exec(proc('status'))?.[1] ?? '',
      is('100000')
    ],
    [
      mappings.shouldNot('the runtime modifies the ownership of the root file system to realize the mapping'),
      ({ container }) => owner(container),
      is('0:0')
    ]
  ]),
  scene(both(namespace('user'), { linux: { uidMappings: TWO, gidMappings: TWO }, process: { user: { uid: 1001, gid: 1002 } } }), [
    [mappings.must('a second entry maps a second range: uid'), "awk '/^Uid:/ { print $2 }' /proc/self/status", is('1001')],
    [mappings.must('a second entry maps a second range: gid'), "awk '/^Gid:/ { print $2 }' /proc/self/status", is('1002')]
  ]),
  ...refusals(both(namespace('user'), MAPPED), [
    [mappings.must('mappings that the kernel refuses are an error: two that overlap'), { linux: { uidMappings: [...IDS, ...IDS] } }],
    [mappings.must('a uid that is not mapped is an error'), { process: { user: { uid: 70_000 } } }],
    [mappings.required('hostID: an entry without it is not valid'), { linux: { uidMappings: [{ containerID: 0, size: 10 }] } }],
    [mappings.required('size: an entry without it is not valid'), { linux: { gidMappings: [{ containerID: 0, hostID: 100_000 }] } }]
  ]),
  ...refusals({}, [[mappings.must('mappings that cannot be applied, because there is no user namespace, are an error'), MAPPED]])
]

function owner({ rootfs }: Container): string {
  const { uid, gid } = statSync(`${rootfs}/data/file`)
  return `${uid}:${gid}`
}

const TIME = TYPES[7]!.needs!
const timens = (clock: string): string => `awk '$1 == "${clock}" { print $2, $3 }' /proc/self/timens_offsets`
const withOffsets = (timeOffsets: Readonly<Record<string, unknown>>): Change => both(namespace('time'), { linux: { timeOffsets } })

const times: readonly Case[] = [
  scene(withOffsets({ monotonic: { secs: 172_800, nanosecs: 5 }, boottime: { secs: 604_800 } }), [
    [offsets.must('monotonic.secs is the offset of the clock in seconds', TIME), timens('monotonic'), like(/^172800 /)],
    [offsets.must('monotonic.nanosecs is the offset of the clock in nanoseconds', TIME), timens('monotonic'), like(/ 5$/)],
    [offsets.must('boottime.secs is the offset of the clock in seconds', TIME), timens('boottime'), like(/^604800 0$/)],
    [offsets.must('the clocks of the process have the offset', TIME), "awk '{ exit $1 < 604800 }' /proc/uptime", succeeds]
  ]),
  scene(withOffsets({ monotonic: { secs: -1 } }), [[offsets.must('secs may be negative', TIME), timens('monotonic'), is('-1 0')]]),
  ...refusals(withOffsets({ monotonic: { secs: 1 } }), [
    [offsets.must('an offset that the kernel refuses is an error', TIME), { linux: { timeOffsets: { boottime: { secs: -(2 ** 40) } } } }],
    [offsets.must('an offset that is a string is an error', TIME), { linux: { timeOffsets: { boottime: { secs: '1' } } } }],
    [offsets.must('an offset that cannot be applied, because there is no time namespace, is an error', TIME), withoutNamespace('time')]
  ])
]

export const namespaceCases: readonly Case[] = [...made, ...inherited, ...joined, ...wrong, ...refused, ...isolated, ...mapped, ...times]
