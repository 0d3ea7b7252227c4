/** What the entry stub leaves in the auxiliary vector, and how it is read; stub.ts says why. */

/** resource.h, signal.h: the same on both architectures. */
export const RLIMIT_NOFILE = 7
export const SIG_IGN = 1

/** The standard signals are 1 to this; no engine touches the real-time ones above. */
export const LAST_SIGNAL = 31

/**
 * The value of AT_FLAGS:
 *
 *     63      62…32                    31…0
 *     cwdGone signal n ignored: 31+n   soft limit of open files, 0xffffffff for that and all above
 *
 * SIGKILL and SIGSTOP can never be ignored. Both bits set say that the stub was here: the kernel's own value has nothing up there.
 */
export const StubBit = { magic: (1 << 8) | (1 << 18), cwdGone: 0x8000_0000 } as const

/** How the process was started, before the engine changed it. */
export interface StubValue {
  /** False without the stub: on Node, or when the executable was built without it. The rest then says nothing. */
  readonly present: boolean
  /** Soft RLIMIT_NOFILE; undefined when it was infinite (or above 2^32 - 2), or is not known. */
  readonly softNofile: number | undefined
  /** Standard signals that were ignored, in order. */
  readonly ignored: readonly number[]
  /** The working directory had no path any more; it is `/` now. */
  readonly cwdGone: boolean
}

/** What getauxval(AT_FLAGS) has to say: AT_FLAGS is 8 (getauxval(3)). */
export function readStubValue(value: bigint): StubValue {
  const low = Number(value & 0xffff_ffffn)
  const high = Number((value >> 32n) & 0xffff_ffffn)
  if ((high & StubBit.magic) !== StubBit.magic) return { present: false, softNofile: undefined, ignored: [], cwdGone: false }
  return {
    present: true,
    softNofile: low === 0xffff_ffff ? undefined : low,
    ignored: signalsOf(high & ~StubBit.magic),
    cwdGone: (high & StubBit.cwdGone) !== 0
  }
}

/** The standard signals of a mask whose lowest bit is signal 1, as in /proc/PID/status. */
export function signalsOf(mask: number): number[] {
  const signals: number[] = []
  for (let signal = 1; signal <= LAST_SIGNAL; signal++) if ((mask & (1 << (signal - 1))) !== 0) signals.push(signal)
  return signals
}
