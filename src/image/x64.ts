/**
 * A small assembler for x86-64: the instructions that the interpreter and the entry stub need, and no other.
 * Encodings are from the Intel 64 manual, volume 2.
 *
 *     [REX] opcode [ModRM] [SIB] [displacement] [immediate]
 *
 *     REX    0100WRXB   W: 64-bit operand; R, X, B: bit 3 of reg, index, base
 *     ModRM  mm rrr bbb mm 00: [base]  01: [base+disp8]  10: [base+disp32]  11: register; rrr: reg or opcode extension; bbb: base, 100: SIB follows
 *     SIB    ss iii bbb ss: log2 of the scale; iii: index (100: none); bbb: base (101 with mm 00: none, disp32)
 */
import { type Instruction, le32, type Resolve } from './assemble.ts'

const names64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const
const names32 = [
  'eax',
  'ecx',
  'edx',
  'ebx',
  'esp',
  'ebp',
  'esi',
  'edi',
  'r8d',
  'r9d',
  'r10d',
  'r11d',
  'r12d',
  'r13d',
  'r14d',
  'r15d'
] as const

/** Registers by their 64-bit or 32-bit name; the name chooses the width of the operation. */
export type Register64 = (typeof names64)[number]
export type Register32 = (typeof names32)[number]
type Register = Register64 | Register32

/** A place in memory: [base + index*4 + displacement], or [address of a label] when there is no base. */
export interface Memory {
  readonly base?: Register64
  readonly index?: Register64
  readonly scale?: 1 | 4 | 8
  readonly displacement: number | string
}

/** [base + displacement] */
export const at = (base: Register64, displacement = 0): Memory => ({ base, displacement })
/** [base + index*scale + displacement] */
export const indexed = (base: Register64, index: Register64, scale: 1 | 4 | 8, displacement = 0): Memory => ({
  base,
  index,
  scale,
  displacement
})
/** [label], an absolute 32-bit address */
export const absolute = (labelName: string): Memory => ({ displacement: labelName })

const isWide = (register: Register): register is Register64 => names64.includes(register as Register64)
const number = (register: Register): number => (isWide(register) ? names64.indexOf(register) : names32.indexOf(register))

function show(memory: Memory): string {
  if (memory.base === undefined) return `[${memory.displacement}]`
  const index = memory.index === undefined ? '' : `+${memory.index}${memory.scale === 1 ? '' : `*${memory.scale}`}`
  const n = memory.displacement as number
  return `[${memory.base}${index}${n === 0 ? '' : n < 0 ? n : `+${n}`}]`
}

/** REX as far as it is needed, opcode, ModRM and what follows it, for a register (or opcode extension) and a place in memory. */
function memoryForm(opcode: readonly number[], reg: number, memory: Memory, wide: boolean, resolve: Resolve): number[] {
  const base = memory.base === undefined ? undefined : number(memory.base)
  const index = memory.index === undefined ? undefined : number(memory.index)
  const rex = (wide ? 8 : 0) | ((reg & 8) >> 1) | (((index ?? 0) & 8) >> 2) | (((base ?? 0) & 8) >> 3)
  return [...(rex === 0 ? [] : [0x40 | rex]), ...opcode, ...modRM(reg & 7, base, index, memory, resolve)]
}

function modRM(reg: number, base: number | undefined, index: number | undefined, memory: Memory, resolve: Resolve): number[] {
  if (typeof memory.displacement === 'string') return [(reg << 3) | 4, 0x25, ...le32(resolve(memory.displacement))]
  if (base === undefined) throw new RangeError('a displacement without a base')
  const n = memory.displacement
  const short = n >= -128 && n < 128
  // rbp and r13 as a base have no form without displacement.
  const none = n === 0 && (base & 7) !== 5
  const mod = none ? 0 : short ? 0x40 : 0x80
  const sib =
    index === undefined ? ((base & 7) === 4 ? [0x24] : []) : [(Math.log2(memory.scale ?? 1) << 6) | ((index & 7) << 3) | (base & 7)]
  return [mod | (reg << 3) | (sib.length > 0 ? 4 : base & 7), ...sib, ...(none ? [] : short ? [n & 0xff] : le32(n))]
}

/** The form between two registers: `rm` is the one that ModRM calls r/m. */
function registerForm(opcode: readonly number[], reg: number, rm: Register, ...immediate: number[]): number[] {
  const rex = (isWide(rm) ? 8 : 0) | ((reg & 8) >> 1) | ((number(rm) & 8) >> 3)
  return [...(rex === 0 ? [] : [0x40 | rex]), ...opcode, 0xc0 | ((reg & 7) << 3) | (number(rm) & 7), ...immediate]
}

/** An operation with an immediate, which is one byte where it fits. */
function immediateForm(name: string, extension: number, to: Register, value: number): Instruction {
  const short = value >= -128 && value < 128
  const bytes = short ? registerForm([0x83], extension, to, value & 0xff) : registerForm([0x81], extension, to, ...le32(value))
  return fixed(`${name} ${to}, ${value}`, ...bytes)
}

const fixed = (text: string, ...bytes: number[]): Instruction => ({ text, bytes: () => bytes })
const withMemory = (
  text: string,
  opcode: readonly number[],
  reg: number,
  memory: Memory,
  wide: boolean,
  ...immediate: number[]
): Instruction => ({
  text,
  bytes: (_, resolve) => [...memoryForm(opcode, reg, memory, wide, resolve), ...immediate]
})

/** B8+r id: 32-bit immediate or the address of a label, zero-extended. */
export const movImmediate = (to: Register32, value: number | string): Instruction => ({
  text: `mov ${to}, ${value}`,
  bytes: (_, resolve) => [
    ...(number(to) >= 8 ? [0x41] : []),
    0xb8 | (number(to) & 7),
    ...le32(typeof value === 'string' ? resolve(value) : value)
  ]
})
/** 8B /r: loads 32 (zero-extended) or 64 bits. */
export const load = (to: Register, from: Memory): Instruction =>
  withMemory(`mov ${to}, ${show(from)}`, [0x8b], number(to), from, isWide(to))
/** 89 /r: stores 32 or 64 bits. */
export const store = (to: Memory, from: Register): Instruction =>
  withMemory(`mov ${show(to)}, ${from}`, [0x89], number(from), to, isWide(from))
/** 89 /r between registers. */
export const mov = (to: Register, from: Register): Instruction => fixed(`mov ${to}, ${from}`, ...registerForm([0x89], number(from), to))
/** REX.W 63 /r: loads a signed 32-bit value. */
export const movsxd = (to: Register64, from: Memory): Instruction =>
  withMemory(`movsxd ${to}, dword ${show(from)}`, [0x63], number(to), from, true)
/** 0F B7 /r: loads 16 bits, zero-extended. */
export const movzxWord = (to: Register32, from: Memory): Instruction =>
  withMemory(`movzx ${to}, word ${show(from)}`, [0x0f, 0xb7], number(to), from, false)
/** 0F B6 /r: loads a byte, zero-extended. */
export const movzxByte = (to: Register32, from: Memory): Instruction =>
  withMemory(`movzx ${to}, byte ${show(from)}`, [0x0f, 0xb6], number(to), from, false)
/** 8D /r: the address itself. */
export const lea = (to: Register64, of: Memory): Instruction => withMemory(`lea ${to}, ${show(of)}`, [0x8d], number(to), of, true)
/** 83 /0 ib, 81 /0 id */
export const add = (to: Register, value: number): Instruction => immediateForm('add', 0, to, value)
/** 83 /5 ib, 81 /5 id */
export const sub = (to: Register, value: number): Instruction => immediateForm('sub', 5, to, value)
/** 31 /r */
export const xor = (to: Register, from: Register): Instruction => fixed(`xor ${to}, ${from}`, ...registerForm([0x31], number(from), to))
/** 09 /r */
export const or = (to: Register, from: Register): Instruction => fixed(`or ${to}, ${from}`, ...registerForm([0x09], number(from), to))
/** 21 /r */
export const and = (to: Register, from: Register): Instruction => fixed(`and ${to}, ${from}`, ...registerForm([0x21], number(from), to))
/** F7 /3: two's complement. */
export const neg = (register: Register): Instruction => fixed(`neg ${register}`, ...registerForm([0xf7], 3, register))
/** FF /0 */
export const inc = (register: Register): Instruction => fixed(`inc ${register}`, ...registerForm([0xff], 0, register))
/** 85 /r */
export const test = (a: Register, b: Register): Instruction => fixed(`test ${a}, ${b}`, ...registerForm([0x85], number(b), a))
/** F6 /0 ib: sets ZF unless one of the bits is set in the byte. */
export const testByte = (memory: Memory, bits: number): Instruction =>
  withMemory(`test byte ${show(memory)}, ${bits}`, [0xf6], 0, memory, false, bits)
/** 39 /r */
export const cmp = (a: Register, b: Register): Instruction => fixed(`cmp ${a}, ${b}`, ...registerForm([0x39], number(b), a))
/** 83 /7 ib, 81 /7 id: the immediate is sign-extended to the register's width. */
export const cmpImmediate = (a: Register, value: number): Instruction => immediateForm('cmp', 7, a, value)
/** 50+r */
export const push = (register: Register64): Instruction =>
  fixed(`push ${register}`, ...(number(register) >= 8 ? [0x41] : []), 0x50 | (number(register) & 7))
/** 58+r */
export const pop = (register: Register64): Instruction =>
  fixed(`pop ${register}`, ...(number(register) >= 8 ? [0x41] : []), 0x58 | (number(register) & 7))
/** 0F 05: clobbers rcx and r11. */
export const syscall: Instruction = fixed('syscall', 0x0f, 0x05)
/** 0F 0B: raises SIGILL. */
export const ud2: Instruction = fixed('ud2', 0x0f, 0x0b)

const conditions = { e: 4, ne: 5, b: 2, ae: 3, a: 7, l: 12, ge: 13, g: 15 } as const

/** EB cb / E9 cd: the short form when the target is within reach. */
export const jmp = (to: string): Instruction => ({
  text: `jmp ${to}`,
  bytes: (here, resolve) => jump(resolve(to) - here, [0xeb], [0xe9])
})
/** 7x cb / 0F 8x cd */
export const jcc = (condition: keyof typeof conditions, to: string): Instruction => ({
  text: `j${condition} ${to}`,
  bytes: (here, resolve) => jump(resolve(to) - here, [0x70 | conditions[condition]], [0x0f, 0x80 | conditions[condition]])
})

/** `distance` counts from the start of the instruction, the encoding from its end. */
function jump(distance: number, short: readonly number[], near: readonly number[]): number[] {
  const byte = distance - short.length - 1
  if (byte >= -128 && byte < 128) return [...short, byte & 0xff]
  return [...near, ...le32(distance - near.length - 4)]
}

/** CC (int3, never run) up to a multiple of `to`. */
export const align = (to: number): Instruction => ({
  text: `align ${to}`,
  bytes: (here) => Array.from({ length: -here & (to - 1) }, () => 0xcc)
})
