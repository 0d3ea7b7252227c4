/**
 * The plan: a container as a typed list of system calls, each with the place in `config.json` that it came from.
 *
 * Everything here is frozen data. `compile.ts` makes it, `format.ts` prints it, `check.ts` holds its invariants,
 * and `image/encode.ts` lays it out as a program.
 */

import type { ErrnoName } from '../abi/errno.ts'
import type { Architecture, SyscallName } from '../abi/syscalls.ts'
import type { ErrorCode } from '../errors/error.ts'

/** Four bytes of data that hold the result of an earlier step; as an argument they are read as a signed 32-bit value. */
export interface Slot {
  readonly kind: 'slot'
  readonly name: string
}

/** A NUL-terminated string in the data. Equal strings share one place. */
export interface Text {
  readonly kind: 'text'
  readonly text: string
}

/** Bytes in the data: a structure that the kernel reads, or a buffer that it fills. Two `Bytes` objects never share a place. */
export interface Bytes {
  readonly kind: 'bytes'
  /** What it is, in strace's form: `{size=24, flags=O_PATH}`. Shown by `explain`. */
  readonly shows: string
  readonly bytes: Uint8Array
  /** Places inside `bytes` that receive the absolute 64-bit address of other data, such as each entry of `argv`. */
  readonly pointers?: readonly { readonly offset: number; readonly to: Text | Bytes }[]
  /** Slots that live inside `bytes`, such as a file descriptor in a control message. */
  readonly slots?: readonly { readonly offset: number; readonly slot: Slot }[]
}

/** One place inside a `Bytes`: its address plus `offset`. */
export interface Inside {
  readonly kind: 'inside'
  readonly of: Bytes
  readonly offset: number
}

/** An argument: a 32-bit immediate (sign-extended to 64 bits), the address of data, or the value of a slot. */
export type Arg = number | Slot | Text | Bytes | Inside

/**
 * Where to go on: `next` is the step that follows in the list, `retry` the same step again, `{skip: n}` goes past the n steps that follow, so that
 * pieces of a program can be put together freely, a number is the index of a step, and `{to}` goes to a label.
 */
export type Target = 'next' | 'retry' | number | { readonly skip: number } | { readonly to: string }

/**
 * One step. `compare` is the only call that is not the kernel's:
 * `compare(address, expected, mask, length, errno)` fails with `errno` when `(address[i] ^ expected[i]) & mask[i]` is not 0 for an i < length;
 * a mask of 0 compares all bits.
 */
export interface Step {
  readonly call: SyscallName | 'compare'
  readonly args: readonly Arg[]
  /** Name that other steps go to. */
  readonly label?: string
  /** Keeps the result (its low 32 bits). */
  readonly save?: Slot
  /** Expected errnos, at most four, and where each leads; `any` matches every errno. An errno that is not named ends the program. */
  readonly on?: { readonly [E in ErrnoName | 'any']?: Target }
  /** Where success leads; default `next`. */
  readonly then?: Target
  /** Where a result of 0 leads when that differs: how `clone` parts parent and child, and how end of file is seen. */
  readonly zero?: Target
  /** JSON pointer into `config.json`; '' when the step comes from no field. */
  readonly pointer: string
  /** The step in words, as the rest of a sentence that starts with "cannot": `mount "proc" on "/proc"`. */
  readonly says: string
  /** What an errno means here, where the kernel's own word tells little: the rest of the sentence, behind a colon. */
  readonly why?: { readonly [E in ErrnoName]?: string }
  /** Set when a failure of this step has a wording or a meaning of its own. */
  readonly code?: ErrorCode
}

/** File descriptors that the program finds open when it starts, beside 0, 1, 2 and the preserved ones. */
export interface ProgramFd {
  /** What it is, such as `sync`, `start`, `console`, `mount 3 source`. Whoever spawns the program looks it up by this name. */
  readonly name: string
  readonly fd: number
}

/** A whole program. */
export interface Plan {
  readonly arch: Architecture
  readonly steps: readonly Step[]
  /** Descriptors to be passed; the numbers start after the preserved ones and are dense. */
  readonly fds: readonly ProgramFd[]
  /** Holds the descriptor that an unexpected error is reported to; a step may `save` into it to redirect later reports. */
  readonly report: Slot
  /** What `report` holds when the program starts. */
  readonly reportFd: number
}

/** Named four bytes. */
export const slot = (name: string): Slot => ({ kind: 'slot', name })

/** A string argument. */
export const text = (value: string): Text => ({ kind: 'text', text: value })

/** Leads to the step labelled `label`. */
export const to = (label: string): Target => ({ to: label })

/** Bytes with their printed form. */
export const bytes = (shows: string, content: Uint8Array): Bytes => ({ kind: 'bytes', shows, bytes: content })
