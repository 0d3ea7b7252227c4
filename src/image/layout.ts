/**
 * Where everything that a plan refers to lies in memory; the order of the parts is drawn in record.ts.
 *
 * Laid out in one pass, as every start of a container pays for it in cold code: a text has its address when it is first met, because
 * the texts come first. The records follow, then the data; references to it are noted and filled in at the end.
 */
import type { Bytes, Plan, Slot } from '../plan/step.ts'
import { BASE, PAGE_SIZE, SMALLEST_PAGE_SIZE } from './record.ts'

/** What grows while the records are written. */
export interface Layout {
  /** Address by content: equal texts are one. */
  readonly texts: Map<string, number>
  /** All texts so far, each with its NUL. */
  pool: string
  /** Address after the last text. */
  textEnd: number
  /** Index in `parts`: of bytes by object, of slots by name, as equal names are one slot. */
  readonly indices: Map<Bytes | string, number>
  /** In the order in which they are met. */
  readonly parts: (Bytes | Slot)[]
  /** The address of each part; `placeData` gives it. */
  readonly addresses: number[]
  /** Slots that lie inside bytes, by indices of parts. */
  readonly inside: { readonly slot: number; readonly of: number; readonly offset: number }[]
}

/** How the data segment lies in the file and in memory. */
export interface DataPlace {
  readonly offset: number
  /** Address minus offset in the file. */
  readonly bias: number
  readonly fileEnd: number
  /** Address after its last byte. */
  readonly memoryEnd: number
}

/** An empty layout whose texts start at address `textStart`. */
export const emptyLayout = (textStart: number): Layout => ({
  texts: new Map(),
  pool: '',
  textEnd: textStart,
  indices: new Map(),
  parts: [],
  addresses: [],
  inside: []
})

/** The address of `text`. Throws a RangeError when it holds a NUL: the kernel would take the part before it. */
export function placeText(layout: Layout, text: string): number {
  const known = layout.texts.get(text)
  if (known !== undefined) return known
  if (text.includes('\0')) throw new RangeError(`NUL in the text ${JSON.stringify(text)}`)
  const address = layout.textEnd
  layout.texts.set(text, address)
  layout.pool += `${text}\0`
  layout.textEnd = checkedAddress(address + utf8Length(text) + 1)
  return address
}

/** Nearly all texts are ASCII. An encoder for each would take longer than all else, and so would the first use of Buffer. */
const utf8Length = (text: string): number => (/[\u0080-\uffff]/.test(text) ? new TextEncoder().encode(text).length : text.length)

/** The index of `part`. Bytes bring along all that they point to. Throws a RangeError when a slot lies outside its bytes. */
export function meet(layout: Layout, part: Bytes | Slot): number {
  const key = part.kind === 'slot' ? part.name : part
  const known = layout.indices.get(key)
  if (known !== undefined) return known
  const index = layout.parts.push(part) - 1
  layout.indices.set(key, index)
  layout.addresses.push(0)
  if (part.kind === 'bytes') meetInside(layout, part, index)
  return index
}

function meetInside(layout: Layout, { bytes, pointers, slots, shows }: Bytes, index: number): void {
  if (pointers !== undefined) for (const { to } of pointers) to.kind === 'text' ? placeText(layout, to.text) : meet(layout, to)
  if (slots === undefined) return
  for (const { offset, slot } of slots) {
    if (offset < 0 || offset + 4 > bytes.length) throw new RangeError(`slot "${slot.name}" lies outside ${shows}`)
    layout.inside.push({ slot: meet(layout, slot), of: index, offset })
  }
}

/** In place of an address until all bytes have theirs: the slot lies inside bytes. */
const INSIDE = -1

/**
 * Gives all data its address, from offset `start` in the file on: first what the file holds; then what is zero, slots before buffers, so that what is written lies close together.
 * Throws a RangeError when a slot lies in two places, or addresses grow past 2^31.
 */
export function placeData(layout: Layout, plan: Plan, start: number): DataPlace {
  const { parts, addresses, inside } = layout
  const page = PAGE_SIZE[plan.arch]
  const offset = align(start, 8)
  const bias = BASE + align(offset, page) + (offset % page) - offset
  // The report slot is the one slot that starts with a value: the file holds it, or the bytes that it lies in.
  const report = markInside(layout, plan)
  let end = offset + bias
  for (let i = 0; i < parts.length; i++) if (i === report || startsWithValue(parts[i]!)) end = place(layout, i, end)
  end = align(end, 4)
  const fileEnd = end - bias
  for (let i = 0; i < parts.length; i++) if (addresses[i] === 0 && parts[i]!.kind === 'slot') end = place(layout, i, end)
  for (let i = 0; i < parts.length; i++) if (addresses[i] === 0) end = place(layout, i, end)
  for (const { slot, of, offset } of inside) addresses[slot] = addresses[of]! + offset
  const shift = shiftOf(offset, end - bias)
  if (shift > 0) for (let i = 0; i < addresses.length; i++) addresses[i]! += shift
  return { offset: offset + shift, bias, fileEnd: fileEnd + shift, memoryEnd: end + shift }
}

/** What fits in one page does not lie in two: a page of the container's memory is worth more than a few zeros in the file. */
function shiftOf(start: number, end: number): number {
  const next = align(start, SMALLEST_PAGE_SIZE)
  return end > next && end - start <= SMALLEST_PAGE_SIZE ? next - start : 0
}

/** Marks the slots that need no place of their own, and gives the index of the part that holds the report slot. */
function markInside({ parts, inside, addresses, indices }: Layout, plan: Plan): number {
  const report = indices.get(plan.report.name)!
  let holder = report
  for (const { slot, of } of inside) {
    if (addresses[slot] === INSIDE) throw new RangeError(`slot "${(parts[slot] as Slot).name}" lies in two places`)
    addresses[slot] = INSIDE
    if (slot === report) holder = of
  }
  return holder
}

function startsWithValue(part: Bytes | Slot): boolean {
  if (part.kind === 'slot') return false
  if (part.pointers !== undefined) return true
  const { bytes } = part
  // By words where that can be: what is zero are the large buffers.
  const units = ((bytes.byteOffset | bytes.length) & 3) === 0 ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : bytes
  for (let i = 0; i < units.length; i++) if (units[i] !== 0) return true
  return false
}

/** Places one part at `end` or a little after, and gives the new end. */
function place({ parts, addresses }: Layout, index: number, end: number): number {
  const part = parts[index]!
  const isSlot = part.kind === 'slot'
  const address = align(end, isSlot ? 4 : 8)
  addresses[index] = address
  return checkedAddress(address + (isSlot ? 4 : part.bytes.length))
}

function checkedAddress(end: number): number {
  if (end > MAX_ADDRESS) throw new RangeError('an image of more than 1 GiB')
  return end
}

/** Far from where bit operations would overflow. */
const MAX_ADDRESS = 2 ** 30
const align = (value: number, to: number): number => (value + to - 1) & -to
