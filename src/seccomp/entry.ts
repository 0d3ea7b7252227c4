/**
 * The format of one file of the cache. Pure. Little-endian:
 *
 *     0   "tsrunbpf"                 8  u32 VERSION
 *     12  u32 length of key         16  u32 length of library       20  u32 length of program
 *     24  u32 flags of seccomp(2)   28  u32 checksum of program     32  identity of the library's file, 56 bytes
 *     88  key: what was compiled; library: the path of the libseccomp that did it; program
 *
 * An entry holds the whole profile that it was made from, which is compared: no two profiles can be taken for each other, so file names need
 * no cryptographic hash. TextEncoder and TextDecoder, because the first use of Buffer takes Bun 0.4 ms.
 */

import { checksum } from '../cache/fingerprint.ts'
import { INSTRUCTION_SIZE, MAX_INSTRUCTIONS } from './bpf.ts'

/** To be raised whenever the same profile would compile to another program. */
export const VERSION = 1

const MAGIC = [0x7572_7374, 0x6670_626e] as const
const IDENTITY = 32
/** In words. */
export const IDENTITY_LENGTH = 14
export const HEADER_SIZE = IDENTITY + 4 * IDENTITY_LENGTH
/** No entry is longer. */
export const MAX_ENTRY_SIZE = 4 << 20

/** A compiled program. */
export interface Compiled {
  /** `struct sock_filter[]`. */
  readonly program: Uint8Array
  /** SECCOMP_FILTER_FLAG_* for SECCOMP_SET_MODE_FILTER. */
  readonly flags: number
}

/** A compiled program and the library that made it. */
export interface Entry extends Compiled {
  readonly library: string
  /** What tells the library's file from any other, IDENTITY_LENGTH words. */
  readonly identity: Uint32Array
}

/** The file for `entry`. */
export function packEntry(key: string, { program, flags, library, identity }: Entry): Uint8Array {
  const encoder = new TextEncoder()
  const parts = [encoder.encode(key), encoder.encode(library), program]
  const lengths = parts.map(({ length }) => length)
  const bytes = new Uint8Array(HEADER_SIZE + lengths.reduce((sum, length) => sum + length, 0))
  const view = new DataView(bytes.buffer)
  ;[...MAGIC, VERSION, ...lengths, flags, checksum(program)].forEach((word, i) => void view.setUint32(4 * i, word, true))
  new Uint32Array(bytes.buffer, IDENTITY, IDENTITY_LENGTH).set(identity)
  let at = HEADER_SIZE
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Reads a file; undefined when it is damaged, or of another format or key. What is returned are views of `bytes`, which must be aligned to 4. */
export function unpackEntry(bytes: Uint8Array, key: string): Entry | undefined {
  if (bytes.length < HEADER_SIZE) return undefined
  const header = new Uint32Array(bytes.buffer, bytes.byteOffset, HEADER_SIZE / 4)
  const libraryStart = HEADER_SIZE + header[3]!
  const programStart = libraryStart + header[4]!
  const length = header[5]!
  if (header[0] !== MAGIC[0] || header[1] !== MAGIC[1] || header[2] !== VERSION) return undefined
  if (programStart + length !== bytes.length || !isProgramLength(length)) return undefined
  const decoder = new TextDecoder()
  const program = bytes.subarray(programStart)
  if (decoder.decode(bytes.subarray(HEADER_SIZE, libraryStart)) !== key || checksum(program) !== header[7]) return undefined
  const library = decoder.decode(bytes.subarray(libraryStart, programStart))
  return { program, flags: header[6]!, library, identity: header.subarray(IDENTITY / 4) }
}

const isProgramLength = (length: number): boolean =>
  length > 0 && length % INSTRUCTION_SIZE === 0 && length <= MAX_INSTRUCTIONS * INSTRUCTION_SIZE
