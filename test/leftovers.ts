/** What a container may leave behind: processes, mounts, cgroups, descriptors, directories; taken before and after, and compared. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Where to look. */
export interface Scope {
  /** The sandbox. Whatever it starts has `TSRUN_TEST` in its environment, set to this. */
  readonly directory: string
  /** Last component of `directory`, which is random; container ids, and so their cgroups, begin with it. */
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

/** When a process was started, in clock ticks since boot (field 22 of proc_pid_stat(5)); the name before it may hold spaces. */
const startTime = (pid: number | string): number =>
  Number(
    readOrEmpty(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, '')
      .split(' ')[19] ?? 0
  )

/**
 * True when its root is a root file system in the sandbox. Only the mount of `/` counts: what is mounted in the sandbox itself
 * is in the mountinfo of every process of the machine.
 */
function hasRootIn(pid: string, { prefix }: Scope): boolean {
  const lines = readOrEmpty(`/proc/${pid}/mountinfo`).split('\n')
  const roots = lines.map((line) => line.split(' ')).filter((fields) => fields[4] === '/')
  return roots.some((fields) => fields[3]?.includes(`/${prefix}/`))
}

const isMarked = (pid: string, { directory }: Scope): boolean =>
  readOrEmpty(`/proc/${pid}/environ`)
    .split('\0')
    .some((variable) => variable === `TSRUN_TEST=${directory}`)

const isInCgroup = (pid: string, { prefix }: Scope): boolean => readOrEmpty(`/proc/${pid}/cgroup`).includes(`/${prefix}`)

/**
 * Pids of the processes that the sandbox has started, and that it may therefore kill.
 *
 * Those that carry its mark in their environment, are in a cgroup of one of its containers, or have one of its root file systems as
 * their root; and of these only what was started after this process. A mere mention of the directory proves nothing.
 */
export function processesOf(scope: Scope): number[] {
  const ownStart = startTime('self')
  const isOurs = (pid: string): boolean =>
    startTime(pid) >= ownStart && (isMarked(pid, scope) || isInCgroup(pid, scope) || hasRootIn(pid, scope))
  const never = new Set([1, process.pid, process.ppid])
  return list('/proc')
    .filter((name) => /^\d+$/.test(name) && !never.has(Number(name)) && isOurs(name))
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

/** Names of the directories in a directory; none when it has gone in the meantime. */
function subdirectories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}

/** Directories of all cgroup hierarchies in whose path a name begins with `prefix`, the deepest first. */
export function cgroupsOf(prefix: string): string[] {
  const hierarchies = mountPoints().filter(({ type }) => type === 'cgroup' || type === 'cgroup2')
  const found: string[] = []
  const walk = (directory: string): void => {
    if (directory.includes(`/${prefix}`)) found.push(directory)
    for (const name of subdirectories(directory)) walk(join(directory, name))
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
/** The default root stays when it is empty, and what is beside it is a cache. */
const STAY: readonly string[] = ['/run/tsrun', '/run/tsrun.cache']
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
        .filter((name) => OURS.test(name) && !STAY.includes(join(directory, name)))
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
