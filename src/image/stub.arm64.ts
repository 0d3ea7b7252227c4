/** The entry stub for arm64; stub.ts says what it is for. Entered with sp at argc, and with registers that it must not change. */
import { syscallNumber } from '../abi/syscalls.ts'
import {
  add,
  addRegister,
  adr,
  b,
  bCond,
  br,
  cbnz,
  cbz,
  cmp,
  cmpRegister,
  distance,
  ldr,
  ldrb,
  ldrX,
  ldrXLabel,
  lsl,
  movk,
  movz,
  orr,
  str,
  strX,
  sub,
  svc,
  tbz
} from './arm64.ts'
import { ascii, type Instruction, label, type Program } from './assemble.ts'
import { LAST_SIGNAL, RLIMIT_NOFILE, SIG_IGN, StubBit } from './stub-value.ts'
import { ADDED_VARIABLES, ENGINE_VARIABLES, wordOf } from './stub-variables.ts'

/** x16 and x17 are left out: they are free at every branch that a linker may have extended. */
const saved = ['x0', 'x1', 'x2', 'x3', 'x8', 'x9', 'x10', 'x11', 'x12', 'x13'] as const
const SAVED_SIZE = 8 * saved.length
/** On the stack: a struct rlimit, then struct sigactions, then a path (PATH_MAX). An immediate has 12 bits, so it is made in two halves. */
const BUFFER_SIZE = 4096
const HALF = BUFFER_SIZE / 2
const AT_FLAGS = 8
const SLASH = 0x2f
const SIGN_BIT = 31

/** Any 32-bit value. */
const set = (register: 'w1' | 'w2' | 'w9', value: number): Instruction[] => [
  movz(register, value & 0xffff),
  movk(register, value >>> 16, 16)
]

/** w10: the soft limit. */
const limit: Program = [
  movz('x0', 0),
  movz('x1', RLIMIT_NOFILE),
  movz('x2', 0),
  add('x3', 'sp', 0),
  movz('x8', syscallNumber('arm64', 'prlimit64')),
  svc,
  ...set('w9', 0xffff_ffff),
  cbnz('x0', 'unlimited'),
  ldrX('x10', 'sp'),
  cmpRegister('x10', 'x9'),
  bCond('lo', 'limit'),
  label('unlimited'),
  orr('x10', 'xzr', 'x9'),
  label('limit')
]

/** w11: the signals, from the last, which ends up highest. */
const signals: Program = [
  movz('x11', 0),
  movz('x12', LAST_SIGNAL),
  label('signal'),
  lsl('x11', 'x11', 1),
  orr('x0', 'xzr', 'x12'),
  movz('x1', 0),
  add('x2', 'sp', 0),
  movz('x3', 8),
  movz('x8', syscallNumber('arm64', 'rt_sigaction')),
  svc,
  cbnz('x0', 'heeded'),
  ldrX('x0', 'sp'),
  cmp('x0', SIG_IGN),
  bCond('ne', 'heeded'),
  add('x11', 'x11', 1),
  label('heeded'),
  sub('x12', 'x12', 1),
  cbnz('x12', 'signal'),
  ...set('w1', StubBit.magic),
  orr('w11', 'w11', 'w1')
]

/** The path of a directory that is out of reach begins with "(unreachable)" (getcwd(2)). */
const directory: Program = [
  add('x0', 'sp', 0),
  movz('x1', BUFFER_SIZE),
  movz('x8', syscallNumber('arm64', 'getcwd')),
  svc,
  tbz('w0', SIGN_BIT, 'path'),
  b('gone'),
  label('path'),
  ldrb('w0', 'sp'),
  cmp('w0', SLASH),
  bCond('eq', 'there'),
  label('gone'),
  movz('w0', SLASH),
  str('w0', 'sp'),
  add('x0', 'sp', 0),
  movz('x8', syscallNumber('arm64', 'chdir')),
  svc,
  ...set('w1', StubBit.cwdGone),
  orr('w11', 'w11', 'w1'),
  label('there')
]

/** `above` the buffer: argc, argv, NULL, envp, NULL, auxv. Behind the last string lies a word of the kernel's, so four bytes can always be read. */
const environment = (above: number): Program => [
  add('x9', 'sp', HALF),
  add('x9', 'x9', HALF + above),
  ldrX('x0', 'x9'),
  lsl('x0', 'x0', 3),
  addRegister('x9', 'x9', 'x0'),
  add('x9', 'x9', 16),
  label('envp'),
  ldrX('x0', 'x9'),
  add('x9', 'x9', 8),
  cbz('x0', 'auxv'),
  ldr('w1', 'x0'),
  ...ENGINE_VARIABLES.flatMap((name) => [...set('w2', wordOf(name)), cmpRegister('w1', 'w2'), bCond('eq', 'disarm')]),
  b('envp'),
  label('disarm'),
  str('wzr', 'x0'),
  b('envp')
]

/** What the variables take on the stack. */
const ADDED_SIZE = 8 * ADDED_VARIABLES.length

/**
 * Moves argc, argv and its NULL down, so that there is room for two pointers before envp; libc's own pointer to envp is at `environ`.
 * sp is where it will be in the end, but for the registers.
 */
const added: Program = [
  add('x9', 'sp', SAVED_SIZE),
  ldrX('x1', 'x9', ADDED_SIZE),
  add('x1', 'x1', 2),
  label('argv'),
  ldrX('x0', 'x9', ADDED_SIZE),
  strX('x0', 'x9'),
  add('x9', 'x9', 8),
  sub('x1', 'x1', 1),
  cbnz('x1', 'argv'),
  adr('x2', 'environ distance'),
  ldrXLabel('x3', 'environ distance'),
  addRegister('x2', 'x2', 'x3'),
  strX('x9', 'x2'),
  ...ADDED_VARIABLES.flatMap((_, i) => [adr('x0', `variable ${i}`), strX('x0', 'x9', 8 * i)])
]

/**
 * Ends with a jump to the label `entry`.
 * @param adds whether `environ` is known, so that variables can be added
 */
export const program = (adds: boolean): Program => [
  ...(adds ? [sub('sp', 'sp', ADDED_SIZE)] : []),
  sub('sp', 'sp', SAVED_SIZE),
  ...saved.map((register, i) => strX(register, 'sp', 8 * i)),
  sub('sp', 'sp', HALF),
  sub('sp', 'sp', HALF),
  ...limit,
  ...signals,
  ...directory,
  ...environment(SAVED_SIZE + (adds ? ADDED_SIZE : 0)),

  label('auxv'),
  ldrX('x0', 'x9'),
  cbz('x0', 'leave'),
  cmp('x0', AT_FLAGS),
  bCond('eq', 'flags'),
  add('x9', 'x9', 16),
  b('auxv'),
  label('flags'),
  str('w10', 'x9', 8),
  str('w11', 'x9', 12),

  label('leave'),
  add('sp', 'sp', HALF),
  add('sp', 'sp', HALF),
  ...(adds ? added : []),
  ...saved.map((register, i) => ldrX(register, 'sp', 8 * i)),
  add('sp', 'sp', SAVED_SIZE),
  // The entry may be further away than a branch reaches.
  adr('x16', 'offset'),
  ldrXLabel('x17', 'offset'),
  addRegister('x16', 'x16', 'x17'),
  br('x16'),
  label('offset'),
  distance('entry'),
  ...(adds ? [label('environ distance'), distance('environ')] : []),
  ...(adds ? ADDED_VARIABLES.flatMap((variable, i) => [label(`variable ${i}`), ascii(variable)]) : [])
]
