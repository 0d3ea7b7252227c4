/**
 * The interpreter for arm64. What it does is specified in record.ts; its labels are those of interpreter.x64.ts.
 *
 * x19 is the address of the record, x20 that of its errnos, x21 that of the first record. A system call changes x0 only.
 */
import { syscallNumber } from '../abi/syscalls.ts'
import {
  add,
  addRegister,
  and,
  b,
  bCond,
  cbnz,
  cbz,
  cmn,
  cmp,
  cmpRegister,
  eor,
  ldr,
  ldrb,
  ldrbIndexed,
  ldrh,
  ldrLabel,
  ldrsw,
  lsl,
  movz,
  neg,
  orr,
  type RegisterX,
  stp,
  str,
  sub,
  svc,
  tbz,
  udf
} from './arm64.ts'
import { label, type Program, reserve } from './assemble.ts'
import { ANY_ERRNO, COMPARE, Field, HAS_SAVE, HAS_WAYS, RECORD_HEADER_SIZE, TABLE_HEADER_SIZE } from './record.ts'

const registers = ['x0', 'x1', 'x2', 'x3', 'x4', 'x5'] as const

/** Loads one argument, when there are that many; a slot's address is replaced by the value there. */
const argument = (register: RegisterX, i: number): Program => [
  cmp('w9', i),
  bCond('eq', 'loaded'),
  ldrsw(register, 'x19', RECORD_HEADER_SIZE + 4 * i),
  tbz('w10', i, `argument${i + 1}`),
  ldrsw(register, register),
  label(`argument${i + 1}`)
]

export const program: Program = [
  ldrLabel('w21', 'records'),
  orr('x19', 'xzr', 'x21'),

  label('step'),
  ...registers.map((register) => movz(register, 0)),
  ldrb('w9', 'x19', Field.args),
  ldrb('w10', 'x19', Field.slots),
  ...registers.flatMap(argument),
  label('loaded'),
  lsl('x9', 'x9', 2),
  addRegister('x20', 'x19', 'x9'),
  add('x20', 'x20', RECORD_HEADER_SIZE),
  ldrh('w8', 'x19', Field.nr),
  movz('w9', COMPARE),
  cmpRegister('w8', 'w9'),
  bCond('eq', 'compare'),
  svc,

  label('result'),
  ldrb('w11', 'x19', Field.errnos),
  cmn('x0', 4095),
  bCond('hs', 'failed'),
  lsl('x11', 'x11', 2),
  addRegister('x20', 'x20', 'x11'),
  tbz('w10', Math.log2(HAS_SAVE), 'saved'),
  ldr('w9', 'x20'),
  str('w0', 'x9'),
  add('x20', 'x20', 4),
  label('saved'),
  orr('x19', 'xzr', 'x20'),
  tbz('w10', Math.log2(HAS_WAYS), 'step'),
  ldrh('w9', 'x20'),
  cbnz('x0', 'go'),
  ldrh('w9', 'x20', 2),
  label('go'),
  lsl('x9', 'x9', 2),
  addRegister('x19', 'x21', 'x9'),
  b('step'),

  label('failed'),
  neg('w9', 'w0'),
  movz('w13', ANY_ERRNO),
  label('search'),
  cbz('w11', 'report'),
  ldrh('w12', 'x20'),
  cmpRegister('w12', 'w9'),
  bCond('eq', 'found'),
  cmpRegister('w12', 'w13'),
  bCond('eq', 'found'),
  add('x20', 'x20', 4),
  sub('w11', 'w11', 1),
  b('search'),
  label('found'),
  ldrh('w9', 'x20', 2),
  b('go'),

  label('report'),
  ldrh('w10', 'x19', Field.index),
  sub('x1', 'sp', 16),
  stp('w10', 'w9', 'x1'),
  ldrLabel('w0', 'table'),
  ldr('w0', 'x0'),
  movz('x2', 8),
  movz('w8', syscallNumber('arm64', 'write')),
  svc,
  movz('x0', 1),
  movz('w8', syscallNumber('arm64', 'exit_group')),
  svc,
  // A seccomp filter may have refused even exit_group.
  udf,

  label('compare'),
  movz('x9', 0),
  label('next'),
  cmpRegister('x9', 'x3'),
  bCond('ge', 'equal'),
  ldrbIndexed('w11', 'x0', 'x9'),
  ldrbIndexed('w12', 'x1', 'x9'),
  eor('w11', 'w11', 'w12'),
  cbz('x2', 'masked'),
  ldrbIndexed('w12', 'x2', 'x9'),
  and('w11', 'w11', 'w12'),
  label('masked'),
  add('x9', 'x9', 1),
  cbz('w11', 'next'),
  neg('x0', 'x4'),
  b('result'),
  label('equal'),
  movz('x0', 0),
  b('result'),

  label('table'),
  reserve(4),
  label('records'),
  reserve(TABLE_HEADER_SIZE - 4)
]
