/**
 * The only file that calls native functions: system calls through syscall(2), and the few functions of libc that are no system calls.
 */
import { errnoName, errnoText } from '../abi/errno.ts'
import { type Architecture, type SyscallName, syscallNumber } from '../abi/syscalls.ts'
import { TsrunError } from '../errors/error.ts'
import { type Koffi, loadAddon, type NativeFunction } from './addon.ts'

/** Numbers are sign-extended to 64 bits; bytes pass their address; strings the address of a NUL-terminated UTF-8 copy; null is 0. */
export type NativeArgument = number | bigint | Uint8Array | BigUint64Array | string | null

let koffi: Koffi | undefined
let library: ReturnType<Koffi['load']> | undefined
let raw: NativeFunction | undefined

/** This machine's architecture; other values of process.arch have no table and fail at the first call. */
export const architecture = process.arch as Architecture

function addon(): Koffi {
  koffi ??= loadAddon()
  return koffi
}

/**
 * Binds a function of libc. All arguments are 64 bits wide: an address, or an integer that the callee narrows (System V and AAPCS64 both allow it).
 * Throws when this libc has no such function.
 */
export function libc(name: string, result: 'int' | 'long' | 'uint64_t', argumentCount: number): NativeFunction {
  library ??= addon().load(null)
  return library.func(name, result, new Array(argumentCount).fill('void *'))
}

/** Like `libc`, but undefined when this libc has no such function. */
export function libcOptional(...prototype: Parameters<typeof libc>): NativeFunction | undefined {
  try {
    return libc(...prototype)
  } catch {
    return undefined
  }
}

/**
 * Makes a system call; returns its result or -errno (syscall(2)).
 *
 * A string that holds a NUL is refused with -EINVAL: the kernel would see a shorter path than the one that was checked.
 */
export function syscall(
  name: SyscallName,
  a: NativeArgument = 0,
  b: NativeArgument = 0,
  c: NativeArgument = 0,
  d: NativeArgument = 0,
  e: NativeArgument = 0,
  f: NativeArgument = 0
): number {
  if (hasNul(a) || hasNul(b) || hasNul(c) || hasNul(d) || hasNul(e)) return -22
  raw ??= libc('syscall', 'long', 7)
  const result = raw(syscallNumber(architecture, name), a, b, c, d, e, f)
  return result === -1 ? -addon().errno() : Number(result)
}

/** The same on a thread of the engine's pool, for calls that block. The caller bounds the time: a thread that hangs is lost to the program. */
export function syscallAsync(name: SyscallName, ...args: readonly NativeArgument[]): Promise<number> {
  raw ??= libc('syscall', 'long', 7)
  const { async } = raw
  const padded = [...args, ...new Array(6 - args.length).fill(0)]
  return new Promise((resolve, reject) => {
    async(syscallNumber(architecture, name), ...padded, (error: unknown, result: number | bigint) => {
      // koffi restores the call's own errno while this callback runs.
      if (error) reject(error)
      else resolve(result === -1 ? -addon().errno() : Number(result))
    })
  })
}

const hasNul = (argument: NativeArgument): boolean => typeof argument === 'string' && argument.includes('\0')

/** The address of `value`'s first byte. Valid while the caller keeps a reference to `value`. */
export const addressOf = (value: Uint8Array | BigUint64Array): bigint => BigInt(addon().address(value))

/**
 * Returns `result` when it is not negative; otherwise throws TsrunError `system`: `cannot ${action}: operation not permitted (EPERM)`,
 * followed by `: detail`.
 */
export function check(result: number, action: string, detail?: string): number {
  if (result >= 0) return result
  throw systemError(-result, action, detail)
}

/** The error that `check` throws, for errno `errno` (positive). */
export function systemError(errno: number, action: string, detail?: string): TsrunError {
  const name = errnoName(errno)
  const more = detail === undefined ? '' : `: ${detail}`
  return new TsrunError('system', `cannot ${action}: ${errnoText(errno)} (${name})${more}`, { errno: name })
}

/** The value of entry `type` (AT_*) of the auxiliary vector; 0 when there is none (getauxval(3)). */
export function auxiliaryValue(type: number): bigint {
  return BigInt(libc('getauxval', 'uint64_t', 1)(type))
}

const referenced: unknown[] = []

/**
 * Call it after a native call with all that the call was given only the address of: until here the engine must not free it, and cannot know.
 * The store to a shared array is one that no optimiser may drop.
 */
export function keepAlive(...values: unknown[]): void {
  referenced.push(...values)
  referenced.length = 0
}
