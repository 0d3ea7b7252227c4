/** Lays a plan out as an image; the format is specified in record.ts. */
import { type ErrnoName, errnoNumber } from '../abi/errno.ts'
import { syscallNumbers } from '../abi/syscalls.ts'
import type { Arg, Plan, Step, Target } from '../plan/step.ts'
import { elfHeaders } from './elf.ts'
import { interpreter } from './generated.ts'
import { type Layout, layOut } from './layout.ts'
import { ANY_ERRNO, ARGS, CODE_OFFSET, COMPARE, ERRNO_ENTRIES, RECORD_WORDS, TABLE_HEADER_SIZE } from './record.ts'

/**
 * The executable for `plan`. Pure: the same plan gives the same bytes. The caller owns the array.
 *
 * Throws a RangeError, which is a bug in whoever made the plan, for what the format cannot hold: more than 65534 steps, six arguments
 * or four errnos; a number of more than 32 bits; a text with a NUL; a target that is not there.
 */
export function encode(plan: Plan): Uint8Array {
  const layout = layOut(plan)
  const image = new Uint8Array(layout.fileSize)
  const words = new Int32Array(image.buffer)
  const code = interpreter[plan.arch]
  const records = CODE_OFFSET + code.length

  words.set(headers(plan, layout))
  image.set(code, CODE_OFFSET)
  words[(records - TABLE_HEADER_SIZE) / 4] = layout.slots.get(plan.report.name)!
  words[(records - TABLE_HEADER_SIZE) / 4 + 1] = plan.steps.length
  writeRecords(words, records / 4, plan, layout)
  image.set(layout.pool, layout.textOffset)
  writeData(image, layout)
  new DataView(image.buffer).setInt32(layout.slots.get(plan.report.name)! - layout.dataBias, plan.reportFd, true)
  return image
}

const headers = (plan: Plan, { textOffset, pool, dataOffset, dataBias, fileSize, memoryEnd }: Layout): number[] =>
  elfHeaders(plan.arch, {
    codeSize: textOffset + pool.length,
    dataOffset,
    dataAddress: dataOffset + dataBias,
    dataFileSize: fileSize - dataOffset,
    dataMemorySize: memoryEnd - dataOffset - dataBias
  })

function writeRecords(words: Int32Array, start: number, plan: Plan, layout: Layout): void {
  const numbers = syscallNumbers(plan.arch)
  for (let i = 0, at = start; i < plan.steps.length; i++, at += RECORD_WORDS) {
    const step = plan.steps[i]!
    const then = resolve(step.then ?? 'next', i, plan, layout)
    const zero = step.zero === undefined ? then : resolve(step.zero, i, plan, layout)
    words[at] = step.call === 'compare' ? COMPARE : numbers[step.call]
    words[at + 1] = then | (zero << 16)
    if (step.save !== undefined) words[at + 2] = layout.slots.get(step.save.name)!
    if (step.on !== undefined) writeErrnos(words, at + 3, i, step.on, plan, layout)
    writeArgs(words, at, step, i, layout)
  }
}

/** Named errnos come before `any`, whatever their order in the plan. */
function writeErrnos(words: Int32Array, at: number, i: number, on: NonNullable<Step['on']>, plan: Plan, layout: Layout): void {
  let end = at
  for (const name in on) {
    if (name === 'any' || on[name as ErrnoName] === undefined) continue
    words[end++] = errnoNumber(name as ErrnoName) | (resolve(on[name as ErrnoName]!, i, plan, layout) << 16)
  }
  if (on.any !== undefined) words[end++] = ANY_ERRNO | (resolve(on.any, i, plan, layout) << 16)
  if (end > at + ERRNO_ENTRIES) throw new RangeError(`step ${i} expects ${end - at} errnos; a record holds ${ERRNO_ENTRIES}`)
}

/** The last step may lead to itself where it would run off the end: `execve` and `exit_group` do not return. */
function resolve(target: Target, i: number, plan: Plan, layout: Layout): number {
  if (target === 'retry') return i
  if (target === 'next') {
    if (i + 1 < plan.steps.length) return i + 1
    if (ends.has(plan.steps[i]!.call)) return i
    throw new RangeError(`step ${i}, ${plan.steps[i]!.call}, leads past the end`)
  }
  const index = layout.labels.get(target.to)
  if (index === undefined) throw new RangeError(`step ${i} leads to the label "${target.to}", which is nowhere`)
  return index
}

const ends: ReadonlySet<Step['call']> = new Set<Step['call']>(['execve', 'execveat', 'exit', 'exit_group'])

function writeArgs(words: Int32Array, at: number, step: Step, i: number, layout: Layout): void {
  const { args } = step
  if (args.length > ARGS) throw new RangeError(`step ${i} has ${args.length} arguments`)
  let slots = 0
  let addresses = 0
  for (let k = 0; k < args.length; k++) {
    const arg = args[k]!
    if (typeof arg === 'number') {
      // Unsigned 32-bit values keep their bits; the kernel takes them in parameters of 32 bits (uid_t, an ioctl's request).
      if (!(arg >= -0x8000_0000 && arg <= 0xffff_ffff && Number.isInteger(arg))) throw new RangeError(`step ${i} has the argument ${arg}`)
      words[at + 7 + k] = arg
    } else {
      words[at + 7 + k] = addressOf(arg, layout)
      if (arg.kind === 'slot') slots |= 1 << k
      else addresses |= 1 << k
    }
  }
  words[at] = words[at]! | (slots << 16) | (addresses << 24)
}

function addressOf(arg: Exclude<Arg, number>, layout: Layout): number {
  switch (arg.kind) {
    case 'slot':
      return layout.slots.get(arg.name)!
    case 'text':
      return layout.texts.get(arg.text)!
    case 'bytes':
      return layout.bytes.get(arg)!
    case 'inside':
      if (arg.offset < 0 || arg.offset > arg.of.bytes.length) throw new RangeError(`offset ${arg.offset} is outside ${arg.of.shows}`)
      return layout.bytes.get(arg.of)! + arg.offset
  }
}

function writeData(image: Uint8Array, layout: Layout): void {
  const view = new DataView(image.buffer)
  for (const [{ bytes, pointers, shows }, address] of layout.bytes) {
    const offset = address - layout.dataBias
    if (offset >= layout.fileSize) continue
    image.set(bytes, offset)
    if (pointers === undefined) continue
    for (const { offset: within, to } of pointers) {
      if (within < 0 || within + 8 > bytes.length) throw new RangeError(`offset ${within} is outside ${shows}`)
      view.setUint32(offset + within, addressOf(to, layout), true)
      view.setUint32(offset + within + 4, 0, true)
    }
  }
}
