/**
 * `tmpcopyup`, the runtime's side: walks a directory of the container and copies what it holds into a tmpfs, with init's hands (plan/hands.ts).
 *
 * The directory belongs to the image, and may be shared with somebody who changes it meanwhile. So nothing is named but by one component below an open
 * directory, no symlink is followed, and nothing is opened for reading before it was seen to be a regular file or a directory. The modes, owners,
 * extended attributes and times are those of what was opened.
 */
import { errnoName, errnoText } from '../abi/errno.ts'
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../abi/fcntl.ts'
import { type FileStatus, unpackDirectory, unpackStatfsType, unpackStatx } from '../abi/structs.ts'
import { cannotCopyUp, copyUpLimits, deviceNotCopied, mountNotCopied } from '../errors/wording.copy-up.ts'
import { errnoNameOf } from '../errors/wording.ts'
import { readMessage, writeAll } from '../linux/socket.ts'
import { decodeReply, encodeRequest, REPLY_SIZE, type Reply, type RequestArguments, type RequestName } from '../plan/hands.ts'
import { encodeDevice } from '../plan/passes/devices.ts'
import { decodeMessage } from '../plan/protocol.ts'
import type { Interrupt } from './interrupt.ts'
import { isGone, untilReadable } from './protocol.ts'

/** What is to be copied up, and over which connection. */
export interface CopyUp {
  /** Path in the container, for messages. */
  readonly destination: string
  /** Place of the option in config.json. */
  readonly pointer: string
  /** The runtime's end; init waits there for a request. */
  readonly sync: number
  readonly interrupt: Interrupt
  readonly warn: (message: string) => void
}

/** Two descriptors of init are open for each directory on the way down. */
const MOST_NESTED = 200
/** What a runaway or hostile directory can hold us up with. */
const MOST_ENTRIES = 1_000_000
/** Bytes that are copied before signals are looked at again. */
const CHUNK = 16 << 20
/** How long signals may wait. */
const TURN_MS = 50
/** Requests that are sent ahead. Their short replies must have room in the socket, which holds some 200 KB, while none of them is read. */
const BATCH = 32
/** The same for files, whose replies may be long. */
const FILES = 8

/** linux/magic.h: file systems that are the kernel's own interfaces. */
const KERNEL_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x27e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x73636673, 'securityfs'],
  [0xcafe4a11, 'bpf'],
  [0x6165676c, 'pstore'],
  [0xde5e81e4, 'efivarfs'],
  [0xf97cff8c, 'selinuxfs'],
  [0x43415d53, 'smackfs'],
  [0x62656570, 'configfs'],
  [0x6e736673, 'nsfs'],
  [0x1cd1, 'devpts'],
  [0x19800202, 'mqueue'],
  [0x42494e4d, 'binfmt_misc'],
  [0x7655821, 'resctrl']
])

/** One directory and its copy, by init's descriptors. */
interface Pair {
  readonly from: number
  readonly into: number
  /** In the container. */
  readonly path: string
  readonly depth: number
}

/** Thrown when init is gone without a word; whoever waits for its next notice finds out how. */
class Gone extends Error {}

/**
 * Copies; returns when init waits for the answer to its notice, or is gone.
 * @throws TsrunError with the path and the pointer; init has then ended
 */
export async function copyUp(what: CopyUp): Promise<void> {
  try {
    await copyAll(what)
  } catch (cause) {
    if (!(cause instanceof Gone)) throw cause
  }
}

async function copyAll(what: CopyUp): Promise<void> {
  const hands = new Hands(what)
  const { source, tmpfs, data } = await hands.ask('begin', {}, what.destination)
  // A symlink of the image leads where it likes, but masked paths are masked later.
  const kernels = KERNEL_FILE_SYSTEMS.get(unpackStatfsType(data))
  if (kernels !== undefined) throw hands.refuse(what.destination, copyUpLimits.kernels(kernels))
  await copyDirectory(hands, { from: source, into: tmpfs, path: what.destination.replace(/\/+$/, ''), depth: 0 })
}

/** A request, with the path that a failure names. */
type Ask = readonly [what: RequestName, args: RequestArguments, path: string]

/** Init's hands, and what is counted. */
class Hands {
  private readonly what: CopyUp
  private entries = 0
  private lastTurn = performance.now()

  constructor(what: CopyUp) {
    this.what = what
  }

  /** One request, and its reply. */
  async ask(...ask: Ask): Promise<Reply> {
    return (await this.askAll([ask]))[0]!
  }

  /** At most BATCH requests, sent ahead, and their replies. Only the last may have more than a short one. */
  async askAll(all: readonly Ask[]): Promise<readonly Reply[]> {
    const { sync, interrupt } = this.what
    await this.turn()
    for (const [what, args] of all) send(sync, encodeRequest(what, args))
    const replies: Reply[] = []
    for (const [, , path] of all) {
      await untilReadable(sync, interrupt)
      replies.push(this.replyOr(path, receive(sync)))
    }
    return replies
  }

  /** Signals are seen by the event loop only, which never gets a turn while every reply is there at once. */
  private async turn(): Promise<void> {
    const now = performance.now()
    if (now - this.lastTurn < TURN_MS) return
    await new Promise((resolve) => setImmediate(resolve))
    this.lastTurn = now
    this.what.interrupt.check()
  }

  private replyOr(path: string, message: Uint8Array): Reply {
    const reply = decodeReply(message)
    if (reply !== undefined) return reply
    if (message.length === 0) throw new Gone()
    const failed = decodeMessage(message)
    if (failed.kind !== 'failed') throw new RangeError(`${failed.kind} in the middle of a copy`)
    throw this.refuse(path, `${errnoText(failed.errno)} (${errnoName(failed.errno)})`)
  }

  /** Opens a directory for reading. */
  async directory(parent: number, name: Uint8Array, path: string): Promise<Opened> {
    const opened = openedOf(await this.ask('directory', { a: parent, name }, path))
    if (opened === undefined) throw this.refuse(path, copyUpLimits.vanished)
    return opened
  }

  async close(...fds: readonly number[]): Promise<void> {
    await this.askAll(fds.map((a) => ['close', { a }, '']))
  }

  count(path: string, entries: number): void {
    this.entries += entries
    if (this.entries > MOST_ENTRIES) throw this.refuse(path, copyUpLimits.entries(MOST_ENTRIES))
  }

  refuse(path: string, why: string): Error {
    return cannotCopyUp(path, this.what.destination, why, this.what.pointer)
  }

  warn(message: string): void {
    this.what.warn(`${message} [${this.what.pointer}]`)
  }
}

/** Requests that an init which has failed did not read make an error of their own, once; what it has said is behind that. */
function receive(sync: number): Uint8Array {
  try {
    return readMessage(sync, REPLY_SIZE)
  } catch (cause) {
    if (errnoNameOf(cause) !== 'ECONNRESET') throw cause
    return readMessage(sync, REPLY_SIZE)
  }
}

function send(sync: number, request: Uint8Array): void {
  try {
    writeAll(sync, request)
  } catch (cause) {
    // Why it has ended, if it has said so, can still be read.
    if (!isGone(cause)) throw cause
  }
}

type Opened = FileStatus & { readonly fd: number }

/** Something else is mounted there (see Request.look). */
const MOUNT_POINT = 1

const openedOf = ({ result, data }: Reply): Opened | undefined => (result <= MOUNT_POINT ? undefined : { fd: result, ...unpackStatx(data) })

/** One thing that is copied: where, and what was found. */
interface Item {
  readonly name: Uint8Array
  readonly path: string
  readonly found: Opened
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const DOT = encoder.encode('.')

async function copyDirectory(hands: Hands, pair: Pair): Promise<void> {
  if (pair.depth > MOST_NESTED) throw hands.refuse(pair.path, copyUpLimits.nested(MOST_NESTED))
  const names = await namesIn(hands, pair)
  for (let i = 0; i < names.length; i += BATCH) await copyItems(hands, pair, names.slice(i, i + BATCH))
}

/** All names first: they would go on changing if the directory were read while it is copied. */
async function namesIn(hands: Hands, { from, path }: Pair): Promise<readonly Uint8Array[]> {
  const names: Uint8Array[] = []
  for (;;) {
    const { result, data } = await hands.ask('list', { a: from }, path)
    if (result === 0) return names
    const found = unpackDirectory(data.slice(0, result))
    hands.count(path, found.length)
    names.push(...found)
  }
}

async function copyItems(hands: Hands, pair: Pair, names: readonly Uint8Array[]): Promise<void> {
  const paths = names.map((name) => `${pair.path}/${decoder.decode(name)}`)
  const replies = await hands.askAll(names.map((name, i) => ['look', { a: pair.from, name }, paths[i]!]))
  for (const [i, { result }] of replies.entries()) if (result === MOUNT_POINT) hands.warn(mountNotCopied(paths[i]!))
  const items = names
    .map((name, i) => ({ name, path: paths[i]!, found: openedOf(replies[i]!) }))
    .filter((item): item is Item => item.found !== undefined)
  const isFile = ({ found }: Item): boolean => (found.mode & S_IFMT) === S_IFREG
  await copyFiles(hands, pair, items.filter(isFile))
  for (const item of items) {
    if (isFile(item)) continue
    await copyOther(hands, pair, item)
    await hands.close(item.found.fd)
  }
}

function copyOther(hands: Hands, pair: Pair, item: Item): Promise<void> {
  const type = item.found.mode & S_IFMT
  if (type === S_IFDIR) return copySubdirectory(hands, pair, item)
  return type === S_IFLNK ? copySymlink(hands, pair, item) : copyNode(hands, pair, item)
}

async function copySubdirectory(hands: Hands, pair: Pair, { name, path, found }: Item): Promise<void> {
  const from = await hands.directory(found.fd, DOT, path)
  await hands.ask('mkdir', { a: pair.into, name, b: 0o700 }, path)
  const into = await hands.directory(pair.into, name, path)
  await copyDirectory(hands, { from: from.fd, into: into.fd, path, depth: pair.depth + 1 })
  await hands.ask('finish', { a: into.fd, ...statusOf(from) }, path)
  await copyAttributes(hands, from.fd, into.fd, path)
  await hands.close(from.fd, into.fd)
}

/** Owner, mode and times, as requests take them. */
const statusOf = ({ uid, gid, mode, seconds, nanoseconds }: FileStatus) => ({
  b: uid,
  c: gid,
  d: mode & 0o7777,
  time: { seconds, nanoseconds }
})

/** Small files are sent ahead, for each needs one call; its output is closed unless there is more to do. */
async function copyFiles(hands: Hands, pair: Pair, items: readonly Item[]): Promise<void> {
  for (let i = 0; i < items.length; i += FILES) {
    const some = items.slice(i, i + FILES)
    const replies = await hands.askAll(some.map((item) => ['file', fileArguments(pair, item), item.path]))
    for (const [k, reply] of replies.entries()) await finishFile(hands, some[k]!, reply)
  }
}

/** No number of bytes that one call copies. */
const NEVER = 0xffff_ffff

/** The very file that was looked at is opened, by the host's procfs, which init still sees. */
const fileArguments = ({ into }: Pair, { name, found }: Item): RequestArguments => ({
  a: into,
  name,
  ...statusOf(found),
  e: Math.min(found.size, CHUNK),
  // Of a large one there is more to copy.
  g: found.size <= CHUNK ? found.size : NEVER,
  f: found.fd,
  target: encoder.encode(`/proc/self/fd/${found.fd}`)
})

async function finishFile(hands: Hands, { found, path }: Item, { result, input, output, copied }: Reply): Promise<void> {
  const whole = copied === found.size
  if (whole && result === 0) return
  for (let left = found.size - copied; left > 0; ) {
    const more = await hands.ask('copy', { a: output, b: input, c: Math.min(left, CHUNK) }, path)
    if (more.result === 0) break
    left -= more.result
  }
  if (!whole) await hands.ask('finish', { a: output, ...statusOf(found) }, path)
  await copyAttributes(hands, input, output, path)
  await hands.close(input, output)
}

async function copySymlink(hands: Hands, pair: Pair, { name, path, found }: Item): Promise<void> {
  const { result, data } = await hands.ask('readlink', { a: found.fd }, path)
  await hands.ask('symlink', { a: pair.into, name, target: data.slice(0, result), ...statusOf(found) }, path)
}

/** Devices, FIFOs and sockets. In a user namespace no device can be made, and those of an image are none of the container's. */
async function copyNode(hands: Hands, pair: Pair, { name, path, found }: Item): Promise<void> {
  const isDevice = [S_IFCHR, S_IFBLK].includes(found.mode & S_IFMT)
  const number = isDevice ? encodeDevice(found.major, found.minor) : 0
  const { result } = await hands.ask('mknod', { a: pair.into, name, b: found.mode, c: number }, path)
  if (result !== 0) hands.warn(deviceNotCopied(path))
  else await hands.ask('finishName', { a: pair.into, name, ...statusOf(found) }, path)
}

/** Extended attributes, after the owner: chown(2) drops capabilities. */
async function copyAttributes(hands: Hands, from: number, into: number, path: string): Promise<void> {
  const { result, data } = await hands.ask('listxattr', { a: from }, path)
  for (const name of textsIn(data.slice(0, result))) await hands.ask('xattr', { a: from, b: into, name }, path)
}

/** Each with its NUL. */
function textsIn(list: Uint8Array): readonly Uint8Array[] {
  const texts: Uint8Array[] = []
  for (let at = 0; at < list.length; ) {
    const end = list.indexOf(0, at)
    texts.push(list.subarray(at, end))
    at = end + 1
  }
  return texts
}
