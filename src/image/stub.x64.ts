/** The entry stub for x86-64; stub.ts says what it is for. Entered with rsp at argc, and with registers that it must not change. */
import { syscallNumber } from '../abi/syscalls.ts'
import { ascii, label, type Program } from './assemble.ts'
import { LAST_SIGNAL, RLIMIT_NOFILE, SIG_IGN, StubBit } from './stub-value.ts'
import { ADDED_VARIABLES, ENGINE_VARIABLES, HUGE_PAGES, wordOf } from './stub-variables.ts'
import {
  absolute,
  add,
  at,
  cmp,
  cmpImmediate,
  inc,
  indexed,
  jcc,
  jmp,
  lea,
  load,
  mov,
  movImmediate,
  movzxByte,
  neg,
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
/** On the stack: a struct rlimit, then struct sigactions, then a path (PATH_MAX). */
const BUFFER_SIZE = 4096
const AT_FLAGS = 8
const SLASH = 0x2f

/** r8d: the soft limit. */
const limit: Program = [
  movImmediate('eax', syscallNumber('x64', 'prlimit64')),
  xor('edi', 'edi'),
  movImmediate('esi', RLIMIT_NOFILE),
  xor('edx', 'edx'),
  mov('r10', 'rsp'),
  syscall,
  movImmediate('ecx', 0xffff_ffff),
  test('rax', 'rax'),
  jcc('ne', 'unlimited'),
  load('r8', at('rsp')),
  cmp('r8', 'rcx'),
  jcc('b', 'limit'),
  label('unlimited'),
  mov('r8', 'rcx'),
  label('limit')
]

/** r9d: the signals, from the last, which ends up highest. A system call leaves rdi as it is. */
const signals: Program = [
  xor('r9d', 'r9d'),
  movImmediate('edi', LAST_SIGNAL),
  label('signal'),
  lea('r9', indexed('r9', 'r9', 1)),
  movImmediate('eax', syscallNumber('x64', 'rt_sigaction')),
  xor('esi', 'esi'),
  mov('rdx', 'rsp'),
  movImmediate('r10d', 8),
  syscall,
  test('rax', 'rax'),
  jcc('ne', 'heeded'),
  load('rax', at('rsp')),
  cmpImmediate('rax', SIG_IGN),
  jcc('ne', 'heeded'),
  inc('r9d'),
  label('heeded'),
  sub('edi', 1),
  jcc('ne', 'signal'),
  movImmediate('eax', StubBit.magic),
  or('r9d', 'eax')
]

/** The path of a directory that is out of reach begins with "(unreachable)" (getcwd(2)). */
const directory: Program = [
  movImmediate('eax', syscallNumber('x64', 'getcwd')),
  mov('rdi', 'rsp'),
  movImmediate('esi', BUFFER_SIZE),
  syscall,
  test('rax', 'rax'),
  jcc('l', 'gone'),
  movzxByte('eax', at('rsp')),
  cmpImmediate('eax', SLASH),
  jcc('e', 'there'),
  label('gone'),
  movImmediate('eax', SLASH),
  store(at('rsp'), 'eax'),
  movImmediate('eax', syscallNumber('x64', 'chdir')),
  syscall,
  movImmediate('eax', StubBit.cwdGone),
  or('r9d', 'eax'),
  label('there')
]

/** rbx at argc: argc, argv, NULL, envp, NULL, auxv. Behind the last string lies a word of the kernel's, so four bytes can always be read. */
const environment: Program = [
  load('rax', at('rbx')),
  lea('rbx', indexed('rbx', 'rax', 8, 16)),
  label('envp'),
  load('rax', at('rbx')),
  add('rbx', 8),
  test('rax', 'rax'),
  jcc('e', 'auxv'),
  load('ecx', at('rax')),
  ...ENGINE_VARIABLES.flatMap((name) => [cmpImmediate('ecx', wordOf(name)), jcc('e', 'disarm')]),
  jmp('envp'),
  label('disarm'),
  xor('ecx', 'ecx'),
  store(at('rax'), 'ecx'),
  jmp('envp')
]

/** What the variables take on the stack, which is aligned to two words. */
const ADDED_SIZE = 8 * (ADDED_VARIABLES.length + 2)

const CLOCK_MONOTONIC = 1
const PAGE = 4096
/** Of the stack, from where nobody has been before: the dynamic linker needs some 20 KiB. */
const FRESH_PAGES = [0, 1, 2, 3, 4, 5, 6, 7] as const
const FRESH_DEPTH = 24 * PAGE

/** rax: the nanoseconds of the second. Nothing below rsp is used. */
const nanoseconds: Program = [
  movImmediate('edi', CLOCK_MONOTONIC),
  lea('rsi', at('rsp', -16)),
  movImmediate('eax', syscallNumber('x64', 'clock_gettime')),
  syscall,
  load('rax', at('rsp', -8))
]

/** eax: the address of HUGE_PAGES when page faults are slow, and otherwise of a variable that is there already. A new second counts as fast. */
const hugePages = (slowFaultNs: number): Program => [
  ...nanoseconds,
  mov('rdx', 'rax'),
  sub('rsp', FRESH_DEPTH),
  ...FRESH_PAGES.map((page) => store(at('rsp', page * PAGE), 'eax')),
  add('rsp', FRESH_DEPTH),
  ...nanoseconds,
  neg('rdx'),
  lea('rdx', indexed('rax', 'rdx', 1)),
  movImmediate('eax', 'huge pages'),
  cmpImmediate('rdx', slowFaultNs * FRESH_PAGES.length),
  jcc('g', 'slow'),
  movImmediate('eax', 'variable 0'),
  label('slow')
]

/**
 * Moves argc, argv and its NULL down, so that there is room for the pointers before envp; libc's own pointer to envp is at `environ`.
 * rsp is where it will be in the end, but for the registers.
 */
const added = (slowFaultNs: number): Program => [
  lea('rbx', at('rsp', 8 * saved.length)),
  load('rcx', at('rbx', ADDED_SIZE)),
  add('rcx', 2),
  label('argv'),
  load('rax', at('rbx', ADDED_SIZE)),
  store(at('rbx'), 'rax'),
  add('rbx', 8),
  sub('rcx', 1),
  jcc('ne', 'argv'),
  store(absolute('environ'), 'rbx'),
  ...hugePages(slowFaultNs),
  store(at('rbx', ADDED_SIZE - 16), 'rax'),
  store(at('rbx', ADDED_SIZE - 8), 'rax'),
  ...ADDED_VARIABLES.flatMap((_, i) => [movImmediate('eax', `variable ${i}`), store(at('rbx', 8 * i), 'rax')])
]

/**
 * Ends with a jump to the label `entry`.
 * @param adds whether `environ` is known, so that variables can be added
 * @param slowFaultNs page faults that take longer are slow; ns, at most 2^27
 */
export const program = (adds: boolean, slowFaultNs: number): Program => [
  ...(adds ? [sub('rsp', ADDED_SIZE)] : []),
  ...saved.map(push),
  lea('rbx', at('rsp', 8 * saved.length + (adds ? ADDED_SIZE : 0))),
  sub('rsp', BUFFER_SIZE),
  ...limit,
  ...signals,
  ...directory,
  ...environment,

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
  ...(adds ? added(slowFaultNs) : []),
  ...saved.toReversed().map(pop),
  jmp('entry'),
  ...(adds ? ADDED_VARIABLES.flatMap((variable, i) => [label(`variable ${i}`), ascii(variable)]) : []),
  ...(adds ? [label('huge pages'), ascii(HUGE_PAGES)] : [])
]
