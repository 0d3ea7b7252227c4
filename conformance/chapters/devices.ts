/** config-linux.md: devices, default devices, default file systems, the list of allowed devices; runtime-linux.md: links in /dev. */
import { is, like, succeeds, unlike } from '../expect.ts'
import { controller, type Machine } from '../machine.ts'
import { acts, both, type Case, type Change, namespace, refusals, scene, section } from '../requirement.ts'
import { onTerminal } from '../terminal.ts'

const filesystems = section('config-linux.md#default-filesystems')
const devices = section('config-linux.md#devices')
const defaults = section('config-linux.md#default-devices')
const allowed = section('config-linux.md#allowed-device-list')
const links = section('runtime-linux.md#dev-symbolic-links')

/** A device that no runtime supplies by itself; nothing is read from it. */
const FUSE = { type: 'c', path: '/dev/fuse', major: 10, minor: 229 }
const LOOP = { type: 'b', path: '/dev/some-block', major: 7, minor: 0 }
const device = (...list: readonly Record<string, unknown>[]): Change => ({ linux: { devices: list } })
const kind = (path: string): string => `stat -c '%F %t:%T' ${path}`

const listed: readonly Case[] = [
  scene(device(FUSE), [[devices.must('a character device is available'), kind('/dev/fuse'), is('character special file a:e5')]]),
  scene(device(LOOP), [[devices.must('a block device is available'), kind('/dev/some-block'), is('block special file 7:0')]]),
  scene(device({ ...FUSE, type: 'u' }), [
    [devices.must('an unbuffered character device is available'), kind('/dev/fuse'), is('character special file a:e5')]
  ]),
  scene(device({ type: 'p', path: '/data/fifo' }), [[devices.must('a FIFO is available'), 'test -p /data/fifo', succeeds]]),
  scene(device({ ...FUSE, fileMode: 0o641, uid: 5, gid: 6 }), [
    [devices.must('fileMode is the mode of the device'), 'stat -c %a /dev/fuse', is('641')],
    [devices.must("uid is the device owner's in the container namespace"), 'stat -c %u /dev/fuse', is('5')],
    [devices.must("gid is the device group's in the container namespace"), 'stat -c %g /dev/fuse', is('6')]
  ]),
  scene(device({ ...FUSE, path: '/data/new/fuse' }), [
    [devices.must('path may be anywhere, outside of /dev, too'), kind('/data/new/fuse'), is('character special file a:e5')]
  ]),
  ...refusals(device(FUSE), [
    [devices.must('a file at path that is not the device is an error'), device({ ...FUSE, path: '/data/file' })],
    [devices.required('type: a device without it is not valid'), device({ ...FUSE, type: undefined })],
    [devices.required('path: a device without it is not valid'), device({ ...FUSE, path: undefined })],
    [devices.must('a path that is a number is an error'), device({ ...FUSE, path: 1 })],
    [devices.must('a major number that is a string is an error'), device({ ...FUSE, major: '10' })]
  ])
]

const NODES = [
  ['null', '1:3'],
  ['zero', '1:5'],
  ['full', '1:7'],
  ['random', '1:8'],
  ['urandom', '1:9'],
  ['tty', '5:0']
] as const

const supplied: readonly Case[] = [
  scene({}, [
    ...NODES.map(
      ([name, numbers]) =>
        [defaults.must(`/dev/${name} is supplied`), kind(`/dev/${name}`), is(`character special file ${numbers}`)] as const
    ),
    [defaults.must('/dev/null swallows what is written'), 'echo x > /dev/null && wc -c < /dev/null', is('0')],
    [defaults.must('/dev/zero gives zeroes'), 'head -c 4 /dev/zero | od -An -tx1 | xargs', is('00 00 00 00')],
    [
      defaults.must('/dev/full is full'),
      'echo x > /dev/full',
      (seen, status) => (status !== 0 ? like(/No space/)(seen, 0) : 'it was written')
    ],
    [defaults.must('/dev/random can be read'), 'head -c 4 /dev/random | wc -c', is('4')],
    [defaults.must('/dev/urandom can be read'), 'head -c 4 /dev/urandom | wc -c', is('4')],
    [
      defaults.must("/dev/ptmx is the container's /dev/pts/ptmx"),
      'stat -L -c %t:%T /dev/ptmx; stat -L -c %i:%d /dev/ptmx; stat -L -c %i:%d /dev/pts/ptmx',
      samePtmx
    ]
  ]),
  scene(both(namespace('user'), { linux: { uidMappings: ids(), gidMappings: ids() } }), [
    [defaults.must('/dev/null is supplied in a user namespace'), 'echo x > /dev/null', succeeds],
    [defaults.must('/dev/zero is supplied in a user namespace'), 'head -c 2 /dev/zero | wc -c', is('2')]
  ]),
  ...acts([
    [
      defaults.must('/dev/console is the terminal, when there is one'),
      (stage) => onTerminal(stage, {}, 'test $(stat -c %t:%T /dev/console) = $(stat -L -c %t:%T /proc/self/fd/2) && echo same', is('same'))
    ]
  ])
]

function ids(): readonly Record<string, number>[] {
  return [{ containerID: 0, hostID: 100_000, size: 65_536 }]
}

function samePtmx(seen: string): string | undefined {
  const [numbers, link, original] = seen.split('\n')
  return numbers === '5:2' && link === original && link !== undefined ? undefined : `saw ${JSON.stringify(seen)}`
}

const type = (path: string): string => `awk '$5 == "${path}" { sub(/.* - /, ""); print $1 }' /proc/self/mountinfo`

const standard: readonly Case[] = [
  scene({}, [
    [filesystems.should('/proc is available, of type proc'), type('/proc'), is('proc')],
    [filesystems.should('/sys is available, of type sysfs'), type('/sys'), is('sysfs')],
    [filesystems.should('/dev/pts is available, of type devpts'), type('/dev/pts'), is('devpts')],
    [filesystems.should('/dev/shm is available, of type tmpfs'), type('/dev/shm'), is('tmpfs')]
  ]),
  scene({}, [
    [links.must('/dev/fd is a link to /proc/self/fd'), 'readlink /dev/fd', is('/proc/self/fd')],
    [links.must('/dev/stdin is a link to /proc/self/fd/0'), 'readlink /dev/stdin', is('/proc/self/fd/0')],
    [links.must('/dev/stdout is a link to /proc/self/fd/1'), 'readlink /dev/stdout', is('/proc/self/fd/1')],
    [links.must('/dev/stderr is a link to /proc/self/fd/2'), 'readlink /dev/stderr', is('/proc/self/fd/2')]
  ])
]

/** A devices controller of cgroup v1; or cgroup v2, where programs of BPF decide. */
const CONTROL = (machine: Machine): string | undefined => (machine.cgroup === 'v2' ? undefined : controller('devices', 1)(machine))

const NONE = { allow: false, access: 'rwm' }
const entry = (allow: boolean, access: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => {
  return { allow, type: 'c', major: 10, minor: 229, access, ...more }
}
const list = (...entries: readonly Record<string, unknown>[]): Change =>
  both(device(FUSE, LOOP), { linux: { resources: { devices: entries } } })

/** Whether opening is permitted: that there is no such device is another matter. */
const READ = '(exec 3< /dev/fuse) 2>&1; echo tried'
const WRITE = '(exec 3> /dev/fuse) 2>&1; echo tried'
const READ_BLOCK = '(exec 3< /dev/some-block) 2>&1; echo tried'
const permitted = unlike(/not permitted/)
const forbidden = like(/not permitted/)

const rules: readonly Case[] = [
  scene(list(NONE), [
    [allowed.must('an entry that denies everything denies reading', CONTROL), READ, forbidden],
    [allowed.must('an entry that denies everything denies writing', CONTROL), WRITE, forbidden],
    [allowed.must('type b: an entry that denies everything denies block devices', CONTROL), READ_BLOCK, forbidden],
    [defaults.must('the default devices can be used though all others are denied', CONTROL), 'echo x > /dev/null', succeeds]
  ]),
  scene(list(NONE, entry(true, 'rw')), [
    [allowed.must('entries are applied in the listed order: what is allowed after it was denied can be read', CONTROL), READ, permitted],
    [allowed.must('access rw: writing is allowed', CONTROL), WRITE, permitted],
    [allowed.must('an entry is for its own type and numbers: others stay denied', CONTROL), READ_BLOCK, forbidden]
  ]),
  scene(list(entry(true, 'rw'), NONE), [
    [allowed.must('entries are applied in the listed order: what is denied after it was allowed cannot be read', CONTROL), READ, forbidden]
  ]),
  scene(list(NONE, entry(true, 'r')), [
    [allowed.must('access r: reading is allowed', CONTROL), READ, permitted],
    [allowed.must('access r: writing is not', CONTROL), WRITE, forbidden]
  ]),
  scene(list(NONE, entry(true, 'w')), [
    [allowed.must('access w: reading is not allowed', CONTROL), READ, forbidden],
    [allowed.must('access w: writing is', CONTROL), WRITE, permitted]
  ]),
  scene(list(NONE, entry(true, 'rw'), entry(false, 'w')), [
    [allowed.must('an entry that denies takes away its own access: reading is still allowed', CONTROL), READ, permitted],
    [allowed.must('an entry that denies takes away its own access: writing is not allowed any more', CONTROL), WRITE, forbidden]
  ]),
  scene(list(NONE, { allow: true, type: 'b', major: 7, access: 'r' }), [
    [allowed.must('an entry without minor is for all', CONTROL), READ_BLOCK, permitted]
  ]),
  scene(list(NONE, { allow: true, type: 'c', access: 'r' }), [
    [allowed.must('an entry without major and minor is for all of its type', CONTROL), READ, permitted],
    [allowed.must('an entry without major and minor is for its type alone', CONTROL), READ_BLOCK, forbidden]
  ]),
  scene(list(NONE, { allow: true, type: 'a', access: 'rwm' }), [
    [allowed.must('type a is all: character devices', CONTROL), READ, permitted],
    [allowed.must('type a is all: block devices', CONTROL), READ_BLOCK, permitted]
  ]),
  scene(list(NONE, { allow: true, access: 'rwm' }), [[allowed.must('an entry without type is for all', CONTROL), READ_BLOCK, permitted]]),
  ...refusals(list(NONE), [
    [allowed.required('allow: an entry without it is not valid', CONTROL), list({ type: 'c', access: 'r' })],
    [allowed.must('a type that does not exist is an error', CONTROL), list(NONE, { allow: true, type: 'x', access: 'r' })],
    [allowed.must('an access that does not exist is an error', CONTROL), list(NONE, entry(true, 'rx'))]
  ])
]

export const deviceCases: readonly Case[] = [...standard, ...listed, ...supplied, ...rules]
