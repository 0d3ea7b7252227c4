/** Reads an image back, to test the encoder and for listings. It trusts nothing: a damaged image is a RangeError, never a crash. */
import { type Architecture, type SyscallName, syscallName } from '../abi/syscalls.ts'
import { ELF_MAGIC, ET_EXEC, MACHINE, PT_LOAD } from './elf.ts'
import { interpreter } from './generated.ts'
import {
  BASE,
  CODE_OFFSET,
  COMPARE,
  ELF_HEADER_SIZE,
  Field,
  HAS_SAVE,
  HAS_WAYS,
  MAX_ARGS,
  MAX_ERRNOS,
  PROGRAM_HEADER_SIZE,
  PROGRAM_HEADERS,
  RECORD_HEADER_SIZE,
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
  const table = CODE_OFFSET + checkCode(image, arch) - TABLE_HEADER_SIZE
  const report = view.getUint32(table, true)
  const start = view.getUint32(table + 4, true) - BASE
  const count = view.getUint32(table + 8, true)
  const reportFd = new DataView(read(report, 4).buffer).getInt32(0, true)
  return { arch, segments, report, reportFd, records: decodeRecords(view, arch, { start, end: segments[0]!.fileSize, count, read }), read }
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

/** Where the records lie in the file. */
interface Place {
  readonly start: number
  readonly end: number
  readonly count: number
  readonly read: Image['read']
}

function decodeRecords(view: DataView, arch: Architecture, { start, end, count, read }: Place): DecodedRecord[] {
  need(
    start >= CODE_OFFSET && start % 4 === 0 && count > 0 && count <= (end - start) / RECORD_HEADER_SIZE,
    `has ${count} records at ${start}`
  )
  const records: RawRecord[] = []
  const indices = new Map<number, number>()
  for (let at = start; records.length < count; at = records.at(-1)!.end) {
    need(at + RECORD_HEADER_SIZE <= end, `ends within record ${records.length}`)
    indices.set((at - start) / 4, records.length)
    records.push(decodeRecord(view, at, end, { arch, i: records.length, read }))
  }
  const index = (target: number, i: number): number => {
    const to = indices.get(target)
    need(to !== undefined, `leads from record ${i} to word ${target}, where no record starts`)
    return to
  }
  return records.map(({ call, args, save, on, ways }, i) => {
    const [then, zero] = ways?.map((target) => index(target, i)) ?? [i + 1, i + 1]
    need(then! < count && zero! < count, `leads past the end`)
    return { call, args, save, then: then!, zero: zero!, on: on.map(({ errno, target }) => ({ errno, target: index(target, i) })) }
  })
}

/** A record with targets as they stand there. */
interface RawRecord extends Omit<DecodedRecord, 'then' | 'zero'> {
  readonly ways: readonly [number, number] | undefined
  /** Offset of the record that follows. */
  readonly end: number
}

interface Context {
  readonly arch: Architecture
  readonly i: number
  readonly read: Image['read']
}

function decodeRecord(view: DataView, at: number, limit: number, { arch, i, read }: Context): RawRecord {
  const nr = view.getUint16(at + Field.nr, true)
  const flags = view.getUint8(at + Field.slots)
  const args = view.getUint8(at + Field.args)
  const errnos = view.getUint8(at + Field.errnos)
  const call = nr === COMPARE ? 'compare' : syscallName(arch, nr)
  need(call !== undefined, `has the unknown system call ${nr} in record ${i}`)
  need(view.getUint16(at + Field.index, true) === i, `has another index in record ${i}`)
  need(args <= MAX_ARGS && errnos <= MAX_ERRNOS, `has ${args} arguments and ${errnos} errnos in record ${i}`)
  const errnosAt = at + RECORD_HEADER_SIZE + 4 * args
  const saveAt = errnosAt + 4 * errnos
  const waysAt = saveAt + (flags & HAS_SAVE ? 4 : 0)
  const end = waysAt + (flags & HAS_WAYS ? 4 : 0)
  need(end <= limit, `ends within record ${i}`)
  const save = flags & HAS_SAVE ? view.getUint32(saveAt, true) : 0
  if (flags & HAS_SAVE) read(save, 4)
  return {
    call,
    args: Array.from({ length: MAX_ARGS }, (_, k) => (k < args ? decodeArg(view, at, k, read) : 0)),
    on: Array.from({ length: errnos }, (_, k) => decodePair(view, errnosAt + 4 * k)).map(([errno, target]) => ({ errno, target })),
    save,
    ways: flags & HAS_WAYS ? decodePair(view, waysAt) : undefined,
    end
  }
}

const decodePair = (view: DataView, at: number): [number, number] => [view.getUint16(at, true), view.getUint16(at + 2, true)]

function decodeArg(view: DataView, at: number, k: number, read: Image['read']): DecodedArg {
  const value = view.getInt32(at + RECORD_HEADER_SIZE + 4 * k, true)
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
