/** The numbers of kernel headers that only src/linux uses; the same on x86-64 and arm64. */
import { errnoNumber } from '../abi/errno.ts'

// fcntl.h
export const F_GETFD = 1
export const F_ADD_SEALS = 1033
export const F_SEAL_SEAL = 1
export const F_SEAL_SHRINK = 2
export const F_SEAL_GROW = 4
export const F_SEAL_WRITE = 8
/** Since Linux 6.3. */
export const F_SEAL_EXEC = 0x20
/** Without the O_DIRECTORY that O_TMPFILE must be combined with, which differs between architectures. */
export const O_TMPFILE_BIT = 0o20000000
export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4
export const LOCK_UN = 8

// linux/memfd.h
export const MFD_CLOEXEC = 1
export const MFD_ALLOW_SEALING = 2
/** Since Linux 6.3. */
export const MFD_EXEC = 0x10

// linux/wait.h, linux/prctl.h, spawn.h
export const WNOHANG = 1
export const PR_SET_CHILD_SUBREAPER = 36
export const POSIX_SPAWN_SETSIGDEF = 0x04
export const POSIX_SPAWN_SETSIGMASK = 0x08

// linux/socket.h
export const MSG_DONTWAIT = 0x40
export const MSG_CMSG_CLOEXEC = 0x40000000
export const MSG_NOSIGNAL = 0x4000

// linux/eventfd.h
export const EFD_CLOEXEC = 0o2000000
export const EFD_NONBLOCK = 0o4000

// linux/auxvec.h
export const AT_FLAGS = 8

// poll.h
export const POLLIN = 0x01
export const POLLPRI = 0x02
export const POLLOUT = 0x04
export const POLLERR = 0x08
export const POLLHUP = 0x10
export const POLLNVAL = 0x20

// asm-generic/ioctls.h, linux/nsfs.h
export const TCGETS = 0x5401
export const TCSETSW = 0x5403
export const TIOCGWINSZ = 0x5413
export const NS_GET_USERNS = 0xb701
export const NS_GET_NSTYPE = 0xb703

export const EINTR = errnoNumber('EINTR')
export const ECHILD = errnoNumber('ECHILD')
export const EAGAIN = errnoNumber('EAGAIN')
export const EACCES = errnoNumber('EACCES')
export const EINVAL = errnoNumber('EINVAL')
export const ENAMETOOLONG = errnoNumber('ENAMETOOLONG')
