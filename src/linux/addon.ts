/**
 * Finding koffi's native addon and loading it, without ever running a file that somebody else could have written.
 *
 * `process.dlopen` gives the addon's functions directly, on Node and on Bun alike, so koffi's own JavaScript is not needed.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readlinkSync } from 'node:fs'
import { TsrunError } from '../errors/error.ts'

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

/** True in the executable that scripts/build.ts makes: it defines this name. */
declare const TSRUN_STANDALONE: boolean | undefined
const standalone = typeof TSRUN_STANDALONE !== 'undefined' && TSRUN_STANDALONE

/** Loads koffi's addon. Throws TsrunError `system` when there is none that is safe to load. */
export function loadAddon(): Koffi {
  return standalone ? besideTheExecutable() : fromNodeModules()
}

function dlopen(path: string): Koffi {
  const module = { exports: {} as Koffi }
  process.dlopen(module, path)
  return module.exports
}

/**
 * Opens `path` and returns the descriptor if nobody but root and we ourselves can change the file or exchange it: else undefined.
 * The check is made on the open descriptor, which the caller then loads, so that no race lies between.
 */
export function openTrusted(directory: string, name: string): number | undefined {
  const noFollow = constants.O_RDONLY | constants.O_NOFOLLOW
  let directoryFd: number | undefined
  let fd: number | undefined
  try {
    directoryFd = openSync(directory, noFollow | constants.O_DIRECTORY)
    fd = openSync(`/proc/self/fd/${directoryFd}/${name}`, noFollow | constants.O_NONBLOCK)
    const file = fstatSync(fd)
    if (file.isFile() && onlyOursToWrite(file) && onlyOursToWrite(fstatSync(directoryFd))) {
      const trusted = fd
      fd = undefined
      return trusted
    }
  } catch {
    // Absent or unreadable is as good as untrusted.
  } finally {
    if (fd !== undefined) closeSync(fd)
    if (directoryFd !== undefined) closeSync(directoryFd)
  }
  return undefined
}

function onlyOursToWrite({ uid, mode }: { uid: number; mode: number }): boolean {
  return (uid === 0 || uid === process.geteuid?.()) && (mode & 0o022) === 0
}

function besideTheExecutable(): Koffi {
  const executable = readlinkSync('/proc/self/exe')
  const fd = openTrusted(executable.slice(0, executable.lastIndexOf('/')) || '/', 'koffi.node')
  if (fd === undefined) throw new TsrunError('system', `cannot load "koffi.node" beside "${executable}": not there, or others can write it`)
  try {
    return dlopen(`/proc/self/fd/${fd}`)
  } finally {
    closeSync(fd)
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
