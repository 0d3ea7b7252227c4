/**
 * Device rules as an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE: rules in, bytes out. Pure.
 *
 * The kernel (kernel/bpf/cgroup.c, linux/bpf.h) calls the program for each open and mknod of a device with r1 pointing to
 *
 *     struct bpf_cgroup_dev_ctx { u32 access_type;  u32 major;  u32 minor; }      access_type = access << 16 | type
 *
 * and allows what returns 1. The last rule that names a device and an access decides (devices.ts). So the program asks the rules from the last
 * to the first, and keeps in r2 the accesses that nobody has decided yet: a rule that allows takes its own out of r2, and the request is
 * granted when none is left; a rule that denies one that is still there ends it.
 */
import { ACC_ALL, isTotal, type Rule } from './devices.ts'

/**
 * One instruction, 8 bytes, little-endian (linux/bpf.h, struct bpf_insn):
 *
 *     opcode u8 | dst 4 bits, src 4 bits | offset s16 | immediate s32
 */
interface Instruction {
  readonly opcode: number
  readonly dst?: number
  readonly src?: number
  readonly offset?: number
  readonly immediate?: number
  /** A jump to this label; becomes `offset`, counted from the instruction that follows. */
  readonly to?: string
}
type Item = Instruction | { readonly label: string }

const LDX_MEM_W = 0x61 // dst = *(u32 *)(src + offset)
const ALU32_AND_K = 0x54
const ALU32_RSH_K = 0x74
const ALU32_MOV_X = 0xbc
const ALU32_MOV_K = 0xb4
// Comparisons of 32 bits (Linux 5.1): a major number with its highest bit set would be sign-extended by those of 64.
const JMP32_JEQ_K = 0x16
const JMP32_JNE_K = 0x56
const EXIT = 0x95

const RESULT = 0
const CONTEXT = 1
const ACCESS = 2
const TYPE = 3
const MAJOR = 4
const MINOR = 5

/** linux/bpf.h BPF_DEVCG_DEV_*. */
const types = { b: 1, c: 2 } as const

const load = (dst: number, offset: number): Instruction => ({ opcode: LDX_MEM_W, dst, src: CONTEXT, offset })
const unequal = (dst: number, immediate: number, to: string): Instruction => ({ opcode: JMP32_JNE_K, dst, immediate: immediate | 0, to })
const returns = (value: 0 | 1): Item[] => [{ opcode: ALU32_MOV_K, dst: RESULT, immediate: value }, { opcode: EXIT }]

/** The program for `rules`, in the order in which they apply. */
export function deviceProgram(rules: readonly Rule[]): Uint8Array {
  const body: Item[] = []
  let decided = false
  for (let index = rules.length - 1; index >= 0 && !decided; index--) {
    const rule = rules[index] as Rule
    decided = isTotal(rule)
    body.push(...(decided ? returns(rule.allow ? 1 : 0) : [...ruleCode(rule, `after ${index}`), { label: `after ${index}` }]))
  }
  return assemble([...prologue, ...body, ...(decided ? [] : returns(0))])
}

const prologue: readonly Item[] = [
  load(ACCESS, 0),
  { opcode: ALU32_MOV_X, dst: TYPE, src: ACCESS },
  { opcode: ALU32_AND_K, dst: TYPE, immediate: 0xffff },
  { opcode: ALU32_RSH_K, dst: ACCESS, immediate: 16 },
  load(MAJOR, 4),
  load(MINOR, 8)
]

function ruleCode({ allow, type, major, minor, access }: Rule, after: string): Item[] {
  return [
    ...(type === 'a' ? [] : [unequal(TYPE, types[type], after)]),
    ...(major === -1 ? [] : [unequal(MAJOR, major, after)]),
    ...(minor === -1 ? [] : [unequal(MINOR, minor, after)]),
    ...(allow ? allowCode(access, after) : denyCode(access, after))
  ]
}

function allowCode(access: number, after: string): Item[] {
  if (access === ACC_ALL) return returns(1)
  return [{ opcode: ALU32_AND_K, dst: ACCESS, immediate: ~access }, unequal(ACCESS, 0, after), ...returns(1)]
}

function denyCode(access: number, after: string): Item[] {
  if (access === ACC_ALL) return returns(0)
  return [
    { opcode: ALU32_MOV_X, dst: RESULT, src: ACCESS },
    { opcode: ALU32_AND_K, dst: RESULT, immediate: access },
    { opcode: JMP32_JEQ_K, dst: RESULT, immediate: 0, to: after },
    ...returns(0)
  ]
}

/** Lays the items out and resolves the labels. */
function assemble(items: readonly Item[]): Uint8Array {
  const labels = new Map<string, number>()
  const instructions: Instruction[] = []
  for (const item of items) {
    if ('label' in item) labels.set(item.label, instructions.length)
    else instructions.push(item)
  }
  const out = new DataView(new ArrayBuffer(8 * instructions.length))
  instructions.forEach(({ opcode, dst = 0, src = 0, offset = 0, immediate = 0, to }, index) => {
    out.setUint8(8 * index, opcode)
    out.setUint8(8 * index + 1, (src << 4) | dst)
    out.setInt16(8 * index + 2, to === undefined ? offset : (labels.get(to) as number) - index - 1, true)
    out.setInt32(8 * index + 4, immediate, true)
  })
  return new Uint8Array(out.buffer)
}

/** The program as text, read back from its bytes, in the form of the kernel's verifier log. */
export function listDeviceProgram(program: Uint8Array): string {
  const view = new DataView(program.buffer, program.byteOffset, program.length)
  let out = ''
  for (let at = 0; at < program.length; at += 8) {
    const registers = view.getUint8(at + 1)
    const line = describe(
      view.getUint8(at),
      registers & 15,
      registers >> 4,
      view.getInt16(at + 2, true),
      view.getInt32(at + 4, true),
      at / 8 + 1
    )
    out += `${String(at / 8).padStart(3)}: ${line}\n`
  }
  return out
}

function describe(opcode: number, dst: number, src: number, offset: number, immediate: number, next: number): string {
  const unsigned = immediate >>> 0
  switch (opcode) {
    case LDX_MEM_W:
      return `r${dst} = *(u32 *)(r${src} + ${offset})`
    case ALU32_MOV_X:
      return `w${dst} = w${src}`
    case ALU32_MOV_K:
      return `w${dst} = ${immediate}`
    case ALU32_AND_K:
      return `w${dst} &= 0x${unsigned.toString(16)}`
    case ALU32_RSH_K:
      return `w${dst} >>= ${immediate}`
    case JMP32_JEQ_K:
      return `if w${dst} == ${unsigned} goto ${next + offset}`
    case JMP32_JNE_K:
      return `if w${dst} != ${unsigned} goto ${next + offset}`
    case EXIT:
      return 'exit'
    default:
      return `unknown opcode 0x${opcode.toString(16)}`
  }
}
