/** What containers have left in an engine's machine: taken when the engine idles before the checks, and compared with what there is after them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const text = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

const names = (path: string): string[] => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Processes by what they are, not by number: a daemon may replace a helper of its own. The kernel's own threads come and go. */
function processes(): string[] {
  return names('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const status = text(`/proc/${pid}/status`)
      const name = /^Name:\s*(.*)$/m.exec(status)?.[1]
      const zombie = /^State:\s*Z/m.test(status)
      return name === undefined || /^Kthread:\s*1/m.test(status)
        ? []
        : [zombie ? `zombie ${name}, child of ${/^PPid:\s*(\d+)/m.exec(status)?.[1]}` : `process ${name}`]
    })
}

function mounts(): string[] {
  const lines = text('/proc/self/mountinfo').trimEnd().split('\n')
  return lines.map((line) => `mount ${line.split(' ')[4]}`)
}

function directories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => [join(path, name), ...directories(join(path, name))])
  } catch {
    return []
  }
}

/** Directories in which runtimes and engines keep a directory for each container. */
const STATE = [
  ...['/run/tsrun', '/run/runc', '/run/crun', '/run/libpod/exits', '/run/containers/storage/overlay-containers'],
  ...['/run/containerd/runc', '/run/containerd/io.containerd.runtime.v2.task', '/run/docker/runtime-tsrun', '/run/docker/runtime-runc'],
  ...['/run/docker/containerd/daemon/io.containerd.runtime.v2.task', '/run/netns']
]

/** Everything there is; equal things are there as often as they are counted. */
export function inventory(): ReadonlyMap<string, number> {
  const state = STATE.flatMap((path) => directories(path).filter((each) => each.split('/').length < path.split('/').length + 4))
  const all = [
    ...processes(),
    ...mounts(),
    ...directories('/sys/fs/cgroup').map((path) => `cgroup ${path}`),
    ...state.map((path) => `state ${path}`)
  ]
  const counts = new Map<string, number>()
  for (const each of all) counts.set(each, (counts.get(each) ?? 0) + 1)
  return counts
}

/** What there is more of now. */
export function added(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number> = inventory()): string[] {
  return [...now]
    .filter(([what, count]) => count > (before.get(what) ?? 0))
    .map(([what, count]) => `${count - (before.get(what) ?? 0)} × ${what}`)
}
