/** Reads an image back, to test the encoder and for listings. It trusts nothing: a damaged image is a RangeError, never a crash. */
import { type Architecture, type SyscallName, syscallName } from '../abi/syscalls.ts'
import { ELF_MAGIC, ET_EXEC, MACHINE, PT_LOAD } from './elf.ts'
import { interpreter } from './generated.ts'
import {
  ARGS,
  CODE_OFFSET,
  COMPARE,
  ELF_HEADER_SIZE,
  ERRNO_ENTRIES,
  Field,
  PROGRAM_HEADER_SIZE,
  PROGRAM_HEADERS,
  RECORD_SIZE,
  TABLE_HEADER_SIZE
} from './record.ts'

/** One program header. */
export interface Segment {
  readonly type: number
  /** PF_R, PF_W, PF_X. */
  readonly flags: number
  readonly offset: number
  readonly address: number
  readonly fileSize: number
  readonly memorySize: number
}

/** An argument: an immediate, the address of data, or the address of a slot. */
export type DecodedArg = number | { readonly address: number } | { readonly slot: number }

/** One record; targets are indices of records. */
export interface DecodedRecord {
  readonly call: SyscallName | 'compare'
  /** Always six. */
  readonly args: readonly DecodedArg[]
  readonly then: number
  readonly zero: number
  /** Address of a slot, or 0. */
  readonly save: number
  /** In the order in which they are searched. */
  readonly on: readonly { readonly errno: number; readonly target: number }[]
}

export interface Image {
  readonly arch: Architecture
  readonly segments: readonly Segment[]
  /** Address of the report slot, and what it holds at the start. */
  readonly report: number
  readonly reportFd: number
  readonly records: readonly DecodedRecord[]
  /** Memory as it is at the start; throws a RangeError outside the segments. */
  readonly read: (address: number, length: number) => Uint8Array
}

/** Decodes an image. Throws a RangeError that says what is wrong with one that `encode` did not make. */
export function decode(image: Uint8Array): Image {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  need(image.length >= CODE_OFFSET, `has ${image.length} bytes`)
  const arch = decodeArchitecture(view)
  const segments = decodeSegments(view)
  const read = (address: number, length: number): Uint8Array => readMemory(image, segments, address, length)
  const records = CODE_OFFSET + checkCode(image, arch)
  const report = view.getUint32(records - TABLE_HEADER_SIZE, true)
  const count = view.getUint32(records - TABLE_HEADER_SIZE + 4, true)
  need(count > 0 && records + count * RECORD_SIZE <= segments[0]!.fileSize, `says that it has ${count} records`)
  return {
    arch,
    segments,
    report,
    reportFd: wordAt(read, report),
    records: Array.from({ length: count }, (_, i) => decodeRecord(view, records + i * RECORD_SIZE, { arch, count, i, read })),
    read
  }
}

function need(condition: boolean, what: string): asserts condition {
  if (!condition) throw new RangeError(`not an image: it ${what}`)
}

function decodeArchitecture(view: DataView): Architecture {
  need(view.getUint32(0, true) === ELF_MAGIC, 'does not start as ELF does')
  need(view.getUint32(4, true) === 0x0001_0102, 'is not 64-bit little-endian ELF')
  need(view.getUint16(16, true) === ET_EXEC, `is of type ${view.getUint16(16, true)}`)
  const machine = view.getUint16(18, true)
  const arch = machine === MACHINE.x64 ? 'x64' : machine === MACHINE.arm64 ? 'arm64' : undefined
  need(arch !== undefined, `is for machine ${machine}`)
  return arch
}

function decodeSegments(view: DataView): Segment[] {
  need(view.getBigUint64(32, true) === BigInt(ELF_HEADER_SIZE), 'has its program headers elsewhere')
  need(view.getUint16(56, true) === PROGRAM_HEADERS, `has ${view.getUint16(56, true)} program headers`)
  const segments = Array.from({ length: PROGRAM_HEADERS }, (_, i) => decodeSegment(view, ELF_HEADER_SIZE + i * PROGRAM_HEADER_SIZE))
  for (const [i, segment] of segments.entries()) {
    need(segment.offset + segment.fileSize <= view.byteLength, `is shorter than segment ${i}`)
    need(segment.fileSize <= segment.memorySize && segment.memorySize < 2 ** 31, `has sizes that cannot be in segment ${i}`)
  }
  need(segments[0]!.type === PT_LOAD && segments[0]!.offset === 0, 'does not start with its first segment')
  return segments
}

function decodeSegment(view: DataView, at: number): Segment {
  const word = (offset: number): number => {
    const value = Number(view.getBigUint64(at + offset, true))
    need(value < 2 ** 32, `has ${value} in a program header`)
    return value
  }
  return {
    type: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    offset: word(8),
    address: word(16),
    fileSize: word(32),
    memorySize: word(40)
  }
}

/** Checks that the interpreter is ours, and gives its size. */
function checkCode(image: Uint8Array, arch: Architecture): number {
  const code = interpreter[arch]
  need(image.length >= CODE_OFFSET + code.length, 'ends within the interpreter')
  for (let i = 0; i < code.length - TABLE_HEADER_SIZE; i++)
    need(image[CODE_OFFSET + i] === code[i], `has another interpreter, at byte ${i}`)
  return code.length
}

function readMemory(image: Uint8Array, segments: readonly Segment[], address: number, length: number): Uint8Array {
  for (const segment of segments) {
    const start = address - segment.address
    if (segment.type !== PT_LOAD || start < 0 || start + length > segment.memorySize) continue
    const out = new Uint8Array(length)
    if (start < segment.fileSize) {
      const from = segment.offset + start
      out.set(image.subarray(from, Math.min(from + length, segment.offset + segment.fileSize)))
    }
    return out
  }
  throw new RangeError(`not an image: it refers to address 0x${address.toString(16)}, which is in no segment`)
}

const wordAt = (read: Image['read'], address: number): number => new DataView(read(address, 4).buffer).getInt32(0, true)

interface Context {
  readonly arch: Architecture
  readonly count: number
  readonly i: number
  readonly read: Image['read']
}

function decodeRecord(view: DataView, at: number, context: Context): DecodedRecord {
  const { arch, count, i, read } = context
  const target = (offset: number): number => {
    const index = view.getUint16(at + offset, true)
    need(index < count, `leads from record ${i} to record ${index} of ${count}`)
    return index
  }
  const nr = view.getUint16(at + Field.nr, true)
  const call = nr === COMPARE ? 'compare' : syscallName(arch, nr)
  need(call !== undefined, `has the unknown system call ${nr} in record ${i}`)
  const save = view.getUint32(at + Field.save, true)
  if (save !== 0) read(save, 4)
  const on: { errno: number; target: number }[] = []
  for (let k = 0; k < ERRNO_ENTRIES; k++) {
    const errno = view.getUint16(at + Field.errnos + 4 * k, true)
    if (errno === 0) break
    on.push({ errno, target: target(Field.errnos + 4 * k + 2) })
  }
  const args = Array.from({ length: ARGS }, (_, k) => decodeArg(view, at, k, read))
  return { call, args, then: target(Field.then), zero: target(Field.zero), save, on }
}

function decodeArg(view: DataView, at: number, k: number, read: Image['read']): DecodedArg {
  const value = view.getInt32(at + Field.args + 4 * k, true)
  const isSlot = ((view.getUint8(at + Field.slots) >> k) & 1) === 1
  const isAddress = ((view.getUint8(at + Field.addresses) >> k) & 1) === 1
  if (isSlot || isAddress) read(value, isSlot ? 4 : 0)
  return isSlot ? { slot: value } : isAddress ? { address: value } : value
}

/** The NUL-terminated text at `address`. Throws a RangeError when it runs out of its segment. */
export function textAt(image: Image, address: number): string {
  let end = address
  while (image.read(end, 1)[0] !== 0) end++
  return new TextDecoder().decode(image.read(address, end - address))
}
