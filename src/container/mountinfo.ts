/** What /proc/self/mountinfo says about mount points (proc_pid_mountinfo(5)). */
import { readFileSync } from 'node:fs'

interface Mounted {
  readonly mountpoint: string
  readonly type: string
}

/** Read anew each time: mounts come and go while a library program runs. */
function mounts(): Mounted[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [left = '', right = ''] = line.split(' - ', 2)
      const mountpoint = left.split(' ', 5)[4]
      return mountpoint === undefined ? [] : [{ mountpoint: decoded(mountpoint), type: right.split(' ', 1)[0] ?? '' }]
    })
}

/** Mount points of the given file system types, in the order in which they were mounted. */
export const mountPoints = (types: readonly string[]): string[] =>
  mounts().flatMap(({ mountpoint, type }) => (types.includes(type) ? [mountpoint] : []))

/** The mount point that holds a path without symlinks. */
export function mountPointOf(path: string): string {
  const holds = (mountpoint: string): boolean => mountpoint === '/' || path === mountpoint || path.startsWith(`${mountpoint}/`)
  return mounts().reduce((best, { mountpoint }) => (holds(mountpoint) && mountpoint.length >= best.length ? mountpoint : best), '/')
}

/** Space, tab, newline and backslash are octal there. */
const decoded = (field: string): string => field.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
