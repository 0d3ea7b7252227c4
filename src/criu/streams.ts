/**
 * Standard streams that come from outside of the container: pipes, and files that are not among its mounts. CRIU leaves them out of the images and gets
 * those of the restored container's caller in their place.
 */
import { readFileSync, readlinkSync, statSync } from 'node:fs'

/** For each of the three streams what CRIU calls it: `pipe:[123]`, `file[1a:2b]`, or its path when it is the container's own. */
export type Streams = readonly string[]

/** The streams of process `pid`, the container's init. */
export function readStreams(pid: number): Streams {
  const mounts = new Set(
    readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
      .split('\n')
      .map((line) => line.split(' ', 1)[0])
  )
  return [0, 1, 2].map((fd) => nameOf(pid, fd, mounts))
}

function nameOf(pid: number, fd: number, mounts: ReadonlySet<string | undefined>): string {
  const file = `/proc/${pid}/fd/${fd}`
  try {
    const link = readlinkSync(file)
    if (!link.startsWith('/')) return link
    const mount = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1]
    const stat = statSync(file, { bigint: true })
    // A terminal is not a file to CRIU.
    if (mount === undefined || mounts.has(mount) || isTerminal(stat)) return link
    return `file[${Number(mount).toString(16)}:${stat.ino.toString(16)}]`
  } catch {
    // Closed.
    return ''
  }
}

/** Unix 98 terminals (devices.txt: 136 to 143), /dev/tty and /dev/console (5), virtual consoles (4). */
function isTerminal({ mode, rdev }: { readonly mode: bigint; readonly rdev: bigint }): boolean {
  const major = Number((rdev >> 8n) & 0xfffn)
  return (mode & 0o170000n) === 0o020000n && (major === 4 || major === 5 || (major >= 136 && major <= 143))
}

/** What CRIU is told to leave out: it leaves out pipes by itself. */
export const externalFiles = (streams: Streams): string[] => [...new Set(streams.filter((name) => name.startsWith('file[')))]

/**
 * The streams that are replaced, each once, by the names under which CRIU asks for them. It cuts the first character off the name of a file, which would be
 * a slash. (By its whole name it would open the file anew, and only if it has the same size.)
 */
export const inherited = (streams: Streams): { readonly key: string; readonly stream: number }[] =>
  streams.flatMap((name, stream) => {
    if (!/^(pipe:\[|file\[)/.test(name) || streams.indexOf(name) !== stream) return []
    return [{ key: name.startsWith('file[') ? name.slice(1) : name, stream }]
  })

/** Descriptors as the images have them, checked: whoever has made the images has made them. */
export function parseStreams(text: string): Streams {
  const value: unknown = JSON.parse(text)
  return Array.isArray(value) ? value.slice(0, 3).map(String) : []
}
