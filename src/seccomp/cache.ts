/** Compiled programs in a directory, one file for each profile; entry.ts has the format. */
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY, S_IFDIR, S_IFMT, S_IFREG } from '../abi/fcntl.ts'
import type { Architecture } from '../abi/syscalls.ts'
import type { Seccomp } from '../config/types.ts'
import type { RuntimeOptions } from '../container/types.ts'
import * as wording from '../errors/wording.seccomp.ts'
import { architecture, syscall } from '../linux/ffi.ts'
import { type Compiled, type Entry, HEADER_SIZE, MAX_ENTRY_SIZE, packEntry, unpackEntry, VERSION } from './entry.ts'
import { fingerprint } from './fingerprint.ts'
import { statusOfFd, statusOfPath, statusOfTarget } from './statx.ts'

const O_TRUNC = 0o1000

/** An engine has a handful of profiles; whatever makes more must not fill the disk. */
const MAX_ENTRIES = 64

/** The library that compiles. */
export interface Compiler {
  /** The file that it was loaded from. */
  path(): string
}

/** The place of one profile in a cache. */
export interface Place {
  readonly directory: string
  readonly path: string
  readonly key: string
}

/** Where `profile` is kept. Nothing is read or made. */
export function placeOf(directory: string, profile: Seccomp, arch: Architecture): Place {
  const key = keyOf(profile, arch)
  return { directory, path: `${directory}/${fingerprint(key)}.bpf`, key }
}

/** The program at `place`, when there is one that is ours and that the installed libseccomp has made. */
export function readCached({ path, key }: Place): Compiled | undefined {
  const bytes = readOwn(path)
  const entry = bytes && unpackEntry(bytes, key)
  return entry && isUpToDate(entry) ? entry : undefined
}

/** Keeps a program. What goes wrong is logged, and no error. */
export function keep({ directory, path, key }: Place, compiled: Compiled, compiler: Compiler, log: RuntimeOptions['log']): void {
  try {
    const why = unsafe(directory)
    if (why === undefined) replace(directory, path, packEntry(key, { ...compiled, ...madeBy(compiler) }))
    else log?.('warning', wording.cacheUnsafe(directory, why))
  } catch (error) {
    log?.('warning', wording.cacheNotWritten(directory, String(error)))
  }
}

/** All that the program depends on. Where the listener is differs between containers and does not count; that there is one does. */
function keyOf(profile: Seccomp, arch: Architecture): string {
  const compiled = { ...profile, listenerPath: Boolean(profile.listenerPath), listenerMetadata: Boolean(profile.listenerMetadata) }
  return `${VERSION} ${arch} ${toJson(compiled)}`
}

function toJson(value: object): string {
  try {
    return JSON.stringify(value)
  } catch {
    // Only values over 2^53 are bigint. A replacer takes ten times as long, so it is not used for all.
    return JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? `${field}n` : field))
  }
}

/** The library's file and its state. Throws TsrunError when the file is gone. */
function madeBy(compiler: Compiler): Pick<Entry, 'library' | 'identity'> {
  const library = compiler.path()
  const identity = statusOfTarget(library)?.identity()
  if (identity === undefined) throw new Error(`${library} is gone`)
  return { library, identity }
}

function isUpToDate({ library, identity }: Entry): boolean {
  const now = statusOfTarget(library)?.identity()
  return now !== undefined && now.join() === identity.join()
}

/** The contents of a regular file that only we can have written, or undefined. */
function readOwn(path: string): Uint8Array | undefined {
  // O_NONBLOCK: a FIFO must not hold us up.
  const fd = syscall('openat', AT_FDCWD, path, O_NOFOLLOW[architecture] | O_NONBLOCK | O_CLOEXEC)
  if (fd < 0) return undefined
  try {
    const status = statusOfFd(fd)
    if (status === undefined || (status.mode & 0o170077) !== S_IFREG || !isOurs(status.uid) || status.links !== 1) return undefined
    const { size } = status
    if (size < HEADER_SIZE || size > MAX_ENTRY_SIZE) return undefined
    const bytes = new Uint8Array(size)
    return syscall('read', fd, bytes, size) === size ? bytes : undefined
  } finally {
    syscall('close', fd)
  }
}

const isOurs = (uid: number): boolean => uid === process.geteuid?.()

/** Why the directory cannot be trusted; undefined when it can. Makes it if it is missing. */
function unsafe(directory: string): string | undefined {
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

/** Others see the old file or the new one, whole. */
function replace(directory: string, path: string, bytes: Uint8Array): void {
  makeRoom(directory)
  const temporary = `${path}.${process.pid}`
  const fd = openSync(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW[architecture], 0o600)
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
}

/** Empties a cache that has grown too large: rarer and simpler than finding out what is old. */
function makeRoom(directory: string): void {
  const names = readdirSync(directory)
  if (names.length < MAX_ENTRIES) return
  for (const name of names) if (/\.bpf(\.\d+)?$/.test(name)) unlinkSync(`${directory}/${name}`)
}
