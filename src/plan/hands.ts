/**
 * What init does for the runtime while a directory is copied up into a tmpfs: the runtime decides, init is its hands, for it has the ids, the rights and
 * the memory limit of the container. One request, one or a few system calls, one reply, over `sync`; passes/copy-up.ts has the calls.
 *
 * A request, little-endian, as long as its last text:
 *
 *     0    u32 what          see Request; 1, the usual answer to a notice, ends the talk
 *     4    i32 a, b … g      numbers: descriptors of init, flags, modes, ids
 *     32   times             two struct timespec for utimensat(2): access, modification
 *     64   name              a text with its NUL
 *     320  target            another: where a symlink leads, a path of the host's procfs
 *
 * A reply:
 *
 *     0    i32 result        of the call; 0 when the thing is not there
 *     4    i32 source, tmpfs init's descriptors of the two directories
 *     12   i32 input, output, copied  of the file that was copied last
 *     24   data              what the call has filled; most replies have only the beginning of it
 */
import { buffer } from './structs.ts'

/** The calls that can be asked for. What is not a path's last component is never named: everything is below a descriptor. */
export const Request = {
  /** fstatfs(source); the reply holds the two descriptors. */
  begin: 2,
  /** openat2(a, name) with O_PATH, no symlink followed, and statx(2) of what was opened into data; the result is 1 for a mount point. */
  look: 3,
  /** The same for a directory that is to be read. */
  directory: 16,
  /** getdents64(a). */
  list: 4,
  /**
   * A whole file: openat(AT_FDCWD, target) = input, openat(a, name) = output, sendfile(output, input, NULL, e) = copied; then fchown(output, b, c),
   * fchmod(output, d), utimensat(output, NULL, times), flistxattr(input) and close of both. The two stay open when copied is not g,
   * and when there are extended attributes. f is closed.
   */
  file: 5,
  /** readlinkat(a, ""), for a symlink that was opened with O_PATH. */
  readlink: 6,
  /** symlinkat(target, a, name), and then as `finishName`. */
  symlink: 7,
  /** mkdirat(a, name, b). */
  mkdir: 8,
  /** mknodat(a, name, b, c); the result is 1 where devices may not be made. */
  mknod: 9,
  /** sendfile(a, b, NULL, c). */
  copy: 10,
  /** flistxattr(a). */
  listxattr: 11,
  /** fgetxattr(a, name) and fsetxattr(b, name). */
  xattr: 12,
  /** fchown(a, b, c), fchmod(a, d), utimensat(a, NULL, times). */
  finish: 13,
  /** fchownat(a, name, b, c) and utimensat(a, name, times), of a symlink itself. */
  finishName: 14,
  /** close(a). */
  close: 15
} as const

export type RequestName = keyof typeof Request

/** Offsets in a request. */
export const RequestField = { what: 0, a: 4, b: 8, c: 12, d: 16, e: 20, f: 24, g: 28, times: 32, name: 64, target: 320 } as const
export const REQUEST_SIZE = 320 + 4096

/** Offsets in a reply. */
export const ReplyField = { result: 0, source: 4, tmpfs: 8, input: 12, output: 16, copied: 20, data: 24 } as const
/** Room for directory entries, the longest target of a symlink, and an extended attribute. */
export const DATA_SIZE = 8192
export const REPLY_SIZE = ReplyField.data + DATA_SIZE
/** With struct statx (linux/stat.h) for data. Short ones fit into a socket by the dozen, so that requests can be sent ahead. */
export const SHORT_REPLY_SIZE = ReplyField.data + 256

/** What a request says. */
export interface RequestArguments {
  readonly a?: number
  readonly b?: number
  readonly c?: number
  readonly d?: number
  readonly e?: number
  readonly f?: number
  readonly g?: number
  /** Modification time in seconds and nanoseconds; the access time becomes the same. */
  readonly time?: { readonly seconds: bigint; readonly nanoseconds: number }
  /** Bytes: names in a file system need not be UTF-8. */
  readonly name?: Uint8Array
  readonly target?: Uint8Array
}

/** The bytes of a request. Throws a RangeError for a text that has no room. */
export function encodeRequest(what: RequestName, args: RequestArguments): Uint8Array {
  const { a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, time, name, target } = args
  const out = new Uint8Array(target === undefined ? RequestField.target : RequestField.target + target.length + 1)
  const view = new DataView(out.buffer)
  for (const [i, word] of [Request[what], a, b, c, d, e, f, g].entries()) view.setUint32(4 * i, word, true)
  if (time !== undefined) {
    for (const at of [RequestField.times, RequestField.times + 16]) {
      view.setBigInt64(at, time.seconds, true)
      view.setUint32(at + 8, time.nanoseconds, true)
    }
  }
  putText(out, RequestField.name, RequestField.target, name)
  putText(out, RequestField.target, REQUEST_SIZE, target)
  return out
}

function putText(out: Uint8Array, at: number, end: number, text: Uint8Array = new Uint8Array()): void {
  if (at + text.length + 1 > end || text.includes(0)) throw new RangeError(`a text of ${text.length} bytes`)
  out.set(text, at)
}

/** One reply. */
export interface Reply {
  readonly result: number
  readonly source: number
  readonly tmpfs: number
  readonly input: number
  readonly output: number
  readonly copied: number
  readonly data: Uint8Array
}

/** Reads a reply; undefined for a message that is none. */
export function decodeReply(message: Uint8Array): Reply | undefined {
  if (message.length !== REPLY_SIZE && message.length !== SHORT_REPLY_SIZE) return undefined
  const view = new DataView(message.buffer, message.byteOffset)
  const word = (at: number): number => view.getInt32(at, true)
  return {
    result: word(ReplyField.result),
    source: word(ReplyField.source),
    tmpfs: word(ReplyField.tmpfs),
    input: word(ReplyField.input),
    output: word(ReplyField.output),
    copied: word(ReplyField.copied),
    data: message.subarray(ReplyField.data)
  }
}

/** The bytes that hold a request in the program. */
export const requestBuffer = () => buffer(REQUEST_SIZE, '{request}')
/** And a reply. */
export const replyBuffer = () => buffer(REPLY_SIZE, '{reply}')
