/**
 * The interpreter for x86-64. What it does is specified in record.ts.
 *
 * ebx is the index of the record, rbp its address. A system call clobbers rax, rcx and r11 only, and a child that `clone` makes with a
 * stack pointer of 0 goes on with a copy of everything, so nothing is ever saved or restored. The 8 bytes of a report lie below rsp:
 * there is no signal handler that could overwrite them.
 */

import { syscallNumber } from '../abi/syscalls.ts'
import { label, type Program, reserve } from './assemble.ts'
import { ANY_ERRNO, COMPARE, ERRNO_ENTRIES, Field, RECORD_SIZE, TABLE_HEADER_SIZE } from './record.ts'
import {
  absolute,
  add,
  align,
  and,
  at,
  cmp,
  cmpImmediate,
  imul,
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
  syscall,
  test,
  testByte,
  ud2,
  xor
} from './x64.ts'

const field = (name: keyof typeof Field, offset = 0): Memory => at('rbp', Field[name] + offset)
const entry = (offset: number): Memory => indexed('rbp', 'rcx', 4, Field.errnos + offset)

/** Loads one argument; a slot's address is replaced by the value there. */
const argument = (register: Register64, i: number): Program => [
  movsxd(register, field('args', 4 * i)),
  testByte(field('slots'), 1 << i),
  jcc('e', `argument${i + 1}`),
  movsxd(register, at(register)),
  label(`argument${i + 1}`)
]

export const program: Program = [
  xor('ebx', 'ebx'),

  label('step'),
  imul('ebp', 'ebx', RECORD_SIZE),
  add('ebp', 'records'),
  ...(['rdi', 'rsi', 'rdx', 'r10', 'r8', 'r9'] as const).flatMap(argument),
  movzxWord('eax', field('nr')),
  cmpImmediate('eax', COMPARE),
  jcc('e', 'compare'),
  syscall,

  label('result'),
  cmpImmediate('rax', -4095),
  jcc('ae', 'failed'),
  load('ecx', field('save')),
  test('ecx', 'ecx'),
  jcc('e', 'saved'),
  store(at('rcx'), 'eax'),
  label('saved'),
  movzxWord('ebx', field('then')),
  test('rax', 'rax'),
  jcc('ne', 'step'),
  movzxWord('ebx', field('zero')),
  jmp('step'),

  label('failed'),
  neg('eax'),
  xor('ecx', 'ecx'),
  label('search'),
  movzxWord('edx', entry(0)),
  test('edx', 'edx'),
  jcc('e', 'report'),
  cmp('edx', 'eax'),
  jcc('e', 'found'),
  cmpImmediate('edx', ANY_ERRNO),
  jcc('e', 'found'),
  inc('ecx'),
  cmpImmediate('ecx', ERRNO_ENTRIES),
  jcc('ne', 'search'),

  label('report'),
  store(at('rsp', -8), 'ebx'),
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

  label('found'),
  movzxWord('ebx', entry(2)),
  jmp('step'),

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
  reserve(TABLE_HEADER_SIZE),
  label('records')
]
