/**
 * A small assembler for arm64: the instructions that the interpreter and the entry stub need, and no other.
 * Every instruction is one little-endian 32-bit word; the drawings are those of the Arm Architecture Reference Manual, chapter C6:
 *
 *     3322 2222 2222 1111 1111 1100 0000 0000
 *     1098 7654 3210 9876 5432 1098 7654 3210
 *     s1x1 1001 ooii iiii iiii iinn nnnt tttt   load and store: size, operation, offset in units of the size, base, register
 *     xos1 0001 00ii iiii iiii iinn nnnd dddd   add, sub, cmp, cmn with an immediate
 *     xoo0 101. ..0m mmmm 0000 00nn nnnd dddd   and, orr, eor, sub, cmp with registers
 *     x101 0010 100i iiii iiii iiii iiid dddd   movz
 *     0ii1 0000 iiii iiii iiii iiii iiid dddd   adr
 *     xb11 010o iiii iiii iiii iiii iiit tttt   cbz, cbnz; tbz and tbnz with bit bbbbb in 23-19 and a 14-bit distance
 *     0101 0100 iiii iiii iiii iiii iii0 cccc   b.cond
 *     0001 01ii iiii iiii iiii iiii iiii iiii   b
 */
import { type Instruction, le32 } from './assemble.ts'

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9
type Number = Digit | `1${Digit}` | `2${Digit}` | 30
/** Registers by name; x is 64 bits, w the lower 32, which as a destination zeroes the upper. */
export type RegisterX = `x${Number}` | 'xzr' | 'sp'
export type RegisterW = `w${Number}` | 'wzr'
type Register = RegisterX | RegisterW

const isX = (register: Register): boolean => register.startsWith('x') || register === 'sp'
const number = (register: Register): number =>
  register === 'xzr' || register === 'wzr' || register === 'sp' ? 31 : Number(register.slice(1))

const word = (text: string, value: number): Instruction => ({ text, bytes: () => le32(value) })
const size = (register: Register, bits: number): number => (isX(register) ? bits | 0x8000_0000 : bits)

/** Checks that `value` fits and is a multiple, and gives it in units of `unit`. */
function scaled(value: number, unit: number, limit: number): number {
  if (value % unit !== 0 || value < 0 || value / unit >= limit) throw new RangeError(`immediate ${value} cannot be encoded`)
  return value / unit
}

const memory =
  (name: string, opcode: number, unit: number) =>
  (register: Register, base: RegisterX, offset = 0): Instruction =>
    word(`${name} ${register}, [${base}, #${offset}]`, opcode | (scaled(offset, unit, 4096) << 10) | (number(base) << 5) | number(register))

/** Loads a signed 32-bit value into an x register. */
export const ldrsw = memory('ldrsw', 0xb980_0000, 4)
/** Loads 32 bits, zero-extended. */
export const ldr = memory('ldr', 0xb940_0000, 4)
/** Loads 64 bits. */
export const ldrX = memory('ldr', 0xf940_0000, 8)
/** Stores 32 bits. */
export const str = memory('str', 0xb900_0000, 4)
/** Stores 64 bits. */
export const strX = memory('str', 0xf900_0000, 8)
/** Loads 16 bits, zero-extended. */
export const ldrh = memory('ldrh', 0x7940_0000, 2)
/** Loads a byte, zero-extended. */
export const ldrb = memory('ldrb', 0x3940_0000, 1)

/** Loads the byte at base + index. */
export const ldrbIndexed = (register: RegisterW, base: RegisterX, index: RegisterX): Instruction =>
  word(`ldrb ${register}, [${base}, ${index}]`, 0x3860_6800 | (number(index) << 16) | (number(base) << 5) | number(register))

/** Loads 32 bits from a label within 1 MiB. */
export const ldrLabel = (register: RegisterW, label: string): Instruction =>
  branch(`ldr ${register}, ${label}`, 0x1800_0000 | number(register), label, 19)

/** Loads 64 bits from a label within 1 MiB. */
export const ldrXLabel = (register: RegisterX, label: string): Instruction =>
  branch(`ldr ${register}, ${label}`, 0x5800_0000 | number(register), label, 19)

const immediate =
  (name: string, opcode: number) =>
  (to: Register, from: Register, value: number): Instruction =>
    word(`${name} ${to}, ${from}, #${value}`, size(to, opcode) | (scaled(value, 1, 4096) << 10) | (number(from) << 5) | number(to))

export const add = immediate('add', 0x1100_0000)
export const sub = immediate('sub', 0x5100_0000)

const compareImmediate =
  (name: string, opcode: number) =>
  (register: Register, value: number): Instruction =>
    word(`${name} ${register}, #${value}`, size(register, opcode) | (scaled(value, 1, 4096) << 10) | (number(register) << 5))

/** Sets the flags of register - value. */
export const cmp = compareImmediate('cmp', 0x7100_001f)
/** Sets the flags of register + value: carry when register is -value or more, unsigned. */
export const cmn = compareImmediate('cmn', 0x3100_001f)

const three =
  (name: string, opcode: number) =>
  (to: Register, a: Register, b: Register): Instruction =>
    word(`${name} ${to}, ${a}, ${b}`, size(to, opcode) | (number(b) << 16) | (number(a) << 5) | number(to))

export const and = three('and', 0x0a00_0000)
export const orr = three('orr', 0x2a00_0000)
export const eor = three('eor', 0x4a00_0000)

/** to = a + b */
export const addRegister = three('add', 0x0b00_0000)

/** Sets the flags of a - b. */
export const cmpRegister = (a: Register, b: Register): Instruction =>
  word(`cmp ${a}, ${b}`, size(a, 0x6b00_001f) | (number(b) << 16) | (number(a) << 5))
/** to = -from */
export const neg = (to: Register, from: Register): Instruction =>
  word(`neg ${to}, ${from}`, size(to, 0x4b00_03e0) | (number(from) << 16) | number(to))
/** A 16-bit immediate, shifted left by 0 or 16 bits; the other bits are zero. */
export const movz = (to: Register, value: number, shift: 0 | 16 = 0): Instruction =>
  word(
    `movz ${to}, #${value}${shift === 0 ? '' : ', lsl #16'}`,
    size(to, 0x5280_0000) | (shift << 17) | (scaled(value, 1, 0x1_0000) << 5) | number(to)
  )
/** A 16-bit immediate, shifted left by 0 or 16 bits; the other bits stay. */
export const movk = (to: Register, value: number, shift: 0 | 16 = 0): Instruction =>
  word(
    `movk ${to}, #${value}${shift === 0 ? '' : ', lsl #16'}`,
    size(to, 0x7280_0000) | (shift << 17) | (scaled(value, 1, 0x1_0000) << 5) | number(to)
  )

/** A branch whose signed distance in words takes `bits` bits from bit 5 on (from bit 0 for 26). */
function branch(text: string, opcode: number, label: string, bits: 14 | 19 | 26): Instruction {
  return {
    text,
    bytes: (here, resolve) => {
      const distance = (resolve(label) - here) / 4
      if (!Number.isInteger(distance) || Math.abs(distance) >= 2 ** (bits - 1)) throw new RangeError(`"${label}" is out of reach`)
      return le32(opcode | ((distance & (2 ** bits - 1)) << (bits === 26 ? 0 : 5)))
    }
  }
}

const conditions = { eq: 0, ne: 1, hs: 2, lo: 3, hi: 8, ls: 9, ge: 10, lt: 11 } as const

export const b = (label: string): Instruction => branch(`b ${label}`, 0x1400_0000, label, 26)
export const bCond = (condition: keyof typeof conditions, label: string): Instruction =>
  branch(`b.${condition} ${label}`, 0x5400_0000 | conditions[condition], label, 19)
/** Branches when the register is 0. */
export const cbz = (register: Register, label: string): Instruction =>
  branch(`cbz ${register}, ${label}`, size(register, 0x3400_0000) | number(register), label, 19)
/** Branches when the register is not 0. */
export const cbnz = (register: Register, label: string): Instruction =>
  branch(`cbnz ${register}, ${label}`, size(register, 0x3500_0000) | number(register), label, 19)
/** Branches when bit `bit`, below 32, is 0. */
export const tbz = (register: RegisterW, bit: number, label: string): Instruction =>
  branch(`tbz ${register}, #${bit}, ${label}`, 0x3600_0000 | (bit << 19) | number(register), label, 14)

/** The address of a label within 1 MiB. */
export const adr = (to: RegisterX, label: string): Instruction => ({
  text: `adr ${to}, ${label}`,
  bytes: (here, resolve) => {
    const distance = resolve(label) - here
    return le32(0x1000_0000 | ((distance & 3) << 29) | (((distance >> 2) & 0x7_ffff) << 5) | number(to))
  }
})

/** Stores two 32-bit registers. */
export const stp = (first: RegisterW, second: RegisterW, base: RegisterX): Instruction =>
  word(`stp ${first}, ${second}, [${base}]`, 0x2900_0000 | (number(second) << 10) | (number(base) << 5) | number(first))
/** to = from << bits */
export const lsl = (to: RegisterX, from: RegisterX, bits: number): Instruction =>
  word(`lsl ${to}, ${from}, #${bits}`, 0xd340_0000 | ((64 - bits) << 16) | ((63 - bits) << 10) | (number(from) << 5) | number(to))
/** Jumps to the address in a register. */
export const br = (to: RegisterX): Instruction => word(`br ${to}`, 0xd61f_0000 | (number(to) << 5))
/** Eight bytes of data: how far away a label is. */
export const distance = (label: string): Instruction => ({
  text: `.quad ${label} - .`,
  bytes: (here, resolve) => [...le32(resolve(label) - here), ...le32(resolve(label) < here ? -1 : 0)]
})
/** System call; only x0 changes. */
export const svc: Instruction = word('svc #0', 0xd400_0001)
/** Raises SIGILL. */
export const udf: Instruction = word('udf #0', 0)
