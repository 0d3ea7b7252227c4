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
  ldrX,
  ldrXLabel,
  lsl,
  movk,
  movz,
  orr,
  str,
  strX,
  sub,
  svc
} from './arm64.ts'
import { label, type Program } from './assemble.ts'
import { RLIMIT_NOFILE, SIG_IGN, SIGPIPE, SIGXFSZ, StubBit } from './stub-value.ts'

/** x16 and x17 are left out: they are free at every branch that a linker may have extended. */
const saved = ['x0', 'x1', 'x2', 'x3', 'x8', 'x9', 'x10', 'x11'] as const
/** A struct rlimit, then a struct sigaction, on the stack. */
const BUFFER_SIZE = 32
const FRAME_SIZE = BUFFER_SIZE + 8 * saved.length
const AT_FLAGS = 8

/** Sets `bit` in w11 when `signal` is ignored. */
const lookAt = (signal: number, bit: number): Program => [
  movz('x0', signal),
  movz('x1', 0),
  add('x2', 'sp', 0),
  movz('x3', 8),
  movz('x8', syscallNumber('arm64', 'rt_sigaction')),
  svc,
  cbnz('x0', `seen${signal}`),
  ldrX('x0', 'sp'),
  cmp('x0', SIG_IGN),
  bCond('ne', `seen${signal}`),
  add('w11', 'w11', bit),
  label(`seen${signal}`)
]

/** Ends with a jump to the label `entry`. */
export const program: Program = [
  sub('sp', 'sp', FRAME_SIZE),
  ...saved.map((register, i) => strX(register, 'sp', BUFFER_SIZE + 8 * i)),

  movz('x0', 0),
  movz('x1', RLIMIT_NOFILE),
  movz('x2', 0),
  add('x3', 'sp', 0),
  movz('x8', syscallNumber('arm64', 'prlimit64')),
  svc,
  cbnz('x0', 'leave'),
  ldrX('x10', 'sp'),
  movz('w9', 0xffff),
  movk('w9', 0xffff, 16),
  cmpRegister('x10', 'x9'),
  bCond('lo', 'limit'),
  orr('x10', 'xzr', 'x9'),
  label('limit'),

  movz('w11', StubBit.magic >>> 16, 16),
  ...lookAt(SIGPIPE, StubBit.sigpipeIgnored),
  ...lookAt(SIGXFSZ, StubBit.sigxfszIgnored),

  // argc, argv, NULL, envp, NULL, auxv
  add('x9', 'sp', FRAME_SIZE),
  ldrX('x0', 'x9'),
  lsl('x0', 'x0', 3),
  addRegister('x9', 'x9', 'x0'),
  add('x9', 'x9', 16),
  label('envp'),
  ldrX('x0', 'x9'),
  add('x9', 'x9', 8),
  cbnz('x0', 'envp'),
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
  ...saved.map((register, i) => ldrX(register, 'sp', BUFFER_SIZE + 8 * i)),
  add('sp', 'sp', FRAME_SIZE),
  // The entry may be further away than a branch reaches.
  adr('x16', 'offset'),
  ldrXLabel('x17', 'offset'),
  addRegister('x16', 'x16', 'x17'),
  br('x16'),
  label('offset'),
  distance('entry')
]
