/**
 * What a test cannot do without, as data, and the reason to skip where it is missing. Each reason is found out on the machine, for the user that
 * the tests run as: what the kernel allows, runs.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { cgroupLayout } from '../src/cgroup/layout.ts'
import type { OwnHierarchy } from '../src/cgroup/types.ts'
import { mountPoints } from './leftovers.ts'
import { idsOfUser, user } from './user.ts'

/** Rights over the host: capabilities in the initial user namespace, by capabilities(7). */
const CAPABILITIES = {
  CAP_CHOWN: 0,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_NICE: 23,
  CAP_SYS_RESOURCE: 24,
  CAP_MKNOD: 27
} as const

/** What a test cannot do without. */
export interface Needs {
  /** Containers: root makes them, and an ordinary user in a user namespace. */
  readonly containers?: boolean
  /** Root in the initial user namespace, with all its rights. What for, in words, where one of the following does not say it. */
  readonly root?: boolean | string
  /** Rights over the host, each with what it is for. */
  readonly host?: Partial<Readonly<Record<keyof typeof CAPABILITIES, string>>>
  /** So many uids and gids for a container. */
  readonly ids?: number
  /** A cgroup of its own for each container: root makes it, an ordinary user must have been given the one above. */
  readonly ownCgroup?: boolean
  /** An ordinary user, or root that can become one. */
  readonly userNamespaces?: boolean
  /** Programs, looked up in PATH. */
  readonly commands?: readonly string[]
  /** v1 controllers or v2 controllers, mounted, and writable for the user. */
  readonly controllers?: readonly string[]
  readonly cgroup?: 'v1' | 'v2'
  /** Paths that must exist. */
  readonly files?: readonly string[]
  /** Oldest kernel, [major, minor]. */
  readonly kernel?: readonly [number, number]
}

const readable = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8').trim() : '')
const effective = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(readable('/proc/self/status'))?.[1] ?? '0'}`)
const isInitialUserNamespace = /^\s*0\s+0\s+4294967295$/m.test(readable('/proc/self/uid_map'))
const has = (capability: keyof typeof CAPABILITIES): boolean =>
  isInitialUserNamespace && ((effective >> BigInt(CAPABILITIES[capability])) & 1n) === 1n

function rootReason(purpose: string | true): string | undefined {
  const what = purpose === true ? '' : `: ${purpose}`
  if (process.geteuid?.() !== 0) return `needs root${what}`
  if (!isInitialUserNamespace) return `needs the initial user namespace${what}`
  return has('CAP_SYS_ADMIN') ? undefined : `needs CAP_SYS_ADMIN${what}`
}

function hostReason(wanted: NonNullable<Needs['host']>): string | undefined {
  const missing = (Object.keys(wanted) as (keyof typeof wanted)[]).find((capability) => !has(capability))
  return missing && `needs ${missing} on the host: ${wanted[missing]}`
}

function userNamespaceReason(): string | undefined {
  if (Number(readable('/proc/sys/user/max_user_namespaces')) === 0) return 'needs user namespaces (user.max_user_namespaces is 0)'
  if (readable('/proc/sys/kernel/unprivileged_userns_clone') === '0') return 'needs kernel.unprivileged_userns_clone=1'
  return undefined
}

let tried: string | undefined

/** An ordinary user asks the kernel: security modules have their say, too. */
function containersReason(): string | undefined {
  if (!user) return rootReason(true)
  if (tried === undefined) {
    const { status, stderr, error } = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'true'], { encoding: 'utf8' })
    tried = status === 0 ? '' : `needs user namespaces with mounts: ${(stderr || error?.message || `status ${status}`).trim()}`
  }
  return userNamespaceReason() ?? (tried || undefined)
}

const versionOf = (release: string): number => Number(release.split('.')[0]) * 1000 + Number.parseInt(release.split('.')[1] ?? '0', 10)
const inPath = (command: string): boolean =>
  command.includes('/')
    ? existsSync(command)
    : `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`
        .split(delimiter)
        .some((directory) => existsSync(join(directory, command)))

/** Controllers of the machine: mounted as v1, or enabled in the root of v2. */
export function controllers(): ReadonlySet<string> {
  const v1 = readable('/proc/self/cgroup')
    .split('\n')
    .flatMap((line) => line.split(':')[1]?.split(',') ?? [])
  const v2 = mountPoints()
    .filter(({ type }) => type === 'cgroup2')
    .flatMap(({ point }) => readable(join(point, 'cgroup.controllers')).split(' '))
  return new Set([...v1, ...v2].filter(Boolean))
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Cgroups that the user has been given, where containers go: below its own on v1, beside it on v2, which keeps processes out of the inner ones. */
function delegatedCgroups(): readonly OwnHierarchy[] {
  const { mode, hierarchies } = cgroupLayout()
  const parent = ({ version, own }: OwnHierarchy): string => (version === 2 && mode === 'v2' ? dirname(own) : own)
  return hierarchies
    .map((hierarchy) => ({ ...hierarchy, mountpoint: join(hierarchy.mountpoint, parent(hierarchy)) }))
    .filter(({ mountpoint, version }) => isWritable(mountpoint) && (version === 1 || mode === 'v2'))
}

const delegated = (): readonly string[] =>
  delegatedCgroups().flatMap(({ controllers, mountpoint, version }) =>
    version === 2 ? readable(join(mountpoint, 'cgroup.controllers')).split(' ') : controllers
  )

function controllerReason(wanted: readonly string[]): string | undefined {
  const absent = wanted.find((each) => !controllers().has(each))
  if (absent) return `needs the cgroup controller ${absent}`
  const withheld = user && wanted.find((each) => !delegated().includes(each))
  return withheld && `needs the cgroup controller ${withheld}, delegated to the user`
}

/** Version of the hierarchy that has the controllers. */
export function cgroupVersion(): 'v1' | 'v2' | 'none' {
  const types = mountPoints().map(({ type }) => type)
  if (types.includes('cgroup')) return 'v1'
  return types.includes('cgroup2') ? 'v2' : 'none'
}

function kernelReason([major, minor]: readonly [number, number]): string | undefined {
  const release = readable('/proc/sys/kernel/osrelease')
  return versionOf(release) < versionOf(`${major}.${minor}`) ? `needs Linux ${major}.${minor}, this is ${release}` : undefined
}

/**
 * Why a test cannot run here, as tap's `skip` takes it.
 *
 * @returns the reason, or false when there is none
 */
export function needs(wanted: Needs): string | false {
  const { root, host = {}, ids = 1, commands = [], files = [], cgroup, kernel } = wanted
  const command = commands.find((each) => !inPath(each))
  const file = files.find((each) => !existsSync(each))
  return (
    (root && rootReason(root)) ||
    (wanted.containers && containersReason()) ||
    hostReason(host) ||
    (idsOfUser < ids && `needs ${ids} ids, the user has ${idsOfUser}`) ||
    (wanted.userNamespaces && userNamespaceReason()) ||
    (command && `needs ${command}`) ||
    (cgroup && cgroup !== cgroupVersion() && `needs cgroup ${cgroup}`) ||
    (wanted.ownCgroup && user && delegatedCgroups().length === 0 && 'needs a cgroup that was delegated to the user') ||
    controllerReason(wanted.controllers ?? []) ||
    (file && `needs ${file}`) ||
    (kernel && kernelReason(kernel)) ||
    false
  )
}

/** The `skip` of tests that need root, for whatever it is. */
export const asRoot = needs({ root: true })

/** The `skip` of tests that need nothing but a container. */
export const unable = needs({ containers: true })
