/** libseccomp.so.2 through koffi: the functions of seccomp.h that compile a filter. It is loaded at the first use. */
import { errnoName, errnoText } from '../abi/errno.ts'
import type { Architecture } from '../abi/syscalls.ts'
import * as wording from '../errors/wording.seccomp.ts'
import type { NativeFunction } from '../linux/addon.ts'
import { MFD_CLOEXEC } from '../linux/constants.ts'
import { ownResult } from '../linux/fd.ts'
import { architecture, check, libc, syscall } from '../linux/ffi.ts'
import type { Comparison } from './rules.ts'

const SONAME = 'libseccomp.so.2'
/** Its symbols become visible to dlsym(3) on the program's own handle, which is what `libc` asks. */
const RTLD_NOW_GLOBAL = 0x102

export const SCMP_FLTATR_ACT_BADARCH = 2

/** Syscall numbers below 0 are libseccomp's own: -1 an unknown name, -100 … -299 a call behind socketcall(2) or ipc(2), the rest absent on the architecture. */
export const UNKNOWN_NAME = -1
export const isMultiplexed = (number: number): boolean => number <= -100 && number > -300

export interface Libseccomp {
  /** Such as `2.5.4`. */
  readonly version: string
  /** SCMP_ARCH_* of this machine. */
  readonly native: number
  /** The file that the dynamic linker has found. */
  path(): string
  /** SCMP_ARCH_* of libseccomp's name for an architecture; 0 when it knows none. */
  architecture(name: string): number
  /** Number of the call on `architecture`, or a number below 0. */
  syscall(architecture: number, name: string): number
  /** A new filter. The caller disposes of it. */
  filter(defaultAction: number): Filter
}

/** A filter that is being made (scmp_filter_ctx). Functions return 0 or -errno. */
export interface Filter extends Disposable {
  addArchitecture(architecture: number): number
  removeArchitecture(architecture: number): number
  setAttribute(attribute: number, value: number): number
  /** @param syscall number on the native architecture, or libseccomp's own below 0 */
  addRule(action: number, syscall: number, args: readonly Comparison[]): number
  /** The program, `struct sock_filter[]`. Throws TsrunError. */
  export(): Uint8Array
}

let loaded: Libseccomp | undefined

/** Loads the library. Throws TsrunError `unsupported` when there is none, or one from before 2.5.0. */
export function libseccomp(): Libseccomp {
  loaded ??= load()
  return loaded
}

function load(): Libseccomp {
  const handle = libc('dlopen', 'uint64_t', 2)(SONAME, RTLD_NOW_GLOBAL)
  if (BigInt(handle) === 0n) throw wording.noLibseccomp(lastError())
  const version = readVersion()
  // 2.4.0 fixed 64-bit comparisons (CVE-2019-9893); 2.5.0 brought notifications and level 2 of optimisation.
  if (version[0] !== 2 || version[1]! < 5) throw wording.oldLibseccomp(version.join('.'))
  const archResolve = libc('seccomp_arch_resolve_name', 'int', 1)
  return {
    version: version.join('.'),
    native: archResolve(nativeNames[architecture]) >>> 0,
    path: () => fileOf(handle),
    architecture: (name) => archResolve(name) >>> 0,
    syscall: libc('seccomp_syscall_resolve_name_arch', 'int', 2),
    filter: (defaultAction) => openFilter(defaultAction, version[1]! >= 6)
  }
}

const nativeNames: Readonly<Record<Architecture, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/** dlerror(3). */
function lastError(): string {
  const message = libc('dlerror', 'uint64_t', 0)()
  return BigInt(message) === 0n ? `cannot load ${SONAME}` : stringAt(message)
}

const PATH_MAX = 4096

function stringAt(address: number | bigint): string {
  const buffer = Buffer.alloc(PATH_MAX)
  libc('strncpy', 'uint64_t', 3)(buffer, address, PATH_MAX - 1)
  return buffer.toString('utf8', 0, buffer.indexOf(0))
}

/** Major, minor, micro: `const struct scmp_version *seccomp_version(void)`, three unsigned ints. */
function readVersion(): number[] {
  const words = new Uint32Array(3)
  libc('memcpy', 'uint64_t', 3)(new Uint8Array(words.buffer), libc('seccomp_version', 'uint64_t', 0)(), 12)
  return [...words]
}

/** The path that a handle was loaded from: dli_fname, the first member of Dl_info (dladdr(3)). */
function fileOf(handle: number | bigint): string {
  const info = new BigUint64Array(4)
  const symbol = libc('dlsym', 'uint64_t', 2)(handle, 'seccomp_init')
  return libc('dladdr', 'int', 2)(symbol, info) === 0 ? '' : stringAt(info[0]!)
}

interface FilterFunctions {
  readonly init: NativeFunction
  readonly release: NativeFunction
  readonly addArch: NativeFunction
  readonly setAttribute: NativeFunction
  readonly addRule: NativeFunction
}

let functions: FilterFunctions | undefined

const bind = (): FilterFunctions => ({
  init: libc('seccomp_init', 'uint64_t', 1),
  release: libc('seccomp_release', 'int', 1),
  addArch: libc('seccomp_arch_add', 'int', 2),
  setAttribute: libc('seccomp_attr_set', 'int', 3),
  addRule: libc('seccomp_rule_add_array', 'int', 5)
})

const EINVAL = 22

/** @param toMemory whether the library can export into memory, as it can since 2.6 */
function openFilter(defaultAction: number, toMemory: boolean): Filter {
  functions ??= bind()
  const { init, release, addArch, setAttribute, addRule } = functions
  const context: number | bigint = init(defaultAction)
  if (BigInt(context) === 0n) throw failed('start a seccomp filter', -EINVAL, '/linux/seccomp/defaultAction')
  return {
    addArchitecture: (architecture) => addArch(context, architecture),
    removeArchitecture: (architecture) => libc('seccomp_arch_remove', 'int', 2)(context, architecture),
    setAttribute: (attribute, value) => setAttribute(context, attribute, value),
    addRule: (action, number, args) => addRule(context, action, number, args.length, args.length === 0 ? null : packComparisons(args)),
    export: () => (toMemory ? exportToMemory(context) : exportThroughMemfd(context)),
    [Symbol.dispose]: () => void release(context)
  }
}

/** `struct scmp_arg_cmp[]`: unsigned int arg, enum op, u64 datum_a, u64 datum_b. */
function packComparisons(args: readonly Comparison[]): Uint8Array {
  const bytes = new Uint8Array(24 * args.length)
  const view = new DataView(bytes.buffer)
  args.forEach(({ index, op, a, b }, i) => {
    view.setUint32(24 * i, index, true)
    view.setUint32(24 * i + 4, op, true)
    view.setBigUint64(24 * i + 8, a, true)
    view.setBigUint64(24 * i + 16, b, true)
  })
  return bytes
}

function exportToMemory(context: number | bigint): Uint8Array {
  const exportMemory = libc('seccomp_export_bpf_mem', 'int', 3)
  const length = new BigUint64Array(1)
  succeeded(exportMemory(context, null, length))
  const program = new Uint8Array(Number(length[0]))
  succeeded(exportMemory(context, program, length))
  return program
}

const SEEK_END = 2

function exportThroughMemfd(context: number | bigint): Uint8Array {
  using memfd = ownResult(syscall('memfd_create', 'seccomp', MFD_CLOEXEC), 'create a memfd')
  succeeded(libc('seccomp_export_bpf', 'int', 2)(context, memfd.fd))
  const length = check(syscall('lseek', memfd.fd, 0, SEEK_END), 'find the length of the seccomp filter')
  const program = new Uint8Array(length)
  check(syscall('pread64', memfd.fd, program, length, 0), 'read the seccomp filter')
  return program
}

function succeeded(result: number): void {
  if (result < 0) throw failed('compile the seccomp profile', result, '/linux/seccomp')
}

/** @param result -errno that a function of libseccomp returned @param pointer JSON pointer of the cause */
export function failed(what: string, result: number, pointer: string) {
  return wording.libseccompFailed(what, errnoName(-result), errnoText(-result), pointer)
}
