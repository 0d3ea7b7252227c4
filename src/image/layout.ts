/** Decides where everything that a plan refers to lies in memory. The order of the parts is drawn in record.ts. */
import type { Arg, Bytes, Plan, Slot } from '../plan/step.ts'
import { interpreter } from './generated.ts'
import { BASE, CODE_OFFSET, MAX_RECORDS, PAGE_SIZE, RECORD_SIZE } from './record.ts'

/** Addresses of everything, and the sizes of the parts. */
export interface Layout {
  /** Index of the step with a label. */
  readonly labels: ReadonlyMap<string, number>
  readonly texts: ReadonlyMap<string, number>
  readonly bytes: ReadonlyMap<Bytes, number>
  /** By the slot's name: equal names are one slot. */
  readonly slots: ReadonlyMap<string, number>
  /** All texts as the file holds them, each with its NUL. */
  readonly pool: Uint8Array
  /** Offset in the file of the texts, of the data, and of the file's end. */
  readonly textOffset: number
  readonly dataOffset: number
  readonly fileSize: number
  /** What to add to an offset in the file to get the address of data. */
  readonly dataBias: number
  /** Address after the last byte of the data in memory. */
  readonly memoryEnd: number
}

/** What the plan refers to, in the order in which it does. */
interface Found {
  /** The value becomes the address once all texts are known. */
  readonly texts: Map<string, number>
  readonly bytes: Map<Bytes, number>
  readonly slots: Map<string, number>
  /** Slots that lie inside bytes. */
  readonly inside: Map<string, { readonly of: Bytes; readonly offset: number }>
}

/** Throws a RangeError for a plan that no compiler of ours makes: too many steps, a label or a slot's place given twice, a NUL in a text. */
export function layOut(plan: Plan): Layout {
  if (plan.steps.length === 0 || plan.steps.length > MAX_RECORDS) throw new RangeError(`a plan of ${plan.steps.length} steps`)
  const found: Found = { texts: new Map(), bytes: new Map(), slots: new Map(), inside: new Map() }
  const labels = new Map<string, number>()
  found.slots.set(plan.report.name, 0)
  for (let i = 0; i < plan.steps.length; i++) {
    const step = plan.steps[i]!
    if (step.label !== undefined) {
      if (labels.has(step.label)) throw new RangeError(`label "${step.label}" is given twice`)
      labels.set(step.label, i)
    }
    if (step.save !== undefined) found.slots.set(step.save.name, 0)
    for (const arg of step.args) if (typeof arg === 'object') find(found, arg)
  }
  const textOffset = CODE_OFFSET + interpreter[plan.arch].length + plan.steps.length * RECORD_SIZE
  const pool = placeTexts(found.texts, BASE + textOffset)
  return { labels, ...found, pool, textOffset, ...placeData(plan, found, alignUp(textOffset + pool.length, 8)) }
}

function find(found: Found, arg: Exclude<Arg, number>): void {
  switch (arg.kind) {
    case 'slot':
      found.slots.set(arg.name, 0)
      return
    case 'text':
      found.texts.set(arg.text, 0)
      return
    case 'inside':
      return findBytes(found, arg.of)
    case 'bytes':
      return findBytes(found, arg)
  }
}

function findBytes(found: Found, bytes: Bytes): void {
  if (found.bytes.has(bytes)) return
  found.bytes.set(bytes, 0)
  if (bytes.pointers !== undefined) for (const { to } of bytes.pointers) find(found, to)
  if (bytes.slots !== undefined) for (const { offset, slot } of bytes.slots) findInside(found, bytes, offset, slot)
}

function findInside(found: Found, of: Bytes, offset: number, slot: Slot): void {
  if (found.inside.has(slot.name)) throw new RangeError(`slot "${slot.name}" lies in two places`)
  if (offset < 0 || offset + 4 > of.bytes.length) throw new RangeError(`slot "${slot.name}" lies outside ${of.shows}`)
  found.inside.set(slot.name, { of, offset })
}

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to

/** Gives each text its address, from `start` on, and makes the bytes of all of them. */
function placeTexts(texts: Map<string, number>, start: number): Uint8Array {
  const encoder = new TextEncoder()
  if (texts.size === 0) return new Uint8Array(0)
  const all = `${[...texts.keys()].join('\0')}\0`
  const pool = encoder.encode(all)
  // Texts are nearly always ASCII, where one call encodes them all and lengths need no second look.
  const ascii = pool.length === all.length
  let address = start
  for (const text of texts.keys()) {
    if (text.includes('\0')) throw new RangeError(`NUL in the text ${JSON.stringify(text)}`)
    texts.set(text, address)
    address += (ascii ? text.length : encoder.encode(text).length) + 1
  }
  return pool
}

/** Data that the file holds comes first, then what is zero: slots beside the data, as they are written to as well, then buffers. */
function placeData(plan: Plan, found: Found, dataOffset: number): Pick<Layout, 'dataOffset' | 'fileSize' | 'dataBias' | 'memoryEnd'> {
  const dataBias = BASE + alignUp(dataOffset, PAGE_SIZE[plan.arch]) + (dataOffset % PAGE_SIZE[plan.arch]) - dataOffset
  const reportIn = found.inside.get(plan.report.name)?.of
  const zero: Bytes[] = []
  let end = dataOffset + dataBias
  for (const bytes of found.bytes.keys()) {
    if (bytes !== reportIn && isZero(bytes)) zero.push(bytes)
    else end = placeBytes(found, bytes, end)
  }
  end = alignUp(end, 4)
  if (reportIn === undefined) end = placeSlot(found, plan.report.name, end)
  const fileSize = alignUp(end - dataBias, 4)
  for (const name of found.slots.keys()) if (!found.inside.has(name) && name !== plan.report.name) end = placeSlot(found, name, end)
  for (const bytes of zero) end = placeBytes(found, bytes, end)
  for (const [name, { of, offset }] of found.inside) found.slots.set(name, found.bytes.get(of)! + offset)
  if (end >= 2 ** 31) throw new RangeError('an image of 2 GiB')
  return { dataOffset, fileSize, dataBias, memoryEnd: end }
}

function placeBytes(found: Found, bytes: Bytes, end: number): number {
  const address = alignUp(end, 8)
  found.bytes.set(bytes, address)
  return address + bytes.bytes.length
}

function placeSlot(found: Found, name: string, end: number): number {
  found.slots.set(name, end)
  return end + 4
}

const isZero = ({ bytes, pointers }: Bytes): boolean => pointers === undefined && bytes.every(byte => byte === 0)
