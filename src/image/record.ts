/**
 * The image: a plan laid out as a static ELF executable. This comment and the constants below are the specification.
 *
 *     offset   what
 *     0        ELF header, three program headers                               ┐ PT_LOAD, R+X, at BASE
 *     232      the interpreter's code, padded to 4 bytes                       │
 *     table    u32 report: address of the slot that holds the descriptor for   │
 *              errors; u32 records: their address; u32 count of records        │
 *     +12      texts, each with its NUL; equal ones are one                    │
 *     records  (aligned to 4) one after the other                              ┘
 *     data     (aligned to 8) bytes that are not all zero, the report slot     ┐ PT_LOAD, R+W, its address is
 *     end      slots, bytes that are all zero: in memory only, not in the file ┘ congruent to its offset
 *
 * The two segments share a page of the file where they meet, unless data that fits in a page would then lie in two.
 * All addresses are below 2^31: they fit the 32-bit arguments.
 *
 * One record, little-endian, 8 to 56 bytes; a target is where a record starts, counted in words of 4 bytes from the first record:
 *
 *     offset  size  name
 *     0       u16   nr           system call number; 0xffff: compare
 *     2       u8    slots        bit i: args[i] is the address of a slot; the argument is the signed 32-bit value there
 *                                bit 6: there is `save`; bit 7: there is `ways`
 *     3       u8    addresses    bit i: args[i] is the address of data (for the decoder; the interpreter does not look)
 *     4       u16   index        of the step in the plan
 *     6       u8    args         how many arguments follow, 0 to 6; the others are 0
 *     7       u8    errnos       how many errnos follow, 0 to 4
 *     8       i32 × args         arguments, sign-extended to 64 bits
 *             { u16 errno, u16 target } × errnos   where expected errnos lead; 0xffff: any errno
 *             u32 save           address of the slot that gets the low 32 bits of a successful result
 *             { u16 then, u16 zero } ways          targets on success, and when the result is 0; without it, the record that follows
 *
 * How a record runs: the arguments are loaded, the call is made. A result of -4095 … -1 is an errno: the list is searched from its start,
 * and without a match { u32 index, u32 errno } is written to the descriptor in the report slot, and exit_group(1) called.
 * Every other result is a success: it is saved, and the program goes on at `zero` when it is 0, at `then` otherwise.
 * compare(address, expected, mask, length, errno) gives 0, or -errno when (address[i] ^ expected[i]) & mask[i] is not 0 for an i < length;
 * a mask of address 0 has all bits set.
 */
import type { Architecture } from '../abi/syscalls.ts'

/** Address of the first byte of the file. Above every vm.mmap_min_addr in use. */
export const BASE = 0x40_0000
/** What segments are aligned to: the largest page that a kernel of the architecture may have. */
export const PAGE_SIZE: Readonly<Record<Architecture, number>> = { x64: 0x1000, arm64: 0x1_0000 }
export const SMALLEST_PAGE_SIZE = 0x1000
export const ELF_HEADER_SIZE = 64
export const PROGRAM_HEADER_SIZE = 56
export const PROGRAM_HEADERS = 3
/** Offset of the interpreter. */
export const CODE_OFFSET = ELF_HEADER_SIZE + PROGRAM_HEADERS * PROGRAM_HEADER_SIZE
/** Size of { report, records, count }. */
export const TABLE_HEADER_SIZE = 12

/** Offsets in a record. */
export const Field = { nr: 0, slots: 2, addresses: 3, index: 4, args: 6, errnos: 7 } as const
/** Size of what every record has. */
export const RECORD_HEADER_SIZE = 8
/** Bits of `slots` that are no slots. */
export const HAS_SAVE = 0x40
export const HAS_WAYS = 0x80
export const MAX_ERRNOS = 4
export const MAX_ARGS = 6

/** `nr` of compare. */
export const COMPARE = 0xffff
/** `errno` that matches every errno. */
export const ANY_ERRNO = 0xffff
/** Indices and targets are 16 bits. */
export const MAX_RECORDS = 0xffff
export const MAX_TARGET = 0xffff
