/** What a container may leave behind: processes, mounts, cgroups, descriptors, directories; taken before and after, and compared. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Where to look. */
export interface Scope {
  /** A process is looked at when its command line, environment, working directory, root or mounts name this directory. */
  readonly directory: string
  /** Container ids, and so their cgroups, begin with this. */
  readonly prefix: string
  /** State directories: everything in them counts. */
  readonly roots: readonly string[]
}

/** Each thing found, in words, such as `mount /run/x (tmpfs)`. */
export type Snapshot = ReadonlySet<string>

/** Reads a file of /proc; '' when the process has gone or may not be read. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function linkOrEmpty(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Pids of all processes but our own that have to do with `scope.directory`. */
export function processesOf(scope: Scope): number[] {
  const concerns = (pid: string): boolean => {
    const files = ['cmdline', 'environ', 'mountinfo', 'cgroup'].map((name) => readOrEmpty(`/proc/${pid}/${name}`))
    const links = ['cwd', 'root', 'exe'].map((name) => linkOrEmpty(`/proc/${pid}/${name}`))
    return [...files, ...links].some((text) => text.includes(scope.directory) || text.includes(`/${scope.prefix}`))
  }
  const own = new Set([process.pid, process.ppid])
  return list('/proc')
    .filter((name) => /^\d+$/.test(name) && !own.has(Number(name)) && concerns(name))
    .map(Number)
}

/** Mount points of the host, with their types, the deepest last. */
export function mountPoints(): { readonly point: string; readonly type: string }[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n')
  return lines.map((line) => {
    const [before = '', after = ''] = line.split(' - ')
    return { point: before.split(' ')[4] ?? '', type: after.split(' ')[0] ?? '' }
  })
}

/** Directories of all cgroup hierarchies in whose path a name begins with `prefix`, the deepest first. */
export function cgroupsOf(prefix: string): string[] {
  const hierarchies = mountPoints().filter(({ type }) => type === 'cgroup' || type === 'cgroup2')
  const found: string[] = []
  const walk = (directory: string): void => {
    if (directory.includes(`/${prefix}`)) found.push(directory)
    for (const entry of existsSync(directory) ? readdirSync(directory, { withFileTypes: true }) : []) {
      if (entry.isDirectory()) walk(join(directory, entry.name))
    }
  }
  for (const { point } of hierarchies) walk(point)
  return found.reverse()
}

/** A zombie whose parent is pid 1 waits for that one alone. */
const isInitsToReap = (pid: number): boolean => /^State:\s*Z[\s\S]*^PPid:\s*1$/m.test(readOrEmpty(`/proc/${pid}/status`))

const describe = (pid: number): string => {
  const state = /^State:\s*(.*)$/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? 'gone'
  return `process ${pid} ${readOrEmpty(`/proc/${pid}/comm`).trim()} (${state})`
}

/** Files that a runtime could have unpacked or forgotten where everybody looks. */
const SHARED_DIRECTORIES = ['/tmp', '/var/tmp', '/dev/shm', '/run'] as const
const OURS = /tsrun(?!-test-)|koffi|^\.?bun|\.node$/

/** Everything there is now. */
export function snapshot(scope: Scope): Snapshot {
  return new Set([
    ...processesOf(scope)
      .filter((pid) => !isInitsToReap(pid))
      .map(describe),
    ...mountPoints().map(({ point, type }) => `mount ${point} (${type})`),
    ...cgroupsOf(scope.prefix).map((directory) => `cgroup ${directory}`),
    ...list('/proc/self/fd').map((fd) => `descriptor ${fd} → ${linkOrEmpty(`/proc/self/fd/${fd}`)}`),
    ...scope.roots.flatMap((root) => list(root).map((name) => `state ${join(root, name)}`)),
    ...SHARED_DIRECTORIES.flatMap((directory) =>
      list(directory)
        .filter((name) => OURS.test(name))
        .map((name) => `file ${join(directory, name)}`)
    )
  ])
}

/** What is in `after` and not in `before`; descriptors are compared by their number alone: node opens and closes its own. */
export function added(before: Snapshot, after: Snapshot): string[] {
  const isDescriptor = (item: string): boolean => item.startsWith('descriptor ')
  const descriptors = (all: Snapshot): number => [...all].filter(isDescriptor).length
  const news = [...after].filter((item) => !before.has(item))
  const more = descriptors(after) > descriptors(before)
  return news.filter((item) => !isDescriptor(item) || more)
}
