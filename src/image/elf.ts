/** The headers of a static ELF executable, as 32-bit words (elf(5), elf.h). */
import type { Architecture } from '../abi/syscalls.ts'
import { BASE, CODE_OFFSET, ELF_HEADER_SIZE, PAGE_SIZE, PROGRAM_HEADER_SIZE, PROGRAM_HEADERS } from './record.ts'

export const ELF_MAGIC = 0x464c457f
export const MACHINE: Readonly<Record<Architecture, number>> = { x64: 62, arm64: 183 }
export const ET_EXEC = 2
export const ET_DYN = 3
export const PT_LOAD = 1
export const PT_NOTE = 4
export const PT_GNU_STACK = 0x6474e551
export const PF_X = 1
export const PF_W = 2
export const PF_R = 4

/** Sizes that the headers tell. */
export interface Parts {
  /** Size of the first segment, which starts with the file. */
  readonly codeSize: number
  readonly dataOffset: number
  readonly dataAddress: number
  readonly dataFileSize: number
  readonly dataMemorySize: number
}

/** ELF header and program headers: CODE_OFFSET / 4 words. */
export function elfHeaders(arch: Architecture, parts: Parts): Int32Array {
  const align = PAGE_SIZE[arch]
  return new Int32Array([
    ELF_MAGIC,
    0x00010102,
    0,
    0, // 64 bit, little-endian, version 1, System V
    ET_EXEC | (MACHINE[arch] << 16),
    1, // e_type, e_machine, e_version
    BASE + CODE_OFFSET,
    0, // e_entry
    ELF_HEADER_SIZE,
    0, // e_phoff
    0,
    0, // e_shoff: no sections
    0, // e_flags
    ELF_HEADER_SIZE | (PROGRAM_HEADER_SIZE << 16), // e_ehsize, e_phentsize
    PROGRAM_HEADERS,
    0, // e_phnum, and three fields about sections
    ...programHeader(PT_LOAD, PF_R | PF_X, 0, BASE, parts.codeSize, parts.codeSize, align),
    ...programHeader(PT_LOAD, PF_R | PF_W, parts.dataOffset, parts.dataAddress, parts.dataFileSize, parts.dataMemorySize, align),
    ...programHeader(PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 16)
  ])
}

/** p_type, p_flags, and the low and high words of p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align. */
function programHeader(
  type: number,
  flags: number,
  offset: number,
  address: number,
  fileSize: number,
  memorySize: number,
  align: number
): number[] {
  return [type, flags, offset, 0, address, 0, address, 0, fileSize, 0, memorySize, 0, align, 0]
}
