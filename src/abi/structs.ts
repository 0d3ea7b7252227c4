/**
 * Packing and unpacking of the kernel's structures that the runtime process itself uses. Little-endian, 64-bit; the layouts are those of
 * x86-64 and arm64, which agree on all of these. Pure.
 */

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** How a child ended (wait(2)). Exactly one of `exitCode` and `signal` is set. */
export interface WaitStatus {
  readonly exitCode?: number
  readonly signal?: number
  readonly coreDumped: boolean
}

/** Unpacks the `int` of wait(2) for a child that has ended. */
export function waitStatus(status: number): WaitStatus {
  const signal = status & 0x7f
  if (signal === 0) return { exitCode: (status >> 8) & 0xff, coreDumped: false }
  return { signal, coreDumped: (status & 0x80) !== 0 }
}

/** The exit status that a shell would report: the exit code, or 128 + the signal. */
export const shellStatus = (status: WaitStatus): number => status.exitCode ?? 128 + (status.signal ?? 0)

/** What poll(2) is asked, and answers, about one descriptor. */
export interface PollFd {
  readonly fd: number
  /** POLLIN, POLLOUT, …; errors and hang-ups come unasked. */
  readonly events: number
}

/** `struct pollfd[]`: int fd, short events, short revents. */
export function packPollFds(fds: readonly PollFd[]): Uint8Array {
  const bytes = new Uint8Array(8 * fds.length)
  const out = view(bytes)
  for (const [index, { fd, events }] of fds.entries()) {
    out.setInt32(8 * index, fd, true)
    out.setInt16(8 * index + 4, events, true)
  }
  return bytes
}

/** The `revents` of each entry. */
export function unpackPollFds(bytes: Uint8Array): number[] {
  const from = view(bytes)
  const events: number[] = []
  for (let at = 6; at < bytes.length; at += 8) events.push(from.getInt16(at, true))
  return events
}

/** `struct timespec` of a duration in milliseconds. */
export function packTimespec(milliseconds: number): Uint8Array {
  const bytes = new Uint8Array(16)
  view(bytes).setBigInt64(0, BigInt(Math.floor(milliseconds / 1000)), true)
  view(bytes).setBigInt64(8, BigInt(Math.floor((milliseconds % 1000) * 1e6)), true)
  return bytes
}

/** `struct rlimit64`: two u64. RLIM_INFINITY is 2^64-1. */
export function packRlimit(soft: number | bigint, hard: number | bigint): Uint8Array {
  const bytes = new Uint8Array(16)
  view(bytes).setBigUint64(0, BigInt(soft), true)
  view(bytes).setBigUint64(8, BigInt(hard), true)
  return bytes
}

/** The two values of a `struct rlimit64`. */
export function unpackRlimit(bytes: Uint8Array): { soft: bigint; hard: bigint } {
  return { soft: view(bytes).getBigUint64(0, true), hard: view(bytes).getBigUint64(8, true) }
}

/** `struct open_how` (openat2(2)): flags, mode, resolve. */
export function packOpenHow(flags: number, mode: number, resolve: number): Uint8Array {
  const bytes = new Uint8Array(24)
  view(bytes).setBigUint64(0, BigInt(flags), true)
  view(bytes).setBigUint64(8, BigInt(mode), true)
  view(bytes).setBigUint64(16, BigInt(resolve), true)
  return bytes
}

/** Size of a terminal in characters. */
export interface WindowSize {
  readonly rows: number
  readonly columns: number
}

/** `struct winsize`: rows, columns, and two sizes in pixels that nobody sets. */
export function packWinsize({ rows, columns }: WindowSize): Uint8Array {
  const bytes = new Uint8Array(8)
  view(bytes).setUint16(0, rows, true)
  view(bytes).setUint16(2, columns, true)
  return bytes
}

/** Rows and columns of a `struct winsize`. */
export const unpackWinsize = (bytes: Uint8Array): WindowSize => ({
  rows: view(bytes).getUint16(0, true),
  columns: view(bytes).getUint16(2, true)
})

/** Size of the kernel's `struct termios` (asm-generic/termbits.h): four flag words, c_line, c_cc[19]. libc's own is longer. */
export const TERMIOS_SIZE = 36

/** The `struct termios` that cfmakeraw(3) would make of `termios`. */
export function rawTermios(termios: Uint8Array): Uint8Array {
  const raw = termios.slice()
  const words = view(raw)
  const clear = (offset: number, bits: number) => words.setUint32(offset, words.getUint32(offset, true) & ~bits, true)
  clear(0, 0o2753) // c_iflag: IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
  clear(4, 0o1) // c_oflag: OPOST
  clear(8, 0o460) // c_cflag: CSIZE PARENB
  words.setUint32(8, words.getUint32(8, true) | 0o60, true) // CS8
  clear(12, 0o100113) // c_lflag: ECHO ECHONL ICANON ISIG IEXTEN
  raw[17 + 6] = 1 // c_cc[VMIN]
  raw[17 + 5] = 0 // c_cc[VTIME]
  return raw
}

/** `struct sockaddr_un` with its exact length. A path of more than 107 bytes does not fit: throws a RangeError. */
export function packSockaddrUn(path: string): Uint8Array {
  const name = new TextEncoder().encode(path)
  if (name.length > 107) throw new RangeError(`socket path of ${name.length} bytes`)
  const bytes = new Uint8Array(2 + name.length + 1)
  bytes[0] = 1 // AF_UNIX
  bytes.set(name, 2)
  return bytes
}

/** The same for a name in the abstract namespace, of at most 107 bytes; what counts is the length, not a NUL at the end (unix(7)). */
export function packAbstractName(name: string): Uint8Array {
  const bytes = packSockaddrUn(`\0${name}`)
  return bytes.subarray(0, bytes.length - 1)
}

/** A `struct msghdr` with one buffer, and all that it points to. */
export interface MessageHeader {
  readonly header: Uint8Array
  /** Must stay referenced as long as the kernel may use `header`. */
  readonly keep: readonly unknown[]
}

/**
 * `struct msghdr` (recvmsg(2)) for `data` and `control`. Addresses are of the arrays' memory: the caller keeps the result, `data` and
 * `control` referenced until the call has returned.
 */
export function packMessageHeader(data: Uint8Array, control: Uint8Array, addressOf: (bytes: Uint8Array) => bigint): MessageHeader {
  const iovec = new Uint8Array(16)
  view(iovec).setBigUint64(0, addressOf(data), true)
  view(iovec).setBigUint64(8, BigInt(data.length), true)
  const header = new Uint8Array(56)
  const out = view(header)
  out.setBigUint64(16, addressOf(iovec), true)
  out.setBigUint64(24, 1n, true)
  out.setBigUint64(32, addressOf(control), true)
  out.setBigUint64(40, BigInt(control.length), true)
  return { header, keep: [iovec, data, control] }
}

/** `msg_controllen` and `msg_flags` that recvmsg(2) has written. */
export const unpackMessageHeader = (header: Uint8Array): { controlLength: number; flags: number } => ({
  controlLength: Number(view(header).getBigUint64(40, true)),
  flags: view(header).getInt32(48, true)
})

/** One SCM_RIGHTS control message that carries `fd` (unix(7), cmsg(3)). */
export function packRights(fd: number): Uint8Array {
  const bytes = new Uint8Array(24)
  const out = view(bytes)
  out.setBigUint64(0, 20n, true)
  out.setInt32(8, 1, true) // SOL_SOCKET
  out.setInt32(12, 1, true) // SCM_RIGHTS
  out.setInt32(16, fd, true)
  return bytes
}

/** All descriptors in the SCM_RIGHTS messages of `control`. */
export function unpackRights(control: Uint8Array): number[] {
  const from = view(control)
  const fds: number[] = []
  let offset = 0
  while (offset + 16 <= control.length) {
    const length = Number(from.getBigUint64(offset, true))
    if (length < 16 || offset + length > control.length) break
    if (from.getInt32(offset + 8, true) === 1 && from.getInt32(offset + 12, true) === 1) {
      for (let at = offset + 16; at + 4 <= offset + length; at += 4) fds.push(from.getInt32(at, true))
    }
    offset += (length + 7) & ~7
  }
  return fds
}

/** `f_type` of a `struct statfs` (statfs(2)), such as PROC_SUPER_MAGIC. */
export const unpackStatfsType = (bytes: Uint8Array): number => view(bytes).getUint32(0, true)

/** `f_flags` of a `struct statfs`: ST_ bits, how the mount is mounted. */
export const unpackStatfsFlags = (bytes: Uint8Array): number => view(bytes).getUint32(80, true)

/** Size of `struct statfs` on 64-bit machines. */
export const STATFS_SIZE = 120

/** A set of signals as the kernel and libc hold it: bit n-1 for signal n. 128 bytes, libc's size. */
export function packSignalSet(signals: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(128)
  for (const signal of signals) {
    const bit = signal - 1
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
  return bytes
}

/** What statx(2) tells of a file, as far as a copy needs it. */
export interface FileStatus {
  readonly uid: number
  readonly gid: number
  /** Type and permissions. */
  readonly mode: number
  /** Bytes. */
  readonly size: number
  /** Modification time. */
  readonly seconds: bigint
  readonly nanoseconds: number
  /** Number of a device. */
  readonly major: number
  readonly minor: number
}

/** `struct statx` (linux/stat.h). */
export function unpackStatx(bytes: Uint8Array): FileStatus {
  const from = view(bytes)
  return {
    uid: from.getUint32(20, true),
    gid: from.getUint32(24, true),
    mode: from.getUint16(28, true),
    size: Number(from.getBigUint64(40, true)),
    seconds: from.getBigInt64(112, true),
    nanoseconds: from.getUint32(120, true),
    major: from.getUint32(128, true),
    minor: from.getUint32(132, true)
  }
}

/** The names in `struct linux_dirent64[]` of getdents64(2), without "." and "..": u64 inode, i64 offset, u16 length, u8 type, the name with its NUL. */
export function unpackDirectory(bytes: Uint8Array): Uint8Array[] {
  const from = view(bytes)
  const names: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += from.getUint16(at + 16, true)) {
    const start = at + 19
    const name = bytes.subarray(start, bytes.indexOf(0, start))
    if (!isDots(name)) names.push(name)
  }
  return names
}

const isDots = (name: Uint8Array): boolean => name.length <= 2 && name.every((byte) => byte === 0x2e)
