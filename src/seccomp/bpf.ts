/**
 * Classic BPF as seccomp runs it (linux/filter.h, linux/bpf_common.h, seccomp(2)).
 *
 *     struct sock_filter { u16 code; u8 jt; u8 jf; u32 k; }   8 bytes, little-endian on the machines that we run on
 *     struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }
 *
 * `jt`, `jf` and the `k` of JA count instructions from the one that follows.
 */

export const LD_W_ABS = 0x20
export const JMP_JA = 0x05
export const JMP_JEQ_K = 0x15
export const JMP_JGT_K = 0x25
export const JMP_JGE_K = 0x35
export const JMP_JSET_K = 0x45
export const ALU_AND_K = 0x54
export const RET_K = 0x06

/** Offsets in struct seccomp_data. */
export const DATA_NR = 0
export const DATA_ARCH = 4
export const DATA_ARGS = 16

export const INSTRUCTION_SIZE = 8
/** BPF_MAXINSNS. */
export const MAX_INSTRUCTIONS = 4096

/** A place in the program, counted in instructions from its end: 0 is what follows the last one. */
export type Place = number

/** Writes a program from its end to its start, so that every jump leads to a place that is already known. */
export interface Assembler {
  /** The place of the instruction that was emitted last, which is the first of the program so far. */
  readonly here: Place
  /** Puts an instruction before all others and returns its place. */
  load(offset: number): Place
  /** Arithmetic on what was loaded. */
  operate(code: number, k: number): Place
  /** `then` and `otherwise` may be any distance away. */
  branch(code: number, k: number, then: Place, otherwise: Place): Place
  jump(to: Place): Place
  ret(action: number): Place
  /** The program, `struct sock_filter[]`. */
  finish(): Uint8Array
}

/** What `jt` and `jf` can span, less the two jumps that `branch` may put between. */
const NEAR = 253

export function assembler(): Assembler {
  const words: number[] = []
  let here = 0
  const emit = (code: number, k: number): Place => {
    // As int32, so that the engine keeps an array of integers.
    words.push(k | 0, code)
    return ++here
  }
  const jump = (to: Place): Place => emit(JMP_JA, here - to)
  return {
    get here() {
      return here
    },
    load: (offset) => emit(LD_W_ABS, offset),
    operate: emit,
    branch: (code, k, then, otherwise) => {
      const nearThen = here - then <= NEAR ? then : jump(then)
      const nearOtherwise = here - otherwise <= NEAR ? otherwise : jump(otherwise)
      return emit(code | ((here - nearThen) << 16) | ((here - nearOtherwise) << 24), k)
    },
    jump,
    ret: (action) => emit(RET_K, action),
    finish: () => new Uint8Array(new Int32Array(words.reverse()).buffer)
  }
}
