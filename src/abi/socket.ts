/** linux/socket.h, linux/if.h and asm-generic/ioctls.h: sockets, the loopback device, terminals. */

export const AF_UNIX = 1
export const AF_INET = 2
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_SEQPACKET = 5
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
/** socket(7), SO_SNDTIMEO_OLD of asm-generic/socket.h. */
export const SO_SNDTIMEO = 21
export const SCM_RIGHTS = 1

/** netdevice(7) */
export const SIOCSIFFLAGS = 0x8914
export const IFF_UP = 0x1
export const IFF_RUNNING = 0x40

/** ioctl_tty(2) */
export const TIOCSCTTY = 0x540e
export const TIOCSWINSZ = 0x5414
export const TIOCSPTLCK = 0x40045431
/** Opens the other end of a pseudo-terminal by its master, without any path; Linux 4.13. */
export const TIOCGPTPEER = 0x5441
