/**
 * A stub at the entry of the engine's executable, for what must happen before the engine starts.
 *
 * - It keeps what the engine is about to change. Bun raises the soft RLIMIT_NOFILE, ignores SIGPIPE and SIGXFSZ, and handles SIGSEGV and
 *   others before JavaScript can look; yet a container inherits what the *caller* had.
 * - It empties the variables by which the engine is told to do something else (stub-variables.ts). They stay in their places, with an
 *   empty name: envp cannot get shorter, since libc finds the auxiliary vector behind it.
 * - It adds variables by which the engine starts faster, before the others, and tells libc where the environment begins now. That takes an
 *   executable in which `environ` has a fixed place; in others nothing is added.
 * - It leaves a working directory that has no path any more, in which Bun refuses to start.
 *
 * The entry point of our executable leads to a few dozen instructions that ask the kernel for all this, and keep it where nothing else
 * looks: in the value of AT_FLAGS, which no program of today uses, in the auxiliary vector that lies on the initial stack. The stub then
 * goes on to the real entry with all registers as they were. It has no memory of its own and links to nothing. The dynamic linker has done
 * its work before: what LD_PRELOAD and the like name is loaded as for any other program.
 * JavaScript reads it with getauxval(AT_FLAGS) and `readStubValue`.
 */
import type { Architecture } from '../abi/syscalls.ts'
import { assemble, bytesOf, type Line, type Program } from './assemble.ts'
import { dynamicSymbol } from './dynamic.ts'
import { ELF_MAGIC, ET_DYN, ET_EXEC, MACHINE, PF_R, PF_X, PT_LOAD, PT_NOTE } from './elf.ts'
import { ELF_HEADER_SIZE, PAGE_SIZE, PROGRAM_HEADER_SIZE } from './record.ts'
import { program as arm64 } from './stub.arm64.ts'
import { program as x64 } from './stub.x64.ts'
import { SLOW_FAULT_NS } from './stub-variables.ts'

export { readStubValue, type StubValue } from './stub-value.ts'

const programs: Readonly<Record<Architecture, (adds: boolean, slowFaultNs: number) => Program>> = { x64, arm64 }

/**
 * The stub for `arch` line by line, when it lies at `address` and goes on at `entry`.
 * @param environ where libc has its pointer to the environment; undefined: no variables are added
 */
export const stubListing = (
  arch: Architecture,
  address: number,
  entry: number,
  environ: number | undefined,
  slowFaultNs = SLOW_FAULT_NS
): readonly Line[] =>
  assemble(programs[arch](environ !== undefined, slowFaultNs), address, { entry, ...(environ === undefined ? {} : { environ }) })

/**
 * A copy of the executable `elf` with the stub at its end and its entry pointing there. Nothing that was in the file moves.
 * The PT_NOTE header, which nothing needs at run time, becomes a PT_LOAD for the stub.
 *
 * Throws a RangeError when `elf` is no executable for x86-64 or arm64, or has no PT_NOTE (as when it has the stub already).
 * @param slowFaultNs page faults that take longer are slow
 */
export function addEntryStub(elf: Uint8Array, slowFaultNs = SLOW_FAULT_NS): Uint8Array {
  const source = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  const arch = architectureOf(source)
  const headers = programHeaders(source)
  const address = align(Math.max(...headers.filter(isLoad).map(endOf)), PAGE_SIZE[arch])
  const offset = align(elf.length, PAGE_SIZE[arch])
  const entry = Number(source.getBigUint64(24, true))
  const stub = bytesOf(stubListing(arch, address, entry, dynamicSymbol(elf, 'environ'), slowFaultNs))
  const out = new Uint8Array(offset + stub.length)
  out.set(elf)
  out.set(stub, offset)
  const view = new DataView(out.buffer)
  view.setBigUint64(24, BigInt(address), true)
  const start = Number(view.getBigUint64(32, true))
  for (const [i, header] of withLoad(headers, loadHeader(offset, address, stub.length, PAGE_SIZE[arch])).entries())
    out.set(header, start + i * PROGRAM_HEADER_SIZE)
  return out
}

const align = (value: number, to: number): number => Math.ceil(value / to) * to

function architectureOf(view: DataView): Architecture {
  if (view.byteLength < ELF_HEADER_SIZE || view.getUint32(0, true) !== ELF_MAGIC || view.getUint16(4, true) !== 0x0102)
    throw new RangeError('not a 64-bit little-endian ELF file')
  const type = view.getUint16(16, true)
  if (type !== ET_EXEC && type !== ET_DYN) throw new RangeError(`not an executable: its ELF type is ${type}`)
  const machine = view.getUint16(18, true)
  const arch = (['x64', 'arm64'] as const).find((arch) => MACHINE[arch] === machine)
  if (arch === undefined) throw new RangeError(`an executable for machine ${machine}`)
  return arch
}

/** Copies of the program headers. */
function programHeaders(view: DataView): Uint8Array[] {
  const start = Number(view.getBigUint64(32, true))
  const count = view.getUint16(56, true)
  if (view.getUint16(54, true) !== PROGRAM_HEADER_SIZE || start + count * PROGRAM_HEADER_SIZE > view.byteLength)
    throw new RangeError('program headers that cannot be')
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  return Array.from({ length: count }, (_, i) => bytes.slice(start + i * PROGRAM_HEADER_SIZE, start + (i + 1) * PROGRAM_HEADER_SIZE))
}

const viewOf = (header: Uint8Array): DataView => new DataView(header.buffer)
const typeOf = (header: Uint8Array): number => viewOf(header).getUint32(0, true)
const isLoad = (header: Uint8Array): boolean => typeOf(header) === PT_LOAD
/** p_vaddr + p_memsz */
const endOf = (header: Uint8Array): number => Number(viewOf(header).getBigUint64(16, true) + viewOf(header).getBigUint64(40, true))

function loadHeader(offset: number, address: number, size: number, page: number): Uint8Array {
  const header = new Uint8Array(PROGRAM_HEADER_SIZE)
  const view = viewOf(header)
  view.setUint32(0, PT_LOAD, true)
  view.setUint32(4, PF_R | PF_X, true)
  for (const [i, value] of [offset, address, address, size, size, page].entries()) view.setBigUint64(8 + 8 * i, BigInt(value), true)
  return header
}

/** The kernel wants PT_LOADs in ascending order: the new one, which is the highest, comes after the others, and the note goes. */
function withLoad(headers: readonly Uint8Array[], load: Uint8Array): Uint8Array[] {
  const note = headers.findIndex((header) => typeOf(header) === PT_NOTE)
  if (note < 0) throw new RangeError('no PT_NOTE that could become the stub; it may be there already')
  const rest = headers.toSpliced(note, 1)
  return rest.toSpliced(rest.findLastIndex(isLoad) + 1, 0, load)
}
