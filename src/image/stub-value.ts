/** What the entry stub leaves in the auxiliary vector, and how it is read; stub.ts says why. */

/** resource.h, signal.h: the same on both architectures. */
export const RLIMIT_NOFILE = 7
export const SIGPIPE = 13
export const SIGXFSZ = 25
export const SIG_IGN = 1

/**
 * The upper 32 bits of the value of AT_FLAGS; the lower 32 are the soft limit of open files, 0xffffffff for that and all above.
 * The kernel's own value has nothing up there.
 */
export const StubBit = { magic: 0x7473_0000, sigpipeIgnored: 1, sigxfszIgnored: 2 } as const

/** How the process was started, before the engine changed it. */
export interface StubValue {
  /** False without the stub: on Node, or when the executable was built without it. The rest then says nothing. */
  readonly present: boolean
  /** Soft RLIMIT_NOFILE; undefined when it was infinite (or above 2^32 - 2), or is not known. */
  readonly softNofile: number | undefined
  readonly sigpipeIgnored: boolean
  readonly sigxfszIgnored: boolean
}

/** What getauxval(AT_FLAGS) has to say: AT_FLAGS is 8 (getauxval(3)). */
export function readStubValue(value: bigint): StubValue {
  const low = Number(value & 0xffff_ffffn)
  const high = Number((value >> 32n) & 0xffff_ffffn)
  const present = (high & 0xffff_0000) === StubBit.magic
  return {
    present,
    softNofile: present && low !== 0xffff_ffff ? low : undefined,
    sigpipeIgnored: present && (high & StubBit.sigpipeIgnored) !== 0,
    sigxfszIgnored: present && (high & StubBit.sigxfszIgnored) !== 0
  }
}
