/**
 * Compiled programs, one file for each profile. An entry holds the whole profile that it was made from, which is compared byte for byte:
 * no two profiles can be taken for each other, so the name needs no cryptographic hash (and importing one costs more than compiling).
 *
 *     0   "tsrunbpf"                8   u32 version of this format and of the compiler
 *     12  u32 length of key        16   u32 length of stamp       20   u32 length of program
 *     24  u32 1: it notifies       28   u32 0                     32   checksum of the program, 16 characters
 *     48  key: what was compiled;  stamp: which libseccomp did it;  program
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync
} from 'node:fs'
import type { Architecture } from '../abi/syscalls.ts'
import type { Seccomp } from '../config/types.ts'
import type { RuntimeOptions } from '../container/types.ts'
import * as wording from '../errors/wording.seccomp.ts'
import { INSTRUCTION_SIZE, MAX_INSTRUCTIONS } from './bpf.ts'
import { fingerprint } from './fingerprint.ts'

/** To be raised whenever the same profile would compile to another program. */
const VERSION = 1

const MAGIC = 0x6670_626e_7572_7374n
const HEADER_SIZE = 48
/** An engine has a handful of profiles; whatever makes more must not fill the disk. */
const MAX_ENTRIES = 64
const MAX_ENTRY_SIZE = 4 << 20

export interface Entry {
  readonly program: Uint8Array
  readonly listener: boolean
}

/** Where the library that compiles comes from. */
export interface Compiler {
  readonly version: string
  path(): string
}

export interface Cache {
  /** The program for this profile, when there is one that the installed libseccomp has made. */
  read(): Entry | undefined
  /** Keeps a program. What goes wrong is logged, and no error. */
  write(entry: Entry, compiler: Compiler): void
}

/** The place of `profile` in the cache at `directory`. Nothing is read or made yet. */
export function openCache(
  directory: string,
  profile: Seccomp,
  { arch, log }: { readonly arch: Architecture; readonly log?: RuntimeOptions['log'] | undefined }
): Cache {
  const key = keyOf(profile, arch)
  const path = `${directory}/${fingerprint(key)}.bpf`
  return {
    read: () => {
      const contents = readOwn(path)
      return contents && entryOf(contents, key)
    },
    write: (entry, compiler) => {
      const why = unsafe(directory)
      if (why !== undefined) return log?.('warning', wording.cacheUnsafe(directory, why))
      try {
        replace(directory, path, pack(key, Buffer.from(stampOf(compiler)), entry))
      } catch (error) {
        log?.('warning', wording.cacheNotWritten(directory, String(error)))
      }
    }
  }
}

/** What the program depends on. Where the listener is differs between containers and does not count; that there is one does. */
function keyOf(profile: Seccomp, arch: Architecture): Buffer {
  const compiled = { ...profile, listenerPath: Boolean(profile.listenerPath), listenerMetadata: Boolean(profile.listenerMetadata) }
  return Buffer.from(`${VERSION} ${arch} ${toJson(compiled)}`)
}

function toJson(value: object): string {
  try {
    return JSON.stringify(value)
  } catch {
    // Only values over 2^53 are bigint. A replacer takes ten times as long, so it is not used for all.
    return JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? `${field}n` : field))
  }
}

/** Names the library's file and its state; the path stands alone on the first line. */
function stampOf(compiler: Compiler): string {
  const path = compiler.path()
  return `${path}\n${compiler.version} ${fileState(path)}`
}

function fileState(path: string): string {
  const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path)
  return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`
}

function isUpToDate(stamp: string): boolean {
  const end = stamp.indexOf('\n')
  try {
    return end > 0 && stamp.endsWith(` ${fileState(stamp.slice(0, end))}`)
  } catch {
    return false
  }
}

/** A regular file that only we can have written, or undefined. */
function readOwn(path: string): Buffer | undefined {
  let fd: number | undefined
  try {
    // O_NONBLOCK: a FIFO must not hold us up.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const { mode, uid, size, nlink } = fstatSync(fd)
    const ours = (mode & constants.S_IFMT) === constants.S_IFREG && (mode & 0o077) === 0 && uid === process.geteuid!() && nlink === 1
    if (!ours || size < HEADER_SIZE || size > MAX_ENTRY_SIZE) return undefined
    const contents = Buffer.allocUnsafe(size)
    return readSync(fd, contents, 0, size, 0) === size ? contents : undefined
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Unpacks an entry; undefined when it is damaged, of another profile, or of another libseccomp. */
function entryOf(contents: Buffer, key: Buffer): Entry | undefined {
  const keyLength = contents.readUInt32LE(12)
  const stampLength = contents.readUInt32LE(16)
  const programLength = contents.readUInt32LE(20)
  const stampStart = HEADER_SIZE + keyLength
  const programStart = stampStart + stampLength
  if (contents.readBigUInt64LE(0) !== MAGIC || contents.readUInt32LE(8) !== VERSION) return undefined
  if (programStart + programLength !== contents.length || !isProgramLength(programLength)) return undefined
  if (key.compare(contents, HEADER_SIZE, stampStart) !== 0) return undefined
  const program = contents.subarray(programStart)
  if (fingerprint(program) !== contents.toString('latin1', 32, HEADER_SIZE)) return undefined
  if (!isUpToDate(contents.toString('utf8', stampStart, programStart))) return undefined
  return { program, listener: contents[24] === 1 }
}

const isProgramLength = (length: number): boolean =>
  length > 0 && length % INSTRUCTION_SIZE === 0 && length <= MAX_INSTRUCTIONS * INSTRUCTION_SIZE

function pack(key: Buffer, stamp: Buffer, { program, listener }: Entry): Buffer {
  const header = Buffer.alloc(HEADER_SIZE)
  header.writeBigUInt64LE(MAGIC, 0)
  ;[VERSION, key.length, stamp.length, program.length, Number(listener)].forEach((word, i) => void header.writeUInt32LE(word, 8 + 4 * i))
  header.write(fingerprint(program), 32, 'latin1')
  return Buffer.concat([header, key, stamp, program])
}

/** Why the directory cannot be trusted; undefined when it can. Makes it if it is missing. */
function unsafe(directory: string): string | undefined {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const { uid, mode } = lstatSync(directory)
    if ((mode & constants.S_IFMT) !== constants.S_IFDIR) return 'it is not a directory'
    if (uid !== process.geteuid!()) return `it belongs to user ${uid}`
    if ((mode & 0o022) !== 0) return `others can write to it (mode ${(mode & 0o7777).toString(8)})`
    return undefined
  } catch (error) {
    return String(error)
  }
}

function replace(directory: string, path: string, contents: Buffer): void {
  makeRoom(directory)
  const temporary = `${path}.${process.pid}`
  const fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600)
  try {
    for (let done = 0; done < contents.length; ) done += writeSync(fd, contents, done)
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
