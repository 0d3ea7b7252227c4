/**
 * Finding koffi's native addon and loading it, without ever running a file that somebody else could have written.
 *
 * `process.dlopen` gives the addon's functions directly, on Node and on Bun alike, so koffi's own JavaScript is not needed.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, readlinkSync, type Stats, statSync, writeSync } from 'node:fs'
import { TsrunError } from '../errors/error.ts'
import { O_TMPFILE_BIT } from './constants.ts'

/** A C function bound by koffi; `async` runs it on a thread of the engine's pool. */
export interface NativeFunction {
  // biome-ignore lint/suspicious/noExplicitAny: arguments and results are as the prototype says
  (...args: any[]): any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async(...args: any[]): void
}

/** The part of koffi that we use. */
export interface Koffi {
  load(path: string | null): { func(name: string, result: string, args: readonly string[]): NativeFunction }
  errno(): number
  address(value: Uint8Array | BigUint64Array): bigint | number
}

/** In the executable that scripts/build.ts makes: where the copy of the addon lies that is embedded in it. Elsewhere not defined. */
declare const TSRUN_EMBEDDED_ADDON: string

/** Loads koffi's addon. Throws TsrunError `system` when there is none for this machine. */
export function loadAddon(): Koffi {
  return typeof TSRUN_EMBEDDED_ADDON === 'undefined' ? fromNodeModules() : (besideTheExecutable() ?? fromMemory(TSRUN_EMBEDDED_ADDON))
}

function dlopen(path: string): Koffi {
  const module = { exports: {} as Koffi }
  process.dlopen(module, path)
  return module.exports
}

/** Loads the file that `fd` has open, whatever its path leads to by now, and closes `fd`. */
function dlopenFd(fd: number): Koffi {
  try {
    return dlopen(`/proc/self/fd/${fd}`)
  } finally {
    closeSync(fd)
  }
}

function besideTheExecutable(): Koffi | undefined {
  const executable = readlinkSync('/proc/self/exe')
  const directory = executable.slice(0, executable.lastIndexOf('/')) || '/'
  const fd = openTrusted(directory, 'koffi.node', [0, process.geteuid?.() ?? 0, statSync('/proc/self/exe').uid])
  return fd === undefined ? undefined : dlopenFd(fd)
}

/**
 * Opens file `name` in `directory`; undefined unless it is a regular file that only one of `owners` can write or exchange.
 * The checks are made on open descriptors, so that no race lies between them and the loading; the caller closes the result.
 *
 * For the addon the owners are root, ourselves, and whoever owns the executable: he could have replaced that instead.
 * (In a user namespace root's files belong to nobody that we can name.)
 */
export function openTrusted(directory: string, name: string, owners: readonly number[]): number | undefined {
  const isTrusted = ({ uid, mode }: Stats) => owners.includes(uid) && (mode & 0o022) === 0
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
  const fds: number[] = []
  try {
    const directoryFd = openSync(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    fds.push(directoryFd)
    const fd = openSync(`/proc/self/fd/${directoryFd}/${name}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    fds.push(fd)
    const file = fstatSync(fd)
    if (file.isFile() && isTrusted(file) && isTrusted(fstatSync(directoryFd))) return fds.pop()
  } catch {
    // What is absent or cannot be opened is no file to trust.
  } finally {
    for (const fd of fds) closeSync(fd)
  }
  return undefined
}

/** Where a file without a name can be made, most likely in memory; some of them may be mounted noexec. */
const PLACES = ['/dev/shm', '/run', '/tmp', '/var/tmp']

/** Bun would unpack the addon to a path in /tmp that can be guessed, and load it from there. A file that has no name is out of anybody's reach. */
function fromMemory(embedded: string): Koffi {
  const addon = readFileSync(embedded)
  const executable = readlinkSync('/proc/self/exe')
  let cause: unknown
  for (const directory of [...PLACES, executable.slice(0, executable.lastIndexOf('/'))]) {
    try {
      return dlopenFd(unnamedFile(directory, addon))
    } catch (error) {
      cause = error
    }
  }
  const why = 'no place for it in memory, and no trustworthy "koffi.node" beside the executable'
  throw new TsrunError('system', `cannot load koffi: ${why}`, { cause })
}

/** A file with this content; the caller closes it. It is opened anew, so that nobody holds it for writing. */
function unnamedFile(directory: string, content: Uint8Array): number {
  const { O_DIRECTORY, O_RDWR, O_RDONLY, O_EXCL } = constants
  // O_EXCL: it can never be given a name (open(2)).
  const writable = openSync(directory, O_TMPFILE_BIT | O_DIRECTORY | O_RDWR | O_EXCL, 0o400)
  try {
    for (let written = 0; written < content.length; ) written += writeSync(writable, content, written)
    return openSync(`/proc/self/fd/${writable}`, O_RDONLY)
  } finally {
    closeSync(writable)
  }
}

/** Where npm puts the addon: beside our own package's code, in this or an outer `node_modules`. glibc first, then musl. */
function fromNodeModules(): Koffi {
  const parts = decodeURIComponent(new URL(import.meta.url).pathname).split('/')
  const tried: string[] = []
  let cause: unknown
  for (let length = parts.length - 1; length > 0; length--) {
    const folder = `${parts.slice(0, length).join('/')}/node_modules/@koromix/koffi-linux-${process.arch}`
    if (!existsSync(folder)) continue
    for (const libc of ['linux', 'musl']) {
      const path = `${folder}/${libc}_${process.arch}/koffi.node`
      tried.push(path)
      try {
        return dlopen(path)
      } catch (error) {
        cause = error
      }
    }
  }
  const where = tried.length === 0 ? 'the package "koffi" is not installed' : `tried ${tried.join(', ')}`
  throw new TsrunError('system', `cannot load koffi for ${process.arch}: ${where}`, { cause })
}
