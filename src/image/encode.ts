/** Lays a plan out as an image; the format is specified in record.ts. */
import { type ErrnoName, errnoNumber } from '../abi/errno.ts'
import { syscallNumber } from '../abi/syscalls.ts'
import type { Arg, Inside, Plan, Step, Target } from '../plan/step.ts'
import { elfHeaders } from './elf.ts'
import { interpreter } from './generated.ts'
import { type DataPlace, emptyLayout, type Layout, meet, placeData, placeText } from './layout.ts'
import {
  ANY_ERRNO,
  BASE,
  CODE_OFFSET,
  COMPARE,
  HAS_SAVE,
  HAS_WAYS,
  MAX_ARGS,
  MAX_ERRNOS,
  MAX_RECORDS,
  MAX_TARGET,
  RECORD_HEADER_SIZE,
  TABLE_HEADER_SIZE
} from './record.ts'

/**
 * The records while they are written, in plain arrays of 32-bit integers: the engine's interpreter, which is all that this code ever meets,
 * takes several times as long to store into a typed array, or to call `push`; it is fast at `list[list.length] = value`.
 */
interface Draft {
  readonly plan: Plan
  readonly labels: ReadonlyMap<string, number>
  readonly layout: Layout
  readonly words: number[]
  /** Where each record starts. */
  readonly starts: number[]
  /** The address of part fillers[i] is to be added to words[holes[i]]. */
  readonly holes: number[]
  readonly fillers: number[]
  /** Words that hold an errno and the index of a step, which is to become a target; and the same with two indices. */
  readonly errnos: number[]
  readonly ways: number[]
}

/**
 * The executable for `plan`. Pure: the same plan gives the same bytes. The caller owns the array.
 *
 * Throws a RangeError, which is a bug in whoever made the plan, for what the format cannot hold: more than 65535 steps, six arguments
 * or four errnos; a number of more than 32 bits; a text with a NUL; a target that is not there.
 */
export function encode(plan: Plan): Uint8Array {
  checkEnds(plan)
  const code = interpreter[plan.arch]
  const texts = CODE_OFFSET + code.length
  const draft = draftOf(plan, BASE + texts)
  const { layout, words } = draft
  const report = meet(layout, plan.report)
  for (let i = 0; i < plan.steps.length; i++) writeRecord(draft, i)
  const records = (layout.textEnd - BASE + 3) & -4
  const data = placeData(layout, plan, records + 4 * words.length)
  fillHoles(draft)
  fillTargets(draft)

  const image = new Uint8Array(data.fileEnd)
  image.set(new Uint8Array(headers(plan, records + 4 * words.length, data).buffer))
  image.set(code, CODE_OFFSET)
  new TextEncoder().encodeInto(layout.pool, image.subarray(texts))
  image.set(new Uint8Array(new Int32Array(words).buffer), records)
  writeWord(image, texts - TABLE_HEADER_SIZE, layout.addresses[report]!)
  writeWord(image, texts - TABLE_HEADER_SIZE + 4, BASE + records)
  writeWord(image, texts - TABLE_HEADER_SIZE + 8, plan.steps.length)
  writeData(image, layout, data)
  writeWord(image, layout.addresses[report]! - data.bias, plan.reportFd)
  return image
}

/** Where the texts of an image lie, as offsets in it; `end` is the first one behind them. */
export function textsOf(image: Uint8Array, arch: Plan['arch']): { readonly start: number; readonly end: number } {
  const start = CODE_OFFSET + interpreter[arch].length
  const records = start - TABLE_HEADER_SIZE + 4
  return { start, end: new DataView(image.buffer, image.byteOffset).getUint32(records, true) - BASE }
}

/** Little-endian. */
function writeWord(image: Uint8Array, at: number, word: number): void {
  image[at] = word
  image[at + 1] = word >>> 8
  image[at + 2] = word >>> 16
  image[at + 3] = word >>> 24
}

const draftOf = (plan: Plan, textStart: number): Draft => ({
  plan,
  labels: labelsOf(plan),
  layout: emptyLayout(textStart),
  words: [],
  starts: [],
  holes: [],
  fillers: [],
  errnos: [],
  ways: []
})

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
  const step = plan.steps[i]!
  const nr = step.call === 'compare' ? COMPARE : syscallNumber(plan.arch, step.call)
  const start = words.length
  draft.starts[i] = start
  words[start] = 0
  words[start + 1] = 0
  let flags = writeArgs(draft, i, step.args)
  const args = words.length - start - RECORD_HEADER_SIZE / 4
  const errnos = step.on === undefined ? 0 : writeErrnos(draft, i, step.on)
  if (step.save !== undefined) {
    flags |= HAS_SAVE
    writeHole(draft, meet(draft.layout, step.save), 0)
  }
  if (step.then !== undefined || step.zero !== undefined || i === plan.steps.length - 1) {
    flags |= HAS_WAYS
    writeWays(draft, i, step)
  }
  words[start] = nr | (flags << 16)
  words[start + 1] = i | (args << 16) | (errnos << 24)
}

/** The next word is to be the address of a part, plus an offset. */
function writeHole({ words, holes, fillers }: Draft, part: number, offset: number): void {
  holes[holes.length] = words.length
  fillers[fillers.length] = part
  words[words.length] = offset
}

/** Trailing zeros are left out. Gives `slots` and, in the next eight bits, `addresses`. */
function writeArgs(draft: Draft, i: number, args: readonly Arg[]): number {
  const { words, layout } = draft
  let count = args.length
  while (count > 0 && args[count - 1] === 0) count--
  if (args.length > MAX_ARGS) throw new RangeError(`step ${i} has ${args.length} arguments`)
  let flags = 0
  for (let k = 0; k < count; k++) {
    const arg = args[k]!
    if (typeof arg === 'number') {
      // Numbers from 2^31 on keep their bits, which is what the kernel's 32-bit parameters take: uid_t, the request of an ioctl.
      if (arg !== (arg | 0) && arg !== arg >>> 0) throw new RangeError(`step ${i} has the argument ${arg}`)
      words[words.length] = arg | 0
      continue
    }
    flags |= (arg.kind === 'slot' ? 1 : 1 << 8) << k
    if (arg.kind === 'text') {
      words[words.length] = placeText(layout, arg.text)
      continue
    }
    if (arg.kind === 'inside') writeHole(draft, meet(layout, arg.of), checkedOffset(arg))
    else writeHole(draft, meet(layout, arg), 0)
  }
  return flags
}

function checkedOffset({ of, offset }: Inside): number {
  if (offset < 0 || offset > of.bytes.length) throw new RangeError(`offset ${offset} is outside ${of.shows}`)
  return offset
}

/** Named errnos come before `any`, whatever their order in the plan. Gives their number. */
function writeErrnos(draft: Draft, i: number, on: NonNullable<Step['on']>): number {
  const start = draft.words.length
  for (const name in on) {
    const target = on[name as ErrnoName]
    if (name !== 'any' && target !== undefined) writeErrno(draft, errnoNumber(name as ErrnoName), resolve(draft, i, target))
  }
  if (on.any !== undefined) writeErrno(draft, ANY_ERRNO, resolve(draft, i, on.any))
  const count = draft.words.length - start
  if (count > MAX_ERRNOS) throw new RangeError(`step ${i} expects ${count} errnos; a record holds ${MAX_ERRNOS}`)
  return count
}

function writeErrno({ words, errnos }: Draft, errno: number, target: number): void {
  errnos[errnos.length] = words.length
  words[words.length] = errno | (target << 16)
}

function writeWays(draft: Draft, i: number, step: Step): void {
  const then = resolve(draft, i, step.then ?? 'next')
  const zero = step.zero === undefined ? then : resolve(draft, i, step.zero)
  const { words, ways } = draft
  ways[ways.length] = words.length
  words[words.length] = then | (zero << 16)
}

function resolve({ plan, labels }: Draft, i: number, target: Target): number {
  if (typeof target === 'number') return checkedIndex(plan, i, target)
  if (target === 'next') return next(plan, i)
  if (target === 'retry') return i
  if ('skip' in target) return checkedIndex(plan, i, i + 1 + target.skip)
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

function fillHoles({ words, holes, fillers, layout: { addresses } }: Draft): void {
  for (let i = 0; i < holes.length; i++) words[holes[i]!]! += addresses[fillers[i]!]!
}

/** Indices of steps become targets. */
function fillTargets({ words, errnos, ways, starts }: Draft): void {
  for (let i = 0; i < errnos.length; i++) {
    const word = words[errnos[i]!]!
    words[errnos[i]!] = (word & 0xffff) | (targetOf(starts, word >>> 16) << 16)
  }
  for (let i = 0; i < ways.length; i++) {
    const word = words[ways[i]!]!
    words[ways[i]!] = targetOf(starts, word & 0xffff) | (targetOf(starts, word >>> 16) << 16)
  }
}

function targetOf(starts: readonly number[], index: number): number {
  const target = starts[index]!
  if (target > MAX_TARGET) throw new RangeError(`step ${index} is out of reach`)
  return target
}

const headers = (plan: Plan, codeSize: number, data: DataPlace): Int32Array =>
  elfHeaders(plan.arch, {
    codeSize,
    dataOffset: data.offset,
    dataAddress: data.offset + data.bias,
    dataFileSize: data.fileEnd - data.offset,
    dataMemorySize: data.memoryEnd - data.bias - data.offset
  })

function writeData(image: Uint8Array, { parts, addresses, texts, indices }: Layout, data: DataPlace): void {
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!
    const start = addresses[i]! - data.bias
    if (part.kind === 'slot' || start >= data.fileEnd) continue
    image.set(part.bytes, start)
    if (part.pointers === undefined) continue
    for (const { offset, to } of part.pointers) {
      if (offset < 0 || offset + 8 > part.bytes.length) throw new RangeError(`offset ${offset} is outside ${part.shows}`)
      writeWord(image, start + offset, to.kind === 'text' ? texts.get(to.text)! : addresses[indices.get(to)!]!)
      writeWord(image, start + offset + 4, 0)
    }
  }
}
