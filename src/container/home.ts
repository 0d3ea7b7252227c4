/**
 * HOME of the process's user, from the /etc/passwd that the container will see.
 *
 * The file belongs to the image, so it is read as hostile: it is looked up inside its root, must be regular, and only its beginning is read.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { Config, Process } from '../config/types.ts'
import { tryOpenIn } from '../linux/mount.ts'
import type { SourceFact } from '../plan/facts.ts'

const MAX_BYTES = 1 << 20
const DEFAULT = '/'

/** The home directory, or `/`; not looked for when the configuration sets HOME. */
export function findHome(config: Config, rootfs: string, sources: Readonly<Record<number, SourceFact>>): string {
  if (config.process === undefined || setsHome(config.process)) return DEFAULT
  const { directory, file } = passwdOf(config, rootfs, sources)
  const text = file === '' ? readOutside(directory) : readInside(directory, file)
  return homeOf(text, config.process.user?.uid ?? 0)
}

/**
 * The same for a process that joins a container.
 * @param root the container's root directory, such as /proc/PID/root
 */
export function homeInRoot(root: string, process: Process | undefined): string {
  if (process === undefined || setsHome(process)) return DEFAULT
  return homeOf(readInside(root, 'etc/passwd'), process.user?.uid ?? 0)
}

/** An empty HOME counts as none. */
const setsHome = ({ env }: Process): boolean => env?.some((entry) => entry.startsWith('HOME=') && entry.length > 5) === true

/** A bind mount may cover the file or a directory above it; the last one wins. An empty `file`: `directory` is the file itself. */
function passwdOf(config: Config, rootfs: string, sources: Readonly<Record<number, SourceFact>>): { directory: string; file: string } {
  const mounts = config.mounts ?? []
  for (let i = mounts.length - 1; i >= 0; i--) {
    const source = sources[i]
    const destination = `/${mounts[i]!.destination}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1')
    if (source === undefined) continue
    if (destination === '/etc/passwd') return { directory: source.path, file: '' }
    if (destination === '/etc') return { directory: source.path, file: 'passwd' }
  }
  return { directory: rootfs, file: 'etc/passwd' }
}

/** The source of a bind mount is the host's own file. */
function readOutside(path: string): string {
  try {
    return readAndClose(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY))
  } catch {
    return ''
  }
}

function readInside(directory: string, file: string): string {
  try {
    const root = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      const fd = tryOpenIn(root, file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
      return fd < 0 ? '' : readAndClose(fd)
    } finally {
      closeSync(root)
    }
  } catch {
    return ''
  }
}

function readAndClose(fd: number): string {
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) return ''
    const bytes = new Uint8Array(Math.min(stat.size, MAX_BYTES))
    return new TextDecoder().decode(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)))
  } finally {
    closeSync(fd)
  }
}

/** Sixth field of the first line whose third is `uid` (passwd(5)). */
export function homeOf(passwd: string, uid: number): string {
  for (const line of passwd.split('\n')) {
    const fields = line.split(':')
    // A NUL would end the value, and make no environment.
    if (fields.length >= 6 && fields[2] === String(uid)) return fields[5]?.split('\0', 1)[0] || DEFAULT
  }
  return DEFAULT
}
