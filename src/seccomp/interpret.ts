/** Runs a filter as the kernel does (net/core/filter.c, kernel/seccomp.c), to check and to explain programs. Pure. */
import { ALU_AND_K, INSTRUCTION_SIZE, JMP_JA, JMP_JEQ_K, JMP_JGE_K, JMP_JGT_K, JMP_JSET_K, LD_W_ABS, RET_K } from './bpf.ts'

/** What a filter sees of a system call (struct seccomp_data). */
export interface Call {
  /** AUDIT_ARCH_*. */
  readonly arch: number
  readonly number: number
  /** Up to six; the rest is 0. */
  readonly args?: readonly bigint[]
}

const DATA_SIZE = 64
const DATA_ARGS = 16

function pack({ arch, number, args = [] }: Call): DataView {
  const view = new DataView(new ArrayBuffer(DATA_SIZE))
  view.setUint32(0, number, true)
  view.setUint32(4, arch, true)
  args.forEach((arg, i) => void view.setBigUint64(DATA_ARGS + 8 * i, arg, true))
  return view
}

/**
 * What `program` returns for `call`: SECCOMP_RET_* with data.
 * Throws a RangeError for an instruction that is not used in filters, and for a program that runs off its end; the kernel accepts neither.
 */
export function interpret(program: Uint8Array, call: Call): number {
  const code = new DataView(program.buffer, program.byteOffset, program.length)
  const data = pack(call)
  let accumulator = 0
  for (let at = 0; at < program.length; at += INSTRUCTION_SIZE) {
    const operation = code.getUint16(at, true)
    const k = code.getUint32(at + 4, true)
    if (operation === RET_K) return k
    if (operation === LD_W_ABS) accumulator = data.getUint32(k, true)
    else if (operation === ALU_AND_K) accumulator = (accumulator & k) >>> 0
    else if (operation === JMP_JA) at += k * INSTRUCTION_SIZE
    else at += code.getUint8(at + (holds(operation, accumulator, k) ? 2 : 3)) * INSTRUCTION_SIZE
  }
  throw new RangeError('the program runs off its end')
}

function holds(operation: number, accumulator: number, k: number): boolean {
  switch (operation) {
    case JMP_JEQ_K:
      return accumulator === k
    case JMP_JGT_K:
      return accumulator > k
    case JMP_JGE_K:
      return accumulator >= k
    case JMP_JSET_K:
      return (accumulator & k) !== 0
    default:
      throw new RangeError(`instruction 0x${operation.toString(16)}`)
  }
}
