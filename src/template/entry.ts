/**
 * The format of a template: what is kept of a program that was compiled. Pure. Little-endian:
 *
 *     0   "tsrunimg"               8   u32 VERSION                  12  u32 checksum of all that follows
 *     16  u32 length of key        20  u32 length of facts          24  u32 length of description     28  u32 length of image
 *     32  identity of the executable that compiled it, 56 bytes
 *     88  key; facts; description (JSON); image
 *
 * Key and facts are all that a program depends on, with the names left open. They are compared, so file names need no cryptographic hash.
 */
import type { ProgramFd } from '../plan/step.ts'
import type { NamePlace } from './names.ts'

/** To be raised with every change of the format. */
export const VERSION = 1
export const HEADER_SIZE = 88
/** No template is longer. */
export const MAX_SIZE = 4 << 20

const MAGIC = [0x7572_7374, 0x676d_696e] as const
const CHECKED_FROM = 16
const IDENTITY = 32
/** In words. */
const IDENTITY_LENGTH = 14

/** What is known of a program beside its bytes. */
export interface Description {
  readonly fds: readonly ProgramFd[]
  readonly lastClone: number
  /** JSON of Compiled.afterReady, with the names left open. */
  readonly afterReady: string
  readonly places: readonly NamePlace[]
  /** Of its seccomp filter, when that follows from the profile and a library. */
  readonly seccomp?: {
    readonly flags: number
    readonly listener?: boolean
    readonly library: string
    /** See Status.identity. */
    readonly identity: readonly number[]
  }
}

/** A program with its names left open. */
export interface Template extends Description {
  /** The configuration, and how the container is started. */
  readonly key: string
  /** All else that the program depends on. */
  readonly facts: string
  /** With the names of some container. */
  readonly image: Uint8Array
}

/** A sum that changes with the bytes. */
export type Checksum = (bytes: Uint8Array) => number

/** The file for a template. */
export function packTemplate({ key, facts, image, ...description }: Template, identity: Uint32Array, checksum: Checksum): Uint8Array {
  const encoder = new TextEncoder()
  const parts = [encoder.encode(key), encoder.encode(facts), encoder.encode(JSON.stringify(description)), image]
  const bytes = new Uint8Array(HEADER_SIZE + parts.reduce((sum, { length }) => sum + length, 0))
  const header = new Uint32Array(bytes.buffer, 0, HEADER_SIZE / 4)
  header.set([...MAGIC, VERSION, 0, ...parts.map(({ length }) => length)])
  header.set(identity, IDENTITY / 4)
  let at = HEADER_SIZE
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  header[3] = checksum(bytes.subarray(CHECKED_FROM))
  return bytes
}

/**
 * Reads a file; undefined when it is damaged, of another format, of another executable, or of another key. The image is a view of `bytes`,
 * which must be aligned to 4.
 */
export function unpackTemplate(bytes: Uint8Array, key: string, identity: Uint32Array, checksum: Checksum): Template | undefined {
  if (bytes.length < HEADER_SIZE) return undefined
  const header = new Uint32Array(bytes.buffer, bytes.byteOffset, HEADER_SIZE / 4)
  if (header[0] !== MAGIC[0] || header[1] !== MAGIC[1] || header[2] !== VERSION) return undefined
  for (let i = 0; i < IDENTITY_LENGTH; i++) if (header[IDENTITY / 4 + i] !== identity[i]) return undefined
  const facts = HEADER_SIZE + header[4]!
  const description = facts + header[5]!
  const image = description + header[6]!
  if (image + header[7]! !== bytes.length || checksum(bytes.subarray(CHECKED_FROM)) !== header[3]) return undefined
  const decoder = new TextDecoder()
  if (decoder.decode(bytes.subarray(HEADER_SIZE, facts)) !== key) return undefined
  const described = JSON.parse(decoder.decode(bytes.subarray(description, image))) as Description
  return { ...described, key, facts: decoder.decode(bytes.subarray(facts, description)), image: bytes.subarray(image) }
}
