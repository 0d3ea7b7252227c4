/** config.md: mounts and their options. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { Container } from '../container.ts'
import { failsWith, is, like, succeeds, words } from '../expect.ts'
import { kernel } from '../machine.ts'
import { both, type Case, type Change, type Expectation, mounts, type Need, namespace, refusals, scene, section } from '../requirement.ts'

const mount = section('config.md#mounts')
const posix = section('config.md#posix-platform-mounts')
const option = section('config.md#linux-mount-options')

const tmpfs = (destination: string, ...options: readonly string[]): Record<string, unknown> => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options
})

/** Runs a command on the host: the suite's mount namespace is its own. */
function onHost(...command: readonly string[]): void {
  const [program = '', ...args] = command
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}

/**
 * A directory on the host with a file, and a tmpfs with a file below it; bound on /mnt.
 *
 * @param below options of the mount below
 */
const bound = (options: readonly string[], below: readonly string[] = [], source: (container: Container) => string = theSource): Change => {
  return (config, container) => {
    const path = container.path('source')
    mkdirSync(`${path}/sub`, { recursive: true })
    writeFileSync(`${path}/file`, 'bound\n')
    onHost('mount', '-t', 'tmpfs', ...(below.length > 0 ? ['-o', below.join(',')] : []), 'tmpfs', `${path}/sub`)
    config.mounts.push({ destination: '/mnt', type: 'none', source: source(container), options })
  }
}
const theSource = (container: Container): string => container.path('source')

/** Per-mount options, options of the file system, and propagation of the last mount on a path, as the container sees them. */
const attributes = (path: string): string => `awk '$5 == "${path}" { found = $6 } END { print found }' /proc/self/mountinfo`
const superOptions = (path: string): string => `awk '$5 == "${path}" { found = $NF } END { print found }' /proc/self/mountinfo`
const propagation = (path: string): string =>
  `awk '$5 == "${path}" { found = "on"; for (i = 7; $i != "-"; i++) found = found " " $i } END { print found }' /proc/self/mountinfo`

const places: readonly Case[] = [
  scene(mounts(tmpfs('/mnt'), tmpfs('/mnt/below')), [
    [mount.must('entries are mounted in the listed order: one below another'), 'mount | grep -c " /mnt"', is('2')],
    [mount.must('destination is the path of the mount point inside the container'), attributes('/mnt'), like(/^rw/)]
  ]),
  scene(mounts(tmpfs('/mnt', 'mode=700'), tmpfs('/mnt', 'mode=711')), [
    [mount.must('entries are mounted in the listed order: the last on a destination is on top'), 'stat -c %a /mnt', is('711')]
  ]),
  scene(mounts(tmpfs('there')), [[mount.must('a relative destination is taken as relative to "/"'), attributes('/there'), like(/^rw/)]]),
  scene(bound(['bind']), [
    [mount.must('a mount is a bind mount if it has bind in the options: the source is an absolute path'), 'cat /mnt/file', is('bound')],
    [option.must('bind does not bring the mounts below the source'), `${attributes('/mnt/sub')} | grep -c .`, is('0')]
  ]),
  scene(bound(['rbind']), [
    [mount.must('a mount is a bind mount if it has rbind in the options'), 'cat /mnt/file', is('bound')],
    [option.must('rbind brings the mounts below the source'), attributes('/mnt/sub'), like(/^rw/)]
  ]),
  scene(
    bound(['bind'], [], () => '../source'),
    [[mount.must('the source of a bind mount may be relative to the bundle'), 'cat /mnt/file', is('bound')]]
  ),
  scene(
    both(bound(['bind']), (config, container) => {
      config.mounts.push({ destination: '/data/file', type: 'none', source: container.path('source/file'), options: ['bind'] })
    }),
    [[mount.must('the source of a bind mount may be a file'), 'cat /data/file', is('bound')]]
  ),
  scene(
    both(bound(['bind']), (config) => {
      delete config.mounts.at(-1)?.type
    }),
    [[posix.must('the type of a bind mount is a dummy: it may be absent'), 'cat /mnt/file', is('bound')]]
  ),
  scene(
    both(bound(['bind']), (config) => {
      Object.assign(config.mounts.at(-1)!, { type: 'ext4' })
    }),
    [[posix.must('the type of a bind mount is a dummy: any name will do'), 'cat /mnt/file', is('bound')]]
  ),
  scene(mounts({ destination: '/mnt', type: 'proc', source: 'proc' }), [
    [posix.must('type is a file system of the kernel'), 'test -e /mnt/self/status', succeeds]
  ]),
  scene(mounts(tmpfs('/mnt', 'size=1m', 'mode=751')), [
    [option.should('unknown options are passed to the file system: mode'), 'stat -c %a /mnt', is('751')],
    [option.should('unknown options are passed to the file system: size'), superOptions('/mnt'), like(/size=1024k/)]
  ]),
  ...refusals(mounts(tmpfs('/mnt')), [
    [mount.required('destination: without it a mount is not valid'), mounts({ type: 'tmpfs', source: 'tmpfs' })],
    [
      mount.must('the source of a bind mount exists, or there is an error'),
      mounts({ destination: '/there', source: '/does/not/exist', options: ['bind'] })
    ],
    [
      option.should('unknown options are passed to the file system, which refuses what it does not know'),
      mounts(tmpfs('/there', 'nosuchoption'))
    ]
  ])
]

/** An option of a tmpfs on /mnt: the options of the mount, what is looked at, and what it must show. */
type OptionRow = readonly [name: string, options: readonly string[], look: 'mount' | 'super' | 'propagation', Expectation, Need?]

const mounted: Expectation = like(/^(rw|ro)/)
const has = (wanted: string): Expectation => words([wanted])
const lacks = (...unwanted: readonly string[]): Expectation => words([], unwanted)

const MUST_OPTIONS: readonly OptionRow[] = [
  ['async', ['sync', 'async'], 'super', lacks('sync')],
  ['sync', ['sync'], 'super', has('sync')],
  ['dirsync', ['dirsync'], 'super', has('dirsync')],
  ['atime', ['noatime', 'atime'], 'mount', lacks('noatime')],
  ['noatime', ['noatime'], 'mount', has('noatime')],
  ['diratime', ['nodiratime', 'diratime'], 'mount', lacks('nodiratime')],
  ['nodiratime', ['nodiratime'], 'mount', has('nodiratime')],
  ['relatime', ['relatime'], 'mount', has('relatime')],
  ['norelatime', ['norelatime'], 'mount', mounted],
  ['strictatime', ['strictatime'], 'mount', lacks('relatime', 'noatime')],
  ['nostrictatime', ['strictatime', 'nostrictatime'], 'mount', has('relatime')],
  ['defaults', ['defaults'], 'mount', has('rw')],
  ['dev', ['nodev', 'dev'], 'mount', lacks('nodev')],
  ['nodev', ['nodev'], 'mount', has('nodev')],
  ['exec', ['noexec', 'exec'], 'mount', lacks('noexec')],
  ['noexec', ['noexec'], 'mount', has('noexec')],
  ['suid', ['nosuid', 'suid'], 'mount', lacks('nosuid')],
  ['nosuid', ['nosuid'], 'mount', has('nosuid')],
  ['ro', ['ro'], 'mount', has('ro')],
  ['rw', ['ro', 'rw'], 'mount', has('rw')],
  ['iversion', ['iversion'], 'mount', mounted],
  ['noiversion', ['noiversion'], 'mount', mounted],
  ['lazytime', ['lazytime'], 'super', has('lazytime')],
  ['nolazytime', ['lazytime', 'nolazytime'], 'super', lacks('lazytime')],
  ['loud', ['loud'], 'mount', mounted],
  ['silent', ['silent'], 'mount', mounted]
]

const SHOULD_OPTIONS: readonly OptionRow[] = [
  ['nosymfollow', ['nosymfollow'], 'mount', has('nosymfollow'), kernel('5.10')],
  ['symfollow', ['nosymfollow', 'symfollow'], 'mount', lacks('nosymfollow'), kernel('5.10')]
]

const LOOKS = { mount: attributes, super: superOptions, propagation } as const

function optionCases(
  rows: readonly OptionRow[],
  level: 'must' | 'should',
  change: (options: readonly string[]) => Change
): readonly Case[] {
  return rows.map(([name, options, look, expect, needs]) =>
    scene(change(options), [[option[level](`${name} is implemented`, needs), LOOKS[look]('/mnt'), expect]])
  )
}

const PROPAGATION: readonly OptionRow[] = [
  ['private', ['bind', 'private'], 'propagation', is('on')],
  ['shared', ['bind', 'shared'], 'propagation', like(/shared:\d+/)],
  ['slave', ['bind', 'slave'], 'propagation', like(/master:\d+/)],
  ['unbindable', ['bind', 'unbindable'], 'propagation', like(/unbindable/)]
]

/** The same for the whole tree: looked at is the mount below. */
const RECURSIVE_PROPAGATION: readonly (readonly [string, Expectation])[] = [
  ['rprivate', is('on')],
  ['rshared', like(/shared:\d+/)],
  ['rslave', like(/master:\d+/)],
  ['runbindable', like(/unbindable/)]
]

/** A source whose mounts are shared on the host, so that each kind of propagation differs from what a mount has by itself. */
const shared = (options: readonly string[]): Change => {
  return both(bound(options), (_, container) => {
    const path = container.path('source')
    onHost('umount', `${path}/sub`)
    onHost('mount', '--bind', path, path)
    onHost('mount', '--make-shared', path)
    onHost('mount', '-t', 'tmpfs', 'tmpfs', `${path}/sub`)
    onHost('mount', '--make-shared', `${path}/sub`)
  })
}

const propagations: readonly Case[] = [
  ...optionCases(PROPAGATION, 'must', shared),
  ...RECURSIVE_PROPAGATION.map(([name, expect]) =>
    scene(shared(['rbind', name]), [[option.must(`${name} is implemented, for mounts below, too`), propagation('/mnt/sub'), expect]])
  )
]

/** A recursive option: what the mount below has on the host, and what it must have inside. */
const RECURSIVE: readonly (readonly [name: string, below: readonly string[], Expectation, Need?])[] = [
  ['rro', [], has('ro')],
  ['rrw', ['ro'], has('rw')],
  ['rnosuid', [], has('nosuid')],
  ['rsuid', ['nosuid'], lacks('nosuid')],
  ['rnodev', [], has('nodev')],
  ['rdev', ['nodev'], lacks('nodev')],
  ['rnoexec', [], has('noexec')],
  ['rexec', ['noexec'], lacks('noexec')],
  ['rnodiratime', [], has('nodiratime')],
  ['rdiratime', ['nodiratime'], lacks('nodiratime')],
  ['rnoatime', [], has('noatime')],
  ['ratime', ['noatime'], lacks('noatime')],
  ['rrelatime', ['noatime'], has('relatime')],
  ['rnorelatime', [], mounted],
  ['rstrictatime', [], lacks('relatime', 'noatime')],
  ['rnostrictatime', ['strictatime'], has('relatime')],
  ['rnosymfollow', [], has('nosymfollow'), kernel('5.14')],
  ['rsymfollow', ['nosymfollow'], lacks('nosymfollow'), kernel('5.14')]
]

const recursive: readonly Case[] = RECURSIVE.map(([name, below, expect, needs = kernel('5.12')]) =>
  scene(bound(['rbind', name], below), [
    [option.should(`${name} is implemented, for mounts below, too`, needs), attributes('/mnt/sub'), expect]
  ])
)

const remounts: readonly Case[] = [
  scene(mounts(tmpfs('/mnt'), { destination: '/mnt', type: 'tmpfs', source: 'tmpfs', options: ['remount', 'ro'] }), [
    [option.must('remount is implemented'), 'echo x > /mnt/file', failsWith(/Read-only/)]
  ]),
  scene(bound(['bind', 'ro']), [[option.must('ro is implemented for bind mounts'), 'echo x > /mnt/file', failsWith(/Read-only/)]]),
  scene(bound(['rbind', 'ro']), [
    [option.must('ro is not recursive: mounts below a bind mount can be written'), 'echo x > /mnt/sub/file', succeeds]
  ]),
  scene(mounts(tmpfs('/mnt', 'noexec')), [
    [option.must('noexec keeps programs from being run'), 'cp /bin/busybox /mnt/true && /mnt/true', failsWith(/Permission denied/)]
  ]),
  scene(mounts(tmpfs('/mnt', 'nodev')), [
    [option.must('nodev keeps devices from being opened'), 'mknod /mnt/null c 1 3 && : > /mnt/null', failsWith(/Permission denied/)]
  ])
]

const MAPPING = [{ containerID: 0, hostID: 100_000, size: 1000 }]
const CONTAINER_MAPPING = [{ containerID: 0, hostID: 200_000, size: 65_536 }]

/** A bind mount of a tmpfs (which can be mapped since Linux 6.3) with a file of root's, and one below it. */
const mapped = (more: Readonly<Record<string, unknown>>): Change => {
  return (config, container) => {
    const path = container.path('mapped')
    mkdirSync(path)
    onHost('mount', '-t', 'tmpfs', 'tmpfs', path)
    mkdirSync(`${path}/sub`)
    onHost('mount', '-t', 'tmpfs', 'tmpfs', `${path}/sub`)
    for (const name of ['file', 'sub/file']) writeFileSync(`${path}/${name}`, '')
    config.mounts.push({ destination: '/mnt', type: 'none', source: path, ...more })
  }
}
const BOTH = { uidMappings: MAPPING, gidMappings: MAPPING }
const TMPFS = kernel('6.3')
const IN_USER_NAMESPACE = both(namespace('user'), { linux: { uidMappings: CONTAINER_MAPPING, gidMappings: CONTAINER_MAPPING } })

const idmapped: readonly Case[] = [
  scene(mapped({ options: ['bind', 'idmap'], ...BOTH }), [
    [option.should('idmap: the uidMappings of the mount are applied', TMPFS), 'stat -c %u /mnt/file', is('100000')],
    [option.should('idmap: the gidMappings of the mount are applied', TMPFS), 'stat -c %g /mnt/file', is('100000')]
  ]),
  scene(mapped({ options: ['rbind', 'idmap'], ...BOTH }), [
    [option.should('idmap is not recursive', TMPFS), 'stat -c %u /mnt/file /mnt/sub/file | xargs', is('100000 0')]
  ]),
  scene(mapped({ options: ['rbind', 'ridmap'], ...BOTH }), [
    [option.should('ridmap is recursive', TMPFS), 'stat -c %u /mnt/file /mnt/sub/file | xargs', is('100000 100000')]
  ]),
  scene(mapped({ options: ['bind'], ...BOTH }), [
    [posix.should('uidMappings without idmap in the options are applied', TMPFS), 'stat -c %u /mnt/file', is('100000')]
  ]),
  scene(both(IN_USER_NAMESPACE, mapped({ options: ['bind', 'idmap'], uidMappings: CONTAINER_MAPPING, gidMappings: CONTAINER_MAPPING })), [
    [
      option.should("idmap with the mappings of the container's user namespace: root's file is root's", TMPFS),
      'stat -c %u:%g /mnt/file',
      is('0:0')
    ]
  ]),
  ...refusals(mapped({ options: ['bind'] }), [
    [
      option.must('idmap without mappings and without a user namespace is an error', TMPFS),
      (config) => void Object.assign(config.mounts.at(-1)!, { options: ['bind', 'idmap'] })
    ],
    [
      option.must('ridmap without mappings and without a user namespace is an error', TMPFS),
      (config) => void Object.assign(config.mounts.at(-1)!, { options: ['rbind', 'ridmap'] })
    ],
    [
      posix.must('uidMappings are specified along with gidMappings, or there is an error', TMPFS),
      (config) => void Object.assign(config.mounts.at(-1)!, { options: ['bind', 'idmap'], uidMappings: MAPPING })
    ],
    [
      posix.must('gidMappings are specified along with uidMappings, or there is an error', TMPFS),
      (config) => void Object.assign(config.mounts.at(-1)!, { options: ['bind', 'idmap'], gidMappings: MAPPING })
    ]
  ])
]

const onTmpfs = (options: readonly string[]): Change => mounts(tmpfs('/mnt', ...options))

export const mountCases: readonly Case[] = [
  ...places,
  ...optionCases(MUST_OPTIONS, 'must', onTmpfs),
  ...propagations,
  ...remounts,
  ...optionCases(SHOULD_OPTIONS, 'should', onTmpfs),
  ...recursive,
  ...idmapped
]
