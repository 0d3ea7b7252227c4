/** linux/fcntl.h, asm-generic/fcntl.h, linux/openat2.h and linux/stat.h: opening and looking at files. */
import type { Architecture } from './syscalls.ts'

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200
export const AT_EACCESS = 0x200
export const AT_EMPTY_PATH = 0x1000
export const AT_RECURSIVE = 0x8000

export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_NOCTTY = 0o400
export const O_NONBLOCK = 0o4000
export const O_CLOEXEC = 0o2000000
export const O_PATH = 0o10000000

/** The two flags whose numbers differ: arm64 keeps arm's. */
export const O_DIRECTORY: Readonly<Record<Architecture, number>> = { x64: 0o200000, arm64: 0o40000 }
export const O_NOFOLLOW: Readonly<Record<Architecture, number>> = { x64: 0o400000, arm64: 0o100000 }

export const F_GETFD = 1
export const F_DUPFD_CLOEXEC = 1030

/** linux/openat2.h */
export const RESOLVE_NO_XDEV = 0x01
export const RESOLVE_NO_MAGICLINKS = 0x02
export const RESOLVE_NO_SYMLINKS = 0x04
export const RESOLVE_BENEATH = 0x08
export const RESOLVE_IN_ROOT = 0x10

/** linux/stat.h */
export const S_IFMT = 0o170000
export const S_IFIFO = 0o010000
export const S_IFCHR = 0o020000
export const S_IFDIR = 0o040000
export const S_IFBLK = 0o060000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
export const STATX_TYPE = 0x1
export const STATX_MODE = 0x2

/** unistd.h */
export const X_OK = 1

/** linux/close_range.h, Linux 5.11 */
export const CLOSE_RANGE_CLOEXEC = 4
