/**
 * The interpreter for x86-64. What it does is specified in record.ts.
 *
 * rbp is the address of the record, rbx that of its errnos, r13 that of the first record. A system call clobbers rax, rcx and r11 only,
 * and a child that `clone` makes with a stack pointer of 0 goes on with a copy of everything, so nothing is ever saved or restored.
 * The 8 bytes of a report lie below rsp: there is no signal handler that could overwrite them.
 */
import { syscallNumber } from '../abi/syscalls.ts'
import { label, type Program, reserve } from './assemble.ts'
import { ANY_ERRNO, COMPARE, Field, HAS_SAVE, HAS_WAYS, RECORD_HEADER_SIZE, TABLE_HEADER_SIZE } from './record.ts'
import {
  absolute,
  add,
  align,
  and,
  at,
  cmp,
  cmpImmediate,
  inc,
  indexed,
  jcc,
  jmp,
  lea,
  load,
  type Memory,
  mov,
  movImmediate,
  movsxd,
  movzxByte,
  movzxWord,
  neg,
  type Register64,
  store,
  sub,
  syscall,
  test,
  testByte,
  ud2,
  xor
} from './x64.ts'

const registers = ['rdi', 'rsi', 'rdx', 'r10', 'r8', 'r9'] as const
const field = (name: keyof typeof Field): Memory => at('rbp', Field[name])

/** Loads one argument, when there are that many; a slot's address is replaced by the value there. */
const argument = (register: Register64, i: number): Program => [
  cmpImmediate('ebx', i),
  jcc('e', 'loaded'),
  movsxd(register, at('rbp', RECORD_HEADER_SIZE + 4 * i)),
  testByte(field('slots'), 1 << i),
  jcc('e', `argument${i + 1}`),
  movsxd(register, at(register)),
  label(`argument${i + 1}`)
]

export const program: Program = [
  load('r13d', absolute('records')),
  mov('rbp', 'r13'),

  label('step'),
  ...(['edi', 'esi', 'edx', 'r10d', 'r8d', 'r9d'] as const).map((register) => xor(register, register)),
  movzxByte('ebx', field('args')),
  ...registers.flatMap(argument),
  label('loaded'),
  lea('rbx', indexed('rbp', 'rbx', 4, RECORD_HEADER_SIZE)),
  movzxWord('eax', field('nr')),
  cmpImmediate('eax', COMPARE),
  jcc('e', 'compare'),
  syscall,

  label('result'),
  cmpImmediate('rax', -4095),
  jcc('ae', 'failed'),
  movzxByte('ecx', field('errnos')),
  lea('rbx', indexed('rbx', 'rcx', 4)),
  testByte(field('slots'), HAS_SAVE),
  jcc('e', 'saved'),
  load('ecx', at('rbx')),
  store(at('rcx'), 'eax'),
  add('rbx', 4),
  label('saved'),
  testByte(field('slots'), HAS_WAYS),
  jcc('ne', 'ways'),
  mov('rbp', 'rbx'),
  jmp('step'),
  label('ways'),
  movzxWord('ecx', at('rbx')),
  test('rax', 'rax'),
  jcc('ne', 'go'),
  movzxWord('ecx', at('rbx', 2)),
  label('go'),
  lea('rbp', indexed('r13', 'rcx', 4)),
  jmp('step'),

  label('failed'),
  neg('eax'),
  movzxByte('edx', field('errnos')),
  label('search'),
  test('edx', 'edx'),
  jcc('e', 'report'),
  movzxWord('ecx', at('rbx')),
  cmp('ecx', 'eax'),
  jcc('e', 'found'),
  cmpImmediate('ecx', ANY_ERRNO),
  jcc('e', 'found'),
  add('rbx', 4),
  sub('edx', 1),
  jmp('search'),
  label('found'),
  movzxWord('ecx', at('rbx', 2)),
  jmp('go'),

  label('report'),
  movzxWord('ecx', field('index')),
  store(at('rsp', -8), 'ecx'),
  store(at('rsp', -4), 'eax'),
  load('edi', absolute('table')),
  load('edi', at('rdi')),
  lea('rsi', at('rsp', -8)),
  movImmediate('edx', 8),
  movImmediate('eax', syscallNumber('x64', 'write')),
  syscall,
  movImmediate('edi', 1),
  movImmediate('eax', syscallNumber('x64', 'exit_group')),
  syscall,
  // A seccomp filter may have refused even exit_group.
  ud2,

  label('compare'),
  xor('eax', 'eax'),
  xor('ecx', 'ecx'),
  label('next'),
  cmp('rcx', 'r10'),
  jcc('ge', 'result'),
  movzxByte('r9d', indexed('rdi', 'rcx', 1)),
  movzxByte('r11d', indexed('rsi', 'rcx', 1)),
  xor('r9d', 'r11d'),
  test('rdx', 'rdx'),
  jcc('e', 'masked'),
  movzxByte('r11d', indexed('rdx', 'rcx', 1)),
  and('r9d', 'r11d'),
  label('masked'),
  inc('rcx'),
  test('r9d', 'r9d'),
  jcc('e', 'next'),
  mov('rax', 'r8'),
  neg('rax'),
  jmp('result'),

  align(4),
  label('table'),
  reserve(4),
  label('records'),
  reserve(TABLE_HEADER_SIZE - 4)
]
