/** The files of a cache: believed only when nobody else can have written them, and written so that no half of one is ever seen. */
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY, S_IFDIR, S_IFMT, S_IFREG } from '../abi/fcntl.ts'
import { architecture, syscall } from '../linux/ffi.ts'
import { statusOfFd, statusOfPath } from './statx.ts'

const O_TRUNC = 0o1000

/** The contents of a regular file that only we can have written, of `min` to `max` bytes; undefined when there is none. */
export function readOwn(path: string, min: number, max: number): Uint8Array | undefined {
  // O_NONBLOCK: a FIFO must not hold us up.
  const fd = syscall('openat', AT_FDCWD, path, O_NOFOLLOW[architecture] | O_NONBLOCK | O_CLOEXEC)
  if (fd < 0) return undefined
  try {
    const status = statusOfFd(fd)
    if (status === undefined || (status.mode & 0o170077) !== S_IFREG || !isOurs(status.uid) || status.links !== 1) return undefined
    const { size } = status
    if (size < min || size > max) return undefined
    const bytes = new Uint8Array(size)
    return syscall('read', fd, bytes, size) === size ? bytes : undefined
  } finally {
    syscall('close', fd)
  }
}

const isOurs = (uid: number): boolean => uid === process.geteuid?.()

/** Why the directory cannot be trusted; undefined when it can. Makes it if it is missing. */
export function unsafe(directory: string): string | undefined {
  const status = statusOfPath(directory) ?? statusOfNew(directory)
  if (status === undefined || (status.mode & S_IFMT) !== S_IFDIR) return 'it is not a directory'
  if (!isOurs(status.uid)) return `it belongs to user ${status.uid}`
  if ((status.mode & 0o022) !== 0) return `others can write to it (mode ${(status.mode & 0o7777).toString(8)})`
  return undefined
}

function statusOfNew(directory: string): ReturnType<typeof statusOfPath> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return statusOfPath(directory)
}

/**
 * Writes a file of a cache, whose name tells its kind behind the last dot. Others see the old one or the new one, whole.
 *
 * @param most how many of a kind there may be: whatever makes more must not fill the disk
 */
export function keepOwn(directory: string, path: string, bytes: Uint8Array, most: number): void {
  makeRoom(directory, path.slice(path.lastIndexOf('.')), most)
  const temporary = `${path}.${process.pid}`
  try {
    writeAll(temporary, bytes)
    renameSync(temporary, path)
  } catch (error) {
    // A disk that is full has no room for half of a file either.
    rmSync(temporary, { force: true })
    throw error
  }
}

function writeAll(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW[architecture], 0o600)
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
  } finally {
    closeSync(fd)
  }
}

/** Removes the older half of a kind when there are too many. What is needed again is written anew, and is young then. */
function makeRoom(directory: string, extension: string, most: number): void {
  const names = readdirSync(directory).filter((name) => name.replace(/\.\d+$/, '').endsWith(extension))
  if (names.length < most) return
  const paths = names.map((name) => `${directory}/${name}`)
  // Another process may make room at the same time.
  const aged = paths.map((path) => ({ path, written: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
  aged.sort((one, other) => one.written - other.written)
  for (const { path } of aged.slice(0, Math.ceil(most / 2))) rmSync(path, { force: true })
}
