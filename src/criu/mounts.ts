/**
 * The mounts of a container that come from outside, which CRIU does not save: at the checkpoint each gets a name, and at the restore something to mount
 * in its place. Pure.
 */
import { join, resolve } from 'node:path'
import type { Config, Mount } from '../config/types.ts'

/** One of them. */
export interface ExternalMount {
  /** CRIU's name for it, which is where it is in the container, if not all of a kind have one: that is so in runc, too, which can restore what we save. */
  readonly key: string
  /** Where it is when that is not its name. */
  readonly path?: string
  /** `destination` of the mount in config.json that has made it, which may be a symlink in the root file system. */
  readonly destination?: string
}

interface MountLine {
  /** `major:minor`. */
  readonly device: string
  /** Of the file system, what is mounted. */
  readonly root: string
  readonly mountpoint: string
  readonly type: string
}

/** File systems that CRIU mounts anew, with what was in them. */
const SAVED: ReadonlySet<string> = new Set(['tmpfs', 'proc', 'sysfs', 'devpts', 'mqueue', 'cgroup2'])

/**
 * The external mounts among those of a container.
 *
 * @param mountinfo of its init (proc_pid_mountinfo(5))
 * @param destinations where the mount points of config.json are: an absolute path in the container for each `destination`
 */
export function externalMounts(config: Config, mountinfo: string, destinations: ReadonlyMap<string, string>): ExternalMount[] {
  const lines = mountinfo.split('\n').filter(Boolean).map(parseLine)
  const root = lines.find(({ mountpoint }) => mountpoint === '/')
  const bound = new Map(
    (config.mounts ?? []).filter(isBind).map(({ destination }) => [destinations.get(destination) ?? destination, destination])
  )
  const saved = new Set(lines.filter((line) => line.root === '/' && SAVED.has(line.type)).map(({ device }) => device))
  const keys = new Map<string, ExternalMount>()
  for (const line of lines) {
    const destination = bound.get(line.mountpoint)
    if (line.mountpoint === '/' || (destination === undefined && (saved.has(line.device) || isPartOf(line, root)))) continue
    if (destination === undefined && isMasked(config, line.mountpoint)) keys.set(line.mountpoint, { key: NULL, path: line.mountpoint })
    else keys.set(line.mountpoint, { key: line.mountpoint, ...(destination === undefined ? {} : { destination }) })
  }
  return [...keys.values()]
}

const NULL = '/dev/null'
const isMasked = ({ linux }: Config, path: string): boolean => linux?.maskedPaths?.some((each) => join('/', each) === path) === true

/** `31 23 0:28 /root /mount/point rw,relatime shared:1 - tmpfs tmpfs rw`. */
function parseLine(line: string): MountLine {
  const [, , device = '', root = '', mountpoint = ''] = line.split(' ', 5)
  const [type = ''] = line.slice(line.indexOf(' - ') + 3).split(' ', 1)
  return { device, root: decoded(root), mountpoint: decoded(mountpoint), type }
}

/** Space, tab, newline and backslash are octal there. */
const decoded = (field: string): string => field.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))

/** A place of the root file system that is mounted once more, such as one that is read-only. */
const isPartOf = (line: MountLine, root: MountLine | undefined): boolean =>
  root !== undefined && line.device === root.device && (line.root === root.root || line.root.startsWith(`${root.root.replace(/\/$/, '')}/`))

/** A mount of config.json that has a source on the host. */
export const isBind = ({ type, options }: Mount): boolean =>
  type === 'bind' || options?.some((option) => option === 'bind' || option === 'rbind') === true

/** What the config of a container that is restored has to offer. */
export interface MountSources {
  readonly config: Config
  /** Absolute. */
  readonly bundle: string
  /** Directory in the place of the one for sd_notify(3). */
  readonly notify: string
  /** Directory of the container's cgroup for each v1 controller. */
  readonly cgroups: Readonly<Record<string, string>>
  /** Where the sources of bind mounts are with their ids mapped, by the index of the mount. */
  readonly mapped?: ReadonlyMap<number, string>
}

/**
 * What is mounted on the host for each of them; those that the config does not explain are left out.
 * @param mounts of the checkpoint; undefined when it tells nothing of them
 */
export function sourcesOf(mounts: readonly ExternalMount[] | undefined, sources: MountSources): { key: string; val: string }[] {
  const { config, bundle, mapped } = sources
  const binds = (config.mounts ?? []).flatMap((mount, index) => {
    const { destination, source = '' } = mount
    return isBind(mount) ? [{ destination, source: mapped?.get(index) ?? resolve(bundle, source) }] : []
  })
  const all = mounts ?? [...binds.map(({ destination }) => ({ key: destination, destination })), ...usual(sources)]
  const found = new Map<string, string>()
  for (const { key, destination } of all) {
    const bind = binds.findLast((each) => each.destination === destination)
    const val = bind?.source ?? belowBind(key, all, binds) ?? elsewhere(key, sources)
    if (val !== undefined) found.set(key, val)
  }
  return [...found].map(([key, val]) => ({ key, val }))
}

/** What runc leaves out beside bind mounts: masks, and cgroups without a namespace of their own. */
function usual({ config, cgroups }: MountSources): ExternalMount[] {
  const at = config.mounts?.find(({ type }) => type === 'cgroup')?.destination
  const groups = new Map<string, string[]>()
  for (const [name, directory] of Object.entries(cgroups))
    groups.set(directory, [...(groups.get(directory) ?? []), name.replace(/^name=/, '')])
  const names = [...groups.values()].flatMap((each) => (each.length === 1 ? each : [...each, each.join(',')]))
  return [{ key: NULL }, ...(at === undefined ? [] : names.map((name) => ({ key: join('/', at, name) })))]
}

type Bind = { readonly destination: string; readonly source: string }

/** A mount that a recursive bind mount has brought. */
function belowBind(key: string, all: readonly ExternalMount[], binds: readonly Bind[]): string | undefined {
  const above = all
    .filter((mount) => mount.destination !== undefined && key.startsWith(`${mount.key}/`))
    .reduce<ExternalMount | undefined>((best, mount) => (mount.key.length > (best?.key.length ?? 0) ? mount : best), undefined)
  const bind = binds.findLast(({ destination }) => destination === above?.destination)
  if (bind === undefined || above === undefined) return undefined
  const below = join('/', key.slice(above.key.length))
  return join(bind.source, below)
}

const NOTIFY = '/run/notify'
/** That every container has (config-linux.md#default-devices). */
const DEVICES: ReadonlySet<string> = new Set(['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => `/dev/${name}`))

function elsewhere(key: string, { config, notify, cgroups }: MountSources): string | undefined {
  if (key === NOTIFY) return notify
  // A masked file is covered with the null device; in a user namespace devices are the host's.
  // Without a cgroup namespace it is the container's own cgroup that is mounted.
  const isCgroup = config.mounts?.some(({ destination, type }) => type === 'cgroup' && join('/', destination) === key) === true
  if (isCgroup && cgroups[''] !== undefined) return cgroups['']
  if (isMasked(config, key)) return NULL
  if (DEVICES.has(key) || config.linux?.devices?.some(({ path }) => path === key)) return key
  const controllers = /\/([\w,=]+)$/.exec(key)?.[1]?.split(',') ?? []
  // A hierarchy without controllers is mounted by its name: /sys/fs/cgroup/systemd.
  const known = controllers.flatMap((name) => [name, `name=${name}`]).find((name) => Object.hasOwn(cgroups, name))
  return known === undefined ? undefined : cgroups[known]
}
