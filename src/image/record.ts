/**
 * The image: a plan laid out as a static ELF executable. This comment and the constants below are the specification.
 *
 *     offset   what
 *     0        ELF header, three program headers              ┐
 *     232      the interpreter's code, padded to 4 bytes       │ PT_LOAD, R+X, at BASE
 *     table    u32 report: address of the slot that holds      │
 *              the descriptor for errors; u32 count of records │
 *     +8       count records of 52 bytes                       │
 *              texts, each with its NUL; equal ones are one    ┘
 *     data     (aligned to 8) bytes that are not all zero, the report slot    ┐ PT_LOAD, R+W, its address is
 *     end      bytes that are all zero, slots: in memory only, not in the file ┘ congruent to its offset
 *
 * The two segments share a page of the file where they meet, so nothing is padded to a page: a usual image is three pages.
 * All addresses are below 2^31: they fit the 32-bit arguments.
 *
 * One record, little-endian; an address of 0 is none; targets are indices of records:
 *
 *     offset  size  name
 *     0       u16   nr           system call number; 0xffff: compare
 *     2       u8    slots        bit i: args[i] is the address of a slot; the argument is the signed 32-bit value there
 *     3       u8    addresses    bit i: args[i] is the address of data (for the decoder; the interpreter does not look)
 *     4       u16   then         target on success
 *     6       u16   zero         target when the result is 0
 *     8       u32   save         address of the slot that gets the low 32 bits of a successful result
 *     12      4 × { u16 errno, u16 target }   where expected errnos lead; 0xffff: any errno; 0: end of the list
 *     28      6 × i32 args       sign-extended to 64 bits
 *
 * How a record runs: the arguments are loaded, the call is made. A result of -4095 … -1 is an errno: the list is searched from its start,
 * and without a match { u32 index of the record, u32 errno } is written to the descriptor in the report slot, and exit_group(1) called.
 * Every other result is a success: it is saved, and the program goes on at `zero` when it is 0, at `then` otherwise.
 * compare(address, expected, mask, length, errno) gives 0, or -errno when (address[i] ^ expected[i]) & mask[i] is not 0 for an i < length;
 * a mask of address 0 has all bits set.
 */
import type { Architecture } from '../abi/syscalls.ts'

/** Address of the first byte of the file. Above every vm.mmap_min_addr in use. */
export const BASE = 0x40_0000
/** What segments are aligned to: the largest page that a kernel of the architecture may have. */
export const PAGE_SIZE: Readonly<Record<Architecture, number>> = { x64: 0x1000, arm64: 0x1_0000 }
export const ELF_HEADER_SIZE = 64
export const PROGRAM_HEADER_SIZE = 56
export const PROGRAM_HEADERS = 3
/** Offset of the interpreter. */
export const CODE_OFFSET = ELF_HEADER_SIZE + PROGRAM_HEADERS * PROGRAM_HEADER_SIZE
/** Size of { report, count }. */
export const TABLE_HEADER_SIZE = 8

/** Offsets in a record. */
export const Field = { nr: 0, slots: 2, addresses: 3, then: 4, zero: 6, save: 8, errnos: 12, args: 28 } as const
/** The same in words of four bytes, where the encoder writes several fields at once. */
export const Word = { call: 0, targets: 1, save: 2, errnos: 3, args: 7 } as const
export const RECORD_SIZE = 52
export const RECORD_WORDS = RECORD_SIZE / 4
export const ERRNO_ENTRIES = 4
export const ARGS = 6

/** `nr` of compare. */
export const COMPARE = 0xffff
/** `errno` that matches every errno. */
export const ANY_ERRNO = 0xffff
/** Targets are 16 bits. */
export const MAX_RECORDS = 0xfffe
