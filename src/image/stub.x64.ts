/** The entry stub for x86-64; stub.ts says what it is for. Entered with rsp at argc, and with registers that it must not change. */
import { syscallNumber } from '../abi/syscalls.ts'
import { label, type Program } from './assemble.ts'
import { RLIMIT_NOFILE, SIG_IGN, SIGPIPE, SIGXFSZ, StubBit } from './stub-value.ts'
import {
  add,
  at,
  cmp,
  cmpImmediate,
  indexed,
  jcc,
  jmp,
  lea,
  load,
  mov,
  movImmediate,
  or,
  pop,
  push,
  store,
  sub,
  syscall,
  test,
  xor
} from './x64.ts'

const saved = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11'] as const
/** A struct rlimit, then a struct sigaction, on the stack. */
const BUFFER_SIZE = 32
const AT_FLAGS = 8

/** Sets `bit` in r9d when `signal` is ignored. */
const lookAt = (signal: number, bit: number): Program => [
  movImmediate('eax', syscallNumber('x64', 'rt_sigaction')),
  movImmediate('edi', signal),
  xor('esi', 'esi'),
  mov('rdx', 'rsp'),
  movImmediate('r10d', 8),
  syscall,
  test('rax', 'rax'),
  jcc('ne', `seen${signal}`),
  load('rax', at('rsp')),
  cmpImmediate('rax', SIG_IGN),
  jcc('ne', `seen${signal}`),
  movImmediate('eax', bit),
  or('r9d', 'eax'),
  label(`seen${signal}`)
]

/** Ends with a jump to the label `entry`. */
export const program: Program = [
  ...saved.map(push),
  lea('rbx', at('rsp', 8 * saved.length)),
  sub('rsp', BUFFER_SIZE),

  movImmediate('eax', syscallNumber('x64', 'prlimit64')),
  xor('edi', 'edi'),
  movImmediate('esi', RLIMIT_NOFILE),
  xor('edx', 'edx'),
  mov('r10', 'rsp'),
  syscall,
  test('rax', 'rax'),
  jcc('ne', 'leave'),
  load('r8', at('rsp')),
  movImmediate('ecx', 0xffff_ffff),
  cmp('r8', 'rcx'),
  jcc('b', 'limit'),
  mov('r8', 'rcx'),
  label('limit'),

  movImmediate('r9d', StubBit.magic),
  ...lookAt(SIGPIPE, StubBit.sigpipeIgnored),
  ...lookAt(SIGXFSZ, StubBit.sigxfszIgnored),

  // argc, argv, NULL, envp, NULL, auxv
  load('rax', at('rbx')),
  lea('rbx', indexed('rbx', 'rax', 8, 16)),
  label('envp'),
  load('rax', at('rbx')),
  add('rbx', 8),
  test('rax', 'rax'),
  jcc('ne', 'envp'),
  label('auxv'),
  load('rax', at('rbx')),
  test('rax', 'rax'),
  jcc('e', 'leave'),
  cmpImmediate('rax', AT_FLAGS),
  jcc('e', 'flags'),
  add('rbx', 16),
  jmp('auxv'),
  label('flags'),
  store(at('rbx', 8), 'r8d'),
  store(at('rbx', 12), 'r9d'),

  label('leave'),
  add('rsp', BUFFER_SIZE),
  ...saved.toReversed().map(pop),
  jmp('entry')
]
