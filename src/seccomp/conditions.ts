/**
 * Rules with conditions as BPF. Pure. Not libseccomp's work, because it gets several rules about one argument wrong, up to 2.6.0 at least:
 * of "ERRNO when argument 2 is at least 2^32" and "ERRNO when it is at most 1" it makes a program that refuses 5.
 *
 * As between several filters of one process (seccomp(2)), the strictest action wins when more than one rule holds.
 */
import { ALU_AND_K, type Assembler, DATA_ARGS, JMP_JEQ_K, JMP_JGE_K, JMP_JGT_K, type Place } from './bpf.ts'
import { operators } from './names.ts'
import type { Comparison } from './rules.ts'

/** An action and what must hold for it; all of `args`. */
export interface Alternative {
  readonly action: number
  readonly args: readonly Comparison[]
}

export interface Decision {
  readonly alternatives: readonly Alternative[]
  /** False on 32-bit architectures: an argument is then the low half of its register, whatever x32 programs put into the other. */
  readonly wide: boolean
}

/** Emits a decision; `ret` gives the place that returns an action. Without a match it is `otherwise`. */
export function decide(asm: Assembler, { alternatives, wide }: Decision, ret: (action: number) => Place, otherwise: number): Place {
  const strictestLast = [...alternatives].sort((one, other) => (other.action | 0) - (one.action | 0))
  let next = ret(otherwise)
  for (const { action, args } of strictestLast) {
    let holds = ret(action)
    for (let i = args.length - 1; i >= 0; i--) holds = compare(asm, args[i]!, wide, holds, next)
    next = holds
  }
  return next
}

const LOW_WORD = 0xffff_ffffn

const low = (value: bigint): number => Number(value & LOW_WORD)
const high = (value: bigint): number => Number(value >> 32n)

/** Emits one unsigned comparison. */
function compare(asm: Assembler, { index, op, a, b }: Comparison, wide: boolean, yes: Place, no: Place): Place {
  const argument = { asm, index, wide }
  switch (op) {
    case operators.SCMP_CMP_EQ:
      return equal(argument, a, undefined, yes, no)
    case operators.SCMP_CMP_NE:
      return equal(argument, a, undefined, no, yes)
    case operators.SCMP_CMP_GE:
      return greater(argument, a, JMP_JGE_K, yes, no)
    case operators.SCMP_CMP_LT:
      return greater(argument, a, JMP_JGE_K, no, yes)
    case operators.SCMP_CMP_GT:
      return greater(argument, a, JMP_JGT_K, yes, no)
    case operators.SCMP_CMP_LE:
      return greater(argument, a, JMP_JGT_K, no, yes)
    default:
      // Bits of the value outside the mask do not count, as in libseccomp.
      return equal(argument, a & b, a, yes, no)
  }
}

interface Argument {
  readonly asm: Assembler
  readonly index: number
  readonly wide: boolean
}

const lowWord = ({ asm, index }: Argument): Place => asm.load(DATA_ARGS + 8 * index)
const highWord = ({ asm, index }: Argument): Place => asm.load(DATA_ARGS + 8 * index + 4)

/** Emitted from its end: the high word, which is compared first, comes last. */
function equal(argument: Argument, value: bigint, mask: bigint | undefined, yes: Place, no: Place): Place {
  const { asm, wide } = argument
  if (!wide && !fits(value)) return no
  asm.branch(JMP_JEQ_K, low(value), yes, no)
  if (mask !== undefined) asm.operate(ALU_AND_K, low(mask))
  const rest = lowWord(argument)
  if (!wide) return rest
  asm.branch(JMP_JEQ_K, high(value), rest, no)
  if (mask !== undefined) asm.operate(ALU_AND_K, high(mask))
  return highWord(argument)
}

/** @param code what decides when the high words are equal */
function greater(argument: Argument, value: bigint, code: number, yes: Place, no: Place): Place {
  const { asm, wide } = argument
  if (!wide && !fits(value)) return no
  asm.branch(code, low(value), yes, no)
  const rest = lowWord(argument)
  if (!wide) return rest
  const notGreater = asm.branch(JMP_JEQ_K, high(value), rest, no)
  asm.branch(JMP_JGT_K, high(value), yes, notGreater)
  return highWord(argument)
}

/** Whether 32 bits can hold the value; a negative number, such as AT_FDCWD, is written with all its 64. */
const fits = (value: bigint): boolean => high(value) === 0 || value >= 0xffff_ffff_8000_0000n
