/** The dynamic symbols of an executable (elf(5)). */
import { ELF_HEADER_SIZE, PROGRAM_HEADER_SIZE } from './record.ts'

const ET_EXEC = 2
const SHT_DYNSYM = 11
const SECTION_HEADER_SIZE = 64
const SYMBOL_SIZE = 24

/**
 * The address of an object that `elf` itself holds, or has a copy of.
 * @returns undefined when there is no such symbol, and for an executable that may be loaded anywhere
 */
export function dynamicSymbol(elf: Uint8Array, name: string): number | undefined {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  if (view.getUint16(16, true) !== ET_EXEC) return undefined
  const table = sections(view).find(({ type }) => type === SHT_DYNSYM)
  const strings = table && sections(view)[table.link]
  if (strings === undefined) return undefined
  for (let at = table!.offset; at + SYMBOL_SIZE <= table!.offset + table!.size; at += SYMBOL_SIZE) {
    const isHeld = view.getUint16(at + 6, true) !== 0
    if (isHeld && isText(elf, strings.offset + view.getUint32(at, true), name)) return Number(view.getBigUint64(at + 8, true))
  }
  return undefined
}

interface Section {
  readonly type: number
  readonly offset: number
  readonly size: number
  readonly link: number
}

function sections(view: DataView): readonly Section[] {
  const start = Number(view.getBigUint64(40, true))
  const count = view.getUint16(60, true)
  if (start < ELF_HEADER_SIZE + PROGRAM_HEADER_SIZE || start + count * SECTION_HEADER_SIZE > view.byteLength) return []
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * SECTION_HEADER_SIZE
    const number = (offset: number): number => Number(view.getBigUint64(at + offset, true))
    return { type: view.getUint32(at + 4, true), offset: number(24), size: number(32), link: view.getUint32(at + 40, true) }
  })
}

function isText(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return bytes[at + text.length] === 0
}
