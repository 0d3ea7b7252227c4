/** The sentences about checkpoint and restore. `criu failed` and `log file:` are where runc has them. */
import { TsrunError } from './error.ts'

const quoted = (value: string): string => JSON.stringify(value)

const INSTALL =
  'install the package criu (Debian: trixie-backports or sid, Ubuntu: ppa:criu/ppa, Fedora, Arch) or see https://criu.org/Installation'

export const noCriu = (): TsrunError =>
  new TsrunError('unsupported', 'cannot use criu: executable file not found in $PATH', { hint: INSTALL })

const dotted = (version: number): string =>
  [Math.floor(version / 10_000), Math.floor(version / 100) % 100, version % 100].join('.').replace(/\.0$/, '')

/** @param version 30600 for 3.6.0 */
export const criuTooOld = (version: number, needed: number, what: string): TsrunError =>
  new TsrunError('unsupported', `criu ${dotted(version)} is too old: ${what} needs ${dotted(needed)}`, { hint: INSTALL })

/** @param output what it has written */
export const notServing = (output: string): TsrunError =>
  new TsrunError('system', `criu failed: it does not answer${output === '' ? '' : `: ${output}`}`, { hint: 'try: criu check' })

const FEATURES: Readonly<Record<string, readonly [what: string, option: string]>> = {
  mem_track: ['--pre-dump needs a kernel that tracks memory (CONFIG_MEM_SOFT_DIRTY)', '--pre-dump'],
  lazy_pages: ['--lazy-pages needs a kernel with userfaultfd (CONFIG_USERFAULTFD)', '--lazy-pages']
}

export function noFeature(feature: string): TsrunError {
  const [what, option] = FEATURES[feature] ?? [feature, 'it']
  return new TsrunError('unsupported', what, { hint: `leave ${option} away, or see: criu check --feature ${feature}` })
}

/** What CRIU says of a failure. */
export interface CriuFailure {
  /** `DUMP`, … */
  readonly type: string
  readonly errno: number
  /** May be empty. */
  readonly message: string
  readonly logFile: string
}

export const criuFailed = (action: string, { type, errno, message, logFile }: CriuFailure): TsrunError => {
  const why = message === '' ? '' : `: ${message}`
  const code = errno === 0 ? '' : ` errno ${errno}`
  const hint = hintFor(message)
  return new TsrunError('system', `cannot ${action}: criu failed: type ${type}${code}${why}; log file: ${logFile}`, {
    ...(hint === undefined ? {} : { hint })
  })
}

/** What CRIU complains of, and the option that permits it. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/connected TCP socket|tcp-established/i, 'with --tcp-established open connections are kept'],
  [/external (?:stream|dgram|unix)|ext-unix-sk|unix socket/i, 'with --ext-unix-sk connections to sockets outside are permitted'],
  [/shell-job|session leader|a tty which is not our/i, 'with --shell-job processes that use a terminal of the caller are permitted'],
  [/file lock/i, 'with --file-locks locks are kept'],
  [/link-remap|ghost/i, 'with --link-remap deleted files that are open are linked back'],
  [
    /Unable to open .*\.img: Permission denied/,
    "the root of the container's user namespace must be able to search the image directory: give it his group and mode 710"
  ],
  [/userns|user namespace/i, 'see https://criu.org/User_namespace']
]

function hintFor(message: string): string | undefined {
  const program = /execvp\("([\w-]+)".*No such file/.exec(message)?.[1]
  if (program !== undefined) return `criu needs the program ${program}: install the package ${PACKAGES[program] ?? program}`
  return REMEDIES.find(([pattern]) => pattern.test(message))?.[1]
}

const PACKAGES: Readonly<Record<string, string>> = { 'iptables-restore': 'iptables', 'ip6tables-restore': 'iptables', ip: 'iproute2' }

/** runc: "Container cannot be checkpointed in stopped state". */
export const cannotCheckpoint = (status: string): TsrunError =>
  new TsrunError('bad-state', `container cannot be checkpointed in the ${status} state`)

export const onlyRoot = (action: string): TsrunError =>
  new TsrunError('unsupported', `cannot ${action}: criu needs the rights of root on the host`, {
    hint: 'call it as root, for a container that root has created'
  })

/** @param why text of an errno, or what it is instead of a directory */
export const noImages = (path: string, why: string): TsrunError =>
  new TsrunError('usage', `cannot restore from ${quoted(path)}: ${why}`, {
    hint: 'name the directory that "tsrun checkpoint" has filled with --image-path'
  })

export const badParentPath = (path: string, why: string): TsrunError =>
  new TsrunError('usage', `invalid --parent-path: ${quoted(path)}: ${why}`, {
    hint: 'name the images of the pre-dump relative to --image-path, such as ../pre'
  })

export const badPageServer = (value: string): TsrunError =>
  new TsrunError('usage', `invalid --page-server: ${quoted(value)} is not ADDRESS:PORT`, { hint: 'such as 192.0.2.1:27000' })

export const badStatusFd = (fd: number, why: string): TsrunError => new TsrunError('usage', `invalid --status-fd argument ${fd}: ${why}`)

export const noLsmProfile = (name: string): TsrunError =>
  new TsrunError('unsupported', `cannot restore under the AppArmor profile ${quoted(name)}: it is not loaded, which apparmor_parser does`)

export const badLsmProfile = (value: string): TsrunError =>
  new TsrunError('usage', `invalid --lsm-profile: ${quoted(value)} is not apparmor:NAME or selinux:LABEL`)

export const badEmptyNs = (value: string): TsrunError =>
  new TsrunError('usage', `invalid --empty-ns: ${quoted(value)}`, { hint: 'only network can be left empty' })

export const badCgroupsMode = (mode: string, known: readonly string[]): TsrunError =>
  new TsrunError('usage', `invalid --manage-cgroups-mode: ${quoted(mode)}`, { hint: `one of ${known.join(', ')}` })

export const cgroupIsThere = (directory: string): TsrunError =>
  new TsrunError(
    'cgroup',
    `cannot restore the container into the cgroup ${quoted(directory)}: it exists, and --manage-cgroups-mode is strict`,
    {
      pointer: '/linux/cgroupsPath',
      hint: 'remove it, or leave the mode away'
    }
  )
