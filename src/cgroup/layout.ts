/** The host's cgroup hierarchies (cgroups(7), proc_pid_mountinfo(5)). */
import { readFileSync } from 'node:fs'
import type { CgroupLayout, OwnHierarchy } from './types.ts'

const STANDARD = '/sys/fs/cgroup'
let cached: CgroupLayout | undefined

/** The layout of this host; read once for the process. Never throws: a host without /proc has no cgroups. */
export function cgroupLayout(): CgroupLayout {
  cached ??= readLayout()
  return cached
}

/** Forgets what `cgroupLayout` has read. For processes that change their mount namespace. */
export function forgetLayout(): void {
  cached = undefined
}

function readLayout(): CgroupLayout {
  try {
    return parseLayout(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'))
  } catch {
    return { mode: 'none', hierarchies: [] }
  }
}

/**
 * The layout that these two files describe.
 *
 * @param mountinfo text of /proc/self/mountinfo
 * @param cgroup text of /proc/self/cgroup
 */
export function parseLayout(mountinfo: string, cgroup: string): CgroupLayout {
  const own = ownCgroups(cgroup)
  const byKey = new Map<string, OwnHierarchy>()
  // Container hosts have mountinfos of thousands of lines, nearly all of them about something else: search, do not split.
  for (let at = mountinfo.indexOf(' - cgroup'); at !== -1; at = mountinfo.indexOf(' - cgroup', at + 1)) {
    const start = mountinfo.lastIndexOf('\n', at) + 1
    const end = mountinfo.indexOf('\n', at)
    const found = parseLine(mountinfo.slice(start, end === -1 ? undefined : end), own)
    if (found === undefined) continue
    const key = found.controllers.join()
    const known = byKey.get(key)
    if (known === undefined || (!isStandard(known.mountpoint) && isStandard(found.mountpoint))) byKey.set(key, found)
  }
  const all: OwnHierarchy[] = []
  for (const hierarchy of byKey.values()) all.push(hierarchy)
  return classify(all)
}

/**
 * A cgroup2 at /sys/fs/cgroup is a v2 host, even when somebody (a VPN client with net_cls, say) has mounted a v1 hierarchy elsewhere.
 */
function classify(all: readonly OwnHierarchy[]): CgroupLayout {
  const v2 = all.filter(({ version }) => version === 2)
  if (all.length === 0) return { mode: 'none', hierarchies: [] }
  if (v2.length === 0) return { mode: 'v1', hierarchies: all }
  if (v2.length === all.length || v2[0]?.mountpoint === STANDARD) return { mode: 'v2', hierarchies: v2 }
  return { mode: 'hybrid', hierarchies: all }
}

const isStandard = (mountpoint: string): boolean => mountpoint === STANDARD || mountpoint.startsWith(`${STANDARD}/`)

/** `4:memory:/a` gives `memory` → /a, `1:cpu,cpuacct:/b` both of them → /b, `0::/c` '' → /c. */
function ownCgroups(cgroup: string): Map<string, { readonly path: string; readonly controllers: readonly string[] }> {
  const own = new Map<string, { path: string; controllers: string[] }>()
  for (const line of cgroup.split('\n')) {
    const first = line.indexOf(':')
    const second = line.indexOf(':', first + 1)
    if (second === -1) continue
    const names = line.slice(first + 1, second)
    const controllers = names === '' ? [] : names.split(',')
    const entry = { path: line.slice(second + 1), controllers }
    for (const name of names.split(',')) own.set(name, entry)
  }
  return own
}

/** `31 23 0:28 /root /mount/point rw,relatime shared:1 - cgroup source rw,cpu,cpuacct`. */
function parseLine(line: string, own: ReturnType<typeof ownCgroups>): OwnHierarchy | undefined {
  const fields = line.split(' ')
  const [, , , root = '/', mountpoint = ''] = fields
  const type = fields[fields.length - 3]
  if (type !== 'cgroup' && type !== 'cgroup2') return undefined
  const entry = type === 'cgroup2' ? own.get('') : ofOptions(fields[fields.length - 1] as string, own)
  if (entry === undefined) return undefined
  return {
    version: type === 'cgroup2' ? 2 : 1,
    mountpoint: unescaped(mountpoint),
    controllers: entry.controllers,
    own: below(unescaped(root), entry.path)
  }
}

/** The controllers stand last among the options. */
function ofOptions(options: string, own: ReturnType<typeof ownCgroups>): ReturnType<typeof own.get> {
  const last = options.slice(options.lastIndexOf(',') + 1)
  if (last !== '' && own.has(last)) return own.get(last)
  for (const option of options.split(',')) if (option !== '' && own.has(option)) return own.get(option)
  return undefined
}

/** `path` as seen below a mount whose root is `root`; `/` when it is outside, as in a container that has the host's mounts. */
function below(root: string, path: string): string {
  if (root === '/' && !path.startsWith('/..')) return path
  return path.startsWith(`${root}/`) ? path.slice(root.length) : '/'
}

/** Space, tab, newline and backslash are octal in mountinfo. */
const unescaped = (field: string): string =>
  field.includes('\\') ? field.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))) : field
