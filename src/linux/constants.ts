/** The numbers of kernel headers that src/linux uses. Values that differ between architectures are not here. */

// fcntl.h
export const AT_FDCWD = -100
export const AT_EMPTY_PATH = 0x1000
export const F_GETFD = 1
export const F_DUPFD_CLOEXEC = 1030
export const F_ADD_SEALS = 1033
export const F_SEAL_SEAL = 1
export const F_SEAL_SHRINK = 2
export const F_SEAL_GROW = 4
export const F_SEAL_WRITE = 8
/** Since Linux 6.3. */
export const F_SEAL_EXEC = 0x20
export const O_RDONLY = 0
export const O_RDWR = 2
export const O_CREAT = 0o100
export const O_CLOEXEC = 0o2000000
export const O_PATH = 0o10000000
/** Without the O_DIRECTORY that O_TMPFILE must be combined with, which differs between architectures. */
export const O_TMPFILE_BIT = 0o20000000
export const RESOLVE_NO_XDEV = 0x01
export const RESOLVE_NO_MAGICLINKS = 0x02
export const RESOLVE_NO_SYMLINKS = 0x04
export const RESOLVE_BENEATH = 0x08
export const RESOLVE_IN_ROOT = 0x10
export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4
export const LOCK_UN = 8

// linux/memfd.h
export const MFD_CLOEXEC = 1
export const MFD_ALLOW_SEALING = 2
/** Since Linux 6.3. */
export const MFD_EXEC = 0x10

// linux/mount.h
export const OPEN_TREE_CLONE = 1
export const OPEN_TREE_CLOEXEC = O_CLOEXEC
export const AT_RECURSIVE = 0x8000

// linux/wait.h, linux/prctl.h, spawn.h
export const WNOHANG = 1
export const PR_SET_CHILD_SUBREAPER = 36
export const POSIX_SPAWN_SETSIGDEF = 0x04
export const POSIX_SPAWN_SETSIGMASK = 0x08

// linux/socket.h
export const AF_UNIX = 1
export const SOCK_STREAM = 1
export const SOCK_SEQPACKET = 5
export const SOCK_CLOEXEC = O_CLOEXEC
export const MSG_DONTWAIT = 0x40
export const MSG_CMSG_CLOEXEC = 0x40000000
export const MSG_NOSIGNAL = 0x4000

// poll.h
export const POLLIN = 0x01
export const POLLOUT = 0x04
export const POLLERR = 0x08
export const POLLHUP = 0x10
export const POLLNVAL = 0x20

// asm-generic/ioctls.h, linux/nsfs.h
export const TCGETS = 0x5401
export const TCSETSW = 0x5403
export const TIOCGWINSZ = 0x5413
export const TIOCSWINSZ = 0x5414
export const NS_GET_USERNS = 0xb701
export const NS_GET_NSTYPE = 0xb703

// linux/resource.h
export const RLIMIT_NOFILE = 7

// asm-generic/errno.h
export const ENOENT = 2
export const ESRCH = 3
export const EINTR = 4
export const ECHILD = 10
export const EAGAIN = 11
export const EACCES = 13
export const EINVAL = 22
export const ENOTTY = 25
export const ENAMETOOLONG = 36
