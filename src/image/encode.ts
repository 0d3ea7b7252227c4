/** Lays a plan out as an image; the format is specified in record.ts. */
import { type ErrnoName, errnoNumber } from '../abi/errno.ts'
import { type SyscallName, syscallNumbers } from '../abi/syscalls.ts'
import type { Arg, Inside, Plan, Step, Target } from '../plan/step.ts'
import { elfHeaders } from './elf.ts'
import { interpreter } from './generated.ts'
import { type DataPlace, emptyLayout, type Layout, meet, placeData, placeText } from './layout.ts'
import {
  ANY_ERRNO,
  ARGS,
  BASE,
  CODE_OFFSET,
  COMPARE,
  ERRNO_ENTRIES,
  MAX_RECORDS,
  RECORD_SIZE,
  RECORD_WORDS,
  TABLE_HEADER_SIZE,
  Word
} from './record.ts'

/** The records while they are written. */
interface Draft {
  readonly plan: Plan
  readonly numbers: Readonly<Record<SyscallName, number>>
  readonly labels: ReadonlyMap<string, number>
  readonly words: Int32Array
  readonly layout: Layout
  /** The address of part fillers[i] is to be added to words[holes[i]]. */
  readonly holes: number[]
  readonly fillers: number[]
}

/**
 * The executable for `plan`. Pure: the same plan gives the same bytes. The caller owns the array.
 *
 * Throws a RangeError, which is a bug in whoever made the plan, for what the format cannot hold: more than 65534 steps, six arguments
 * or four errnos; a number of more than 32 bits; a text with a NUL; a target that is not there.
 */
export function encode(plan: Plan): Uint8Array {
  checkEnds(plan)
  const count = plan.steps.length
  const code = interpreter[plan.arch]
  const records = CODE_OFFSET + code.length
  const layout = emptyLayout(BASE + records + count * RECORD_SIZE)
  const words = new Int32Array(count * RECORD_WORDS)
  const report = meet(layout, plan.report)
  const draft: Draft = { plan, numbers: syscallNumbers(plan.arch), labels: labelsOf(plan), words, layout, holes: [], fillers: [] }
  for (let i = 0; i < count; i++) writeRecord(draft, i)
  const data = placeData(layout, plan)
  fillHoles(draft)

  const image = new Uint8Array(data.fileEnd)
  const view = new DataView(image.buffer)
  image.set(new Uint8Array(headers(plan, layout, data).buffer))
  image.set(code, CODE_OFFSET)
  view.setUint32(records - TABLE_HEADER_SIZE, layout.addresses[report]!, true)
  view.setUint32(records - TABLE_HEADER_SIZE + 4, count, true)
  image.set(new Uint8Array(words.buffer), records)
  new TextEncoder().encodeInto(layout.pool, image.subarray(records + count * RECORD_SIZE))
  writeData(image, view, layout, data)
  view.setInt32(layout.addresses[report]! - data.bias, plan.reportFd, true)
  return image
}

/** The last step must be one that does not return; if it does, it is its own successor. */
function checkEnds({ steps }: Plan): void {
  if (steps.length === 0 || steps.length > MAX_RECORDS) throw new RangeError(`a plan of ${steps.length} steps`)
  const { call } = steps[steps.length - 1]!
  if (call === 'execve' || call === 'execveat' || call === 'exit' || call === 'exit_group') return
  throw new RangeError(`the last step is ${call}, which may lead past the end`)
}

function labelsOf({ steps }: Plan): Map<string, number> {
  const labels = new Map<string, number>()
  for (let i = 0; i < steps.length; i++) {
    const name = steps[i]!.label
    if (name === undefined) continue
    if (labels.has(name)) throw new RangeError(`label "${name}" is given twice`)
    labels.set(name, i)
  }
  return labels
}

function writeRecord(draft: Draft, i: number): void {
  const { words, plan } = draft
  const at = i * RECORD_WORDS
  const step = plan.steps[i]!
  const then = step.then === undefined ? next(plan, i) : resolve(draft, i, step.then)
  const zero = step.zero === undefined ? then : resolve(draft, i, step.zero)
  const nr: number | undefined = step.call === 'compare' ? COMPARE : draft.numbers[step.call]
  if (nr === undefined) throw new RangeError(`step ${i} calls ${step.call}, which is no system call`)
  words[at + Word.call] = nr
  words[at + Word.targets] = then | (zero << 16)
  if (step.save !== undefined) {
    draft.holes.push(at + Word.save)
    draft.fillers.push(meet(draft.layout, step.save))
  }
  if (step.on !== undefined) writeErrnos(draft, i, step.on)
  writeArgs(draft, i, step.args)
}

/** Named errnos come before `any`, whatever their order in the plan. */
function writeErrnos(draft: Draft, i: number, on: NonNullable<Step['on']>): void {
  const start = i * RECORD_WORDS + Word.errnos
  let at = start
  for (const name in on) {
    const target = on[name as ErrnoName]
    if (name === 'any' || target === undefined) continue
    if (at < start + ERRNO_ENTRIES) draft.words[at] = errnoNumber(name as ErrnoName) | (resolve(draft, i, target) << 16)
    at++
  }
  if (on.any !== undefined) {
    if (at < start + ERRNO_ENTRIES) draft.words[at] = ANY_ERRNO | (resolve(draft, i, on.any) << 16)
    at++
  }
  if (at > start + ERRNO_ENTRIES) throw new RangeError(`step ${i} expects ${at - start} errnos; a record holds ${ERRNO_ENTRIES}`)
}

function resolve({ plan, labels }: Draft, i: number, target: Target): number {
  if (typeof target === 'number') return checkedIndex(plan, i, target)
  if (target === 'next') return next(plan, i)
  if (target === 'retry') return i
  const index = labels.get(target.to)
  if (index === undefined) throw new RangeError(`step ${i} leads to the label "${target.to}", which is nowhere`)
  return index
}

function checkedIndex({ steps }: Plan, i: number, index: number): number {
  if (!Number.isInteger(index) || index < 0 || index >= steps.length)
    throw new RangeError(`step ${i} leads to step ${index}, which is nowhere`)
  return index
}

const next = ({ steps }: Plan, i: number): number => (i + 1 < steps.length ? i + 1 : i)

/** Numbers from 2^31 on keep their bits, which is what the kernel's 32-bit parameters take: uid_t, the request of an ioctl. */
function writeArgs({ words, layout, holes, fillers }: Draft, i: number, args: readonly Arg[]): void {
  if (args.length > ARGS) throw new RangeError(`step ${i} has ${args.length} arguments`)
  const at = i * RECORD_WORDS
  for (let k = 0; k < args.length; k++) {
    const arg = args[k]!
    const word = at + Word.args + k
    if (typeof arg === 'number') {
      if (arg < -0x8000_0000 || arg > 0xffff_ffff || !Number.isInteger(arg)) throw new RangeError(`step ${i} has the argument ${arg}`)
      words[word] = arg
      continue
    }
    words[at] = words[at]! | (1 << ((arg.kind === 'slot' ? 16 : 24) + k))
    if (arg.kind === 'text') {
      words[word] = placeText(layout, arg.text)
      continue
    }
    if (arg.kind === 'inside') words[word] = checkedOffset(arg)
    holes.push(word)
    fillers.push(meet(layout, arg.kind === 'inside' ? arg.of : arg))
  }
}

function checkedOffset({ of, offset }: Inside): number {
  if (offset < 0 || offset > of.bytes.length) throw new RangeError(`offset ${offset} is outside ${of.shows}`)
  return offset
}

function fillHoles({ words, holes, fillers, layout: { addresses } }: Draft): void {
  for (let i = 0; i < holes.length; i++) words[holes[i]!]! += addresses[fillers[i]!]!
}

const headers = (plan: Plan, { textEnd }: Layout, data: DataPlace): Int32Array =>
  elfHeaders(plan.arch, {
    codeSize: textEnd - BASE,
    dataOffset: data.offset,
    dataAddress: data.offset + data.bias,
    dataFileSize: data.fileEnd - data.offset,
    dataMemorySize: data.memoryEnd - data.bias - data.offset
  })

function writeData(image: Uint8Array, view: DataView, { parts, addresses, texts, indices }: Layout, data: DataPlace): void {
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!
    const start = addresses[i]! - data.bias
    if (part.kind === 'slot' || start >= data.fileEnd) continue
    image.set(part.bytes, start)
    if (part.pointers === undefined) continue
    for (const { offset, to } of part.pointers) {
      if (offset < 0 || offset + 8 > part.bytes.length) throw new RangeError(`offset ${offset} is outside ${part.shows}`)
      view.setUint32(start + offset, to.kind === 'text' ? texts.get(to.text)! : addresses[indices.get(to)!]!, true)
      view.setUint32(start + offset + 4, 0, true)
    }
  }
}
