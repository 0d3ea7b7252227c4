/** statx(2). node:fs needs a tenth of a millisecond for its first stat, this a tenth of that. */
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../abi/fcntl.ts'
import { syscall } from '../linux/ffi.ts'

const STATX_BASIC_STATS = 0x7ff
const SIZE = 256

/** What we read of `struct statx`. */
export interface Status {
  /** With the bits of the file's type. */
  readonly mode: number
  readonly uid: number
  readonly links: number
  /** In bytes. */
  readonly size: number
  /** Fourteen words that change whenever the file is replaced or written. */
  identity(): Uint32Array
}

/** The status of an open file; undefined when the kernel gives none. */
export const statusOfFd = (fd: number): Status | undefined => status(fd, '', AT_EMPTY_PATH)

/** The status of what `path` leads to. */
export const statusOfTarget = (path: string): Status | undefined => status(AT_FDCWD, path, 0)

/** The status of `path` itself, also when it is a symlink. */
export const statusOfPath = (path: string): Status | undefined => status(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)

function status(fd: number, path: string, flags: number): Status | undefined {
  const words = new Uint32Array(SIZE / 4)
  if (syscall('statx', fd, path, flags, STATX_BASIC_STATS, new Uint8Array(words.buffer)) < 0) return undefined
  return {
    links: words[4]!,
    uid: words[5]!,
    mode: words[7]! & 0xffff,
    size: words[10]! + words[11]! * 2 ** 32,
    identity: () => {
      const identity = new Uint32Array(14)
      identity.set(words.subarray(8, 12)) // stx_ino, stx_size
      identity.set(words.subarray(24, 32), 4) // stx_ctime, stx_mtime
      identity.set(words.subarray(34, 36), 12) // stx_dev_major, stx_dev_minor
      return identity
    }
  }
}
