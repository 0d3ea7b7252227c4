/** Compiled programs in a directory, one file for each profile; entry.ts has the format. */
import type { Architecture } from '../abi/syscalls.ts'
import { keepOwn, readOwn, unsafe } from '../cache/files.ts'
import { fingerprint } from '../cache/fingerprint.ts'
import { statusOfTarget } from '../cache/statx.ts'
import type { Seccomp } from '../config/types.ts'
import type { RuntimeOptions } from '../container/types.ts'
import * as wording from '../errors/wording.seccomp.ts'
import { type Compiled, type Entry, HEADER_SIZE, MAX_ENTRY_SIZE, packEntry, unpackEntry, VERSION } from './entry.ts'

/** An engine has a handful of profiles. */
const MAX_ENTRIES = 64

/** The file of a library, and what tells it from any other. */
export type Maker = Pick<Entry, 'library' | 'identity'>

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
export function readCached({ path, key }: Place): Entry | undefined {
  const bytes = readOwn(path, HEADER_SIZE, MAX_ENTRY_SIZE)
  const entry = bytes && unpackEntry(bytes, key)
  return entry && isUpToDate(entry) ? entry : undefined
}

/** Keeps a program. What goes wrong is logged, and no error. Gives what has made it. */
export function keep(
  { directory, path, key }: Place,
  compiled: Compiled,
  compiler: Compiler,
  log: RuntimeOptions['log']
): Maker | undefined {
  try {
    const why = unsafe(directory)
    const maker = madeBy(compiler)
    if (why === undefined) keepOwn(directory, path, packEntry(key, { ...compiled, ...maker }), MAX_ENTRIES)
    else log?.('warning', wording.cacheUnsafe(directory, why))
    return maker
  } catch (error) {
    log?.('warning', wording.cacheNotWritten(directory, String(error)))
    return undefined
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
function madeBy(compiler: Compiler): Maker {
  const library = compiler.path()
  const identity = statusOfTarget(library)?.identity()
  if (identity === undefined) throw new Error(`${library} is gone`)
  return { library, identity }
}

/** Whether the library is still the one that has made something. */
export function isUpToDate({ library, identity }: Maker): boolean {
  const now = statusOfTarget(library)?.identity()
  return now !== undefined && now.join() === identity.join()
}
