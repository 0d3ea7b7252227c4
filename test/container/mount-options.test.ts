/** Every mount option, alone and in company, as the kernel shows it to the container and beside what other runtimes make of it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Mount } from '../../src/config/types.ts'
import { mountOptionNames } from '../../src/plan/mount-options.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'
import { user } from '../user.ts'

/** Those that have tests of their own, or stand for no state of a mount. */
const ELSEWHERE = new Set(['idmap', 'ridmap', 'tmpcopyup', 'copy-symlink', 'src-nofollow', 'dest-nofollow', 'remount', 'bind', 'rbind'])
/** Mandatory locks are gone since Linux 5.15, and the kernel refuses them. */
const GONE = new Set(['mand'])
const names = mountOptionNames().filter((name) => !ELSEWHERE.has(name) && !GONE.has(name))

/** Pairs where the later one counts, or both do. */
const PAIRS: readonly (readonly string[])[] = [
  ['ro', 'rw'],
  ['rw', 'ro'],
  ['nosuid', 'suid'],
  ['noexec', 'nodev', 'nosuid', 'ro'],
  ['noatime', 'relatime'],
  ['noatime', 'strictatime'],
  ['strictatime', 'nostrictatime'],
  ['noatime', 'nodiratime'],
  ['relatime', 'norelatime'],
  ['rro', 'rw'],
  ['rnoexec', 'exec'],
  ['private', 'shared'],
  ['sync', 'async'],
  ['defaults', 'ro']
]

const lists = [...names.map((name) => [name]), ...PAIRS]

/** By mount point: options, propagation, those of the file system. */
type Table = ReadonlyMap<string, string>

function seenBy(runtime: 'tsrun' | 'runc' | 'crun', box: Sandbox, mounts: readonly Mount[]): { table: Table; stderr: string } {
  const bundle = box.bundle((config) => ({
    ...config,
    root: { path: 'rootfs', readonly: false },
    process: { ...config.process, args: ['/bin/cat', '/proc/self/mountinfo'] },
    mounts: [...config.mounts!, ...mounts]
  }))
  const { stdout, stderr } = box[runtime]('run', '--bundle', bundle, box.id())
  const rows = stdout.split('\n').map((line) => line.split(' '))
  const own = rows.filter(([, , , , point = '']) => /^\/[bf]\//.test(point))
  return {
    stderr,
    table: new Map(
      own.map(([, , , , point = '', options, ...rest]) => {
        const dash = rest.indexOf('-')
        return [point, [options, rest.slice(0, dash).join(' ').replaceAll(/\d+/g, 'N'), rest[dash + 3]].join(' | ')]
      })
    )
  }
}

const nameOf = (list: readonly string[]): string => list.join('+')

function mountsOf(box: Sandbox, all: readonly (readonly string[])[]): Mount[] {
  const source = join(box.directory, 'source')
  mkdirSync(source, { recursive: true })
  return all.flatMap((list) => [
    ...(user && list.some(isLocked) ? [] : [{ destination: `/b/${nameOf(list)}`, type: 'bind', source, options: ['bind', ...list] }]),
    { destination: `/f/${nameOf(list)}`, type: 'tmpfs', source: 'tmpfs', options: ['mode=755', ...list] }
  ])
}

/**
 * In a user namespace the access times of what is bound are those of its source (mount_namespaces(7)): the option alone is then a warning, and with
 * all that is mounted below an error.
 */
const isLocked = (name: string): boolean => /^r?(no|strict|nodir|norel)atime$|^r?nodiratime$/.test(name)
const kindsOf = (list: readonly string[]): readonly string[] => (user && list.some(isLocked) ? ['f'] : ['b', 'f'])

/** What a runtime does not know it gives to the file system, which refuses it. */
const UNKNOWN: Readonly<Record<'runc' | 'crun', RegExp>> = {
  runc: /^defaults$|^r(no)?(dir|rel|strict)?atime$/,
  crun: /^r(no)?(dir|rel|strict)?atime$|^(no)?(acl|iversion|lazytime|r?symfollow|mand)$|^r?symfollow$|^r?nosymfollow$|^silent$|^loud$/
}
/** Together the runtime cannot do them. */
const REFUSED: Readonly<Record<'runc' | 'crun', readonly string[]>> = { runc: [], crun: ['private+shared'] }
const isKnown = (runtime: 'runc' | 'crun', name: string): boolean => !UNKNOWN[runtime].test(name)

/** Where another runtime shows something else, and why. */
const DIFFERENT: readonly (readonly [point: RegExp, runtimes: readonly string[], because: string])[] = [
  [/^\/f\/r(ro|no(dev|exec|suid|symfollow))(\+|$)/, ['runc'], 'it heeds recursive options of bind mounts only'],
  [/^\/[bf]\/r?(shared|unbindable)$/, ['crun'], 'crun 1.8 makes every mount private in the end'],
  [
    /^\/b\/(ro\+rw|nosuid\+suid|strictatime\+.*)$|^\/f\/(ro\+rw|nosuid\+suid|strictatime\+.*|sync\+async)$/,
    ['crun'],
    'crun 1.8 takes no option back'
  ],
  [/noatime\+relatime$/, ['runc', 'crun'], 'it gives both to the kernel, for which noatime is the stronger; here the later one counts']
]

t.test('every option is accepted, and does what its name says', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { table, stderr } = seenBy('tsrun', box, mountsOf(box, lists))
  t.equal(stderr, '')
  for (const list of lists) for (const kind of kindsOf(list)) t.ok(table.has(`/${kind}/${nameOf(list)}`), `/${kind}/${nameOf(list)}`)
  const shows = (point: string, expected: RegExp): void => void t.match(table.get(point), expected, point)
  for (const [name, flag] of [
    ['ro', 'ro'],
    ['nosuid', 'nosuid'],
    ['nodev', 'nodev'],
    ['noexec', 'noexec'],
    ['noatime', 'noatime'],
    ['nodiratime', 'nodiratime'],
    ['nosymfollow', 'nosymfollow']
  ] as const)
    for (const prefix of ['', 'r'])
      for (const kind of kindsOf([name])) shows(`/${kind}/${prefix}${name}`, new RegExp(`^([^ ]*,)?${flag}[, ]`))
  shows('/f/strictatime', /^rw \|/)
  shows('/f/relatime', /^rw,relatime \|/)
  for (const name of ['shared', 'rshared']) shows(`/b/${name}`, /\| shared:N \|/)
  for (const name of ['unbindable', 'runbindable']) shows(`/f/${name}`, /\| unbindable \|/)
  shows('/f/sync', /\| rw,sync/)
  shows('/f/dirsync', /\| rw,(.*,)?dirsync/)
  shows('/f/lazytime', /lazytime/)
  shows('/b/rro+rw', /^ro/)
  shows('/b/rw+ro', /^ro/)
  shows('/b/ro+rw', /^rw/)
  for (const other of ['runc', 'crun'] as const) {
    await t.test(`${other} shows the same`, { skip: needs({ commands: [other] }) }, async (t) => {
      const known = lists.filter((list) => list.every((name) => isKnown(other, name)) && !REFUSED[other].includes(nameOf(list)))
      const theirs = seenBy(other, box, mountsOf(box, known))
      t.ok(theirs.table.size > 60, theirs.stderr)
      for (const [point, row] of theirs.table) {
        const reason = DIFFERENT.find(([pattern, runtimes]) => pattern.test(point) && runtimes.includes(other))
        if (reason === undefined) t.equal(table.get(point), row, point)
        else t.not(table.get(point), row, `${point}: ${reason[2]}`)
      }
    })
  }
})

t.test(
  'the access times of what an ordinary user binds stay those of the source',
  { skip: user ? unable : 'needs an ordinary user' },
  async (t) => {
    using box = sandbox(t)
    for (const name of ['noatime', 'nodiratime', 'strictatime']) {
      const { table, stderr } = seenBy('tsrun', box, [{ destination: '/b/x', type: 'bind', source: '/usr/bin', options: ['rbind', name] }])
      t.match(
        stderr,
        `warning: the mount on "/b/x" keeps its access times of its source, which a user namespace cannot take away [/mounts/7/options]`
      )
      t.ok(table.has('/b/x'))
      const recursive = seenBy('tsrun', box, [{ destination: '/b/x', type: 'bind', source: '/usr/bin', options: ['rbind', `r${name}`] }])
      t.match(
        recursive.stderr,
        /cannot set the recursive options of "\/b\/x": .*\(EPERM\): a user namespace cannot take away what was set outside of it \[\/mounts\/7\/options\]/
      )
    }
  }
)

t.test('what the kernel refuses is an error with its place', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const refused = (mount: Omit<Mount, 'destination'>): string => seenBy('tsrun', box, [{ destination: '/f/x', ...mount }]).stderr
  t.match(
    refused({ type: 'tmpfs', options: ['mode=755', 'nosuchoption'] }),
    /cannot set the option "nosuchoption" of "tmpfs": invalid argument \(EINVAL\) \[\/mounts\/7\/options\/1\]/
  )
  t.match(
    refused({ type: 'tmpfs', options: ['size=lots'] }),
    /cannot set the option "size=lots" of "tmpfs": .*EINVAL.* \[\/mounts\/7\/options\/0\]/
  )
  t.match(refused({ type: 'nosuchfs' }), /cannot open the file system type "nosuchfs": .*ENODEV.* \[\/mounts\/7\]/)
  t.match(refused({ type: 'ext4', source: '/nowhere' }), /cannot mount "\/nowhere" on "\/f\/x": .*(ENOENT|EPERM).* \[\/mounts\/7\]/)
  t.match(refused({ type: 'overlay', source: 'overlay', options: ['lowerdir=/nowhere'] }), /\[\/mounts\/7(\/options\/0)?\]/)
  t.match(
    refused({ source: '/etc/passwd', destination: '/etc', options: ['bind'] } as Mount),
    /cannot mount .* invalid argument \(EINVAL\): the source is no directory, and the mount point is one \[\/mounts\/7\]/
  )
  t.match(
    refused({ source: '/usr/bin', destination: '/bin/busybox', options: ['bind'] } as Mount),
    /not a directory \(ENOTDIR\) \[\/mounts\/7\/destination\]/
  )
  t.match(
    refused({ type: 'tmpfs', destination: '/etc', options: ['remount', 'ro'] } as Mount),
    /cannot set the options of "\/etc": invalid argument \(EINVAL\): nothing is mounted there \[\/mounts\/7\/options\]/
  )
  for (const destination of [`/${'x'.repeat(300)}`, '/x'.repeat(2500)])
    t.match(refused({ type: 'tmpfs', destination } as Mount), /file name too long \(ENAMETOOLONG\) \[\/mounts\/7\/destination\]/)
  t.same(await box.leftovers(before), [])
})
