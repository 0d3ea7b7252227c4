/**
 * Finding koffi's native addon and loading it, without ever running a file that somebody else could have written.
 *
 * `process.dlopen` gives the addon's functions directly, on Node and on Bun alike, so koffi's own JavaScript is not needed.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, readlinkSync, type Stats, statSync, writeSync } from 'node:fs'
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

/** The two functions that put the embedded copy in a memfd. Bun's own FFI binds them; it knows neither async calls nor errno. */
interface MemfdFunctions {
  memfd_create(name: Uint8Array, flags: number): number
  fcntl(fd: number, command: number, argument: number): number
}

/** Bun would unpack the addon to a path in /tmp that can be guessed, and load it from there. A sealed memfd is out of anybody's reach. */
function fromMemory(path: string): Koffi {
  const { memfd_create, fcntl } = bunFunctions()
  // MFD_CLOEXEC | MFD_ALLOW_SEALING; it is mapped, not executed, so MFD_NOEXEC_SEAL may be added where a kernel demands it.
  const name = new TextEncoder().encode('koffi.node\0')
  let fd = memfd_create(name, 3)
  if (fd < 0) fd = memfd_create(name, 3 | 8)
  if (fd < 0)
    throw new TsrunError('system', 'cannot load koffi: no memory file for it, and no trustworthy "koffi.node" beside the executable')
  const addon = readFileSync(path)
  for (let written = 0; written < addon.length; ) written += writeSync(fd, addon, written)
  // F_ADD_SEALS: F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
  fcntl(fd, 1033, 15)
  return dlopenFd(fd)
}

function bunFunctions(): MemfdFunctions {
  // biome-ignore lint/suspicious/noExplicitAny: a module of Bun, whose types we do not depend on
  const { dlopen: open } = (process as any).getBuiltinModule('bun:ffi')
  const prototypes = {
    memfd_create: { args: ['ptr', 'u32'], returns: 'i32' },
    fcntl: { args: ['i32', 'i32', 'i32'], returns: 'i32' }
  }
  try {
    return open('libc.so.6', prototypes).symbols
  } catch {
    return open('libc.so', prototypes).symbols
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
