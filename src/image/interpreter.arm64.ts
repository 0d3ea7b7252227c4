/**
 * The interpreter for arm64. What it does is specified in record.ts; its labels are those of interpreter.x64.ts.
 *
 * w19 is the index of the record, x20 its address, x21 that of the first record, w22 the size of one. A system call changes x0 only.
 */
import { syscallNumber } from '../abi/syscalls.ts'
import {
  add,
  adr,
  and,
  b,
  bCond,
  cbnz,
  cbz,
  cmn,
  cmpRegister,
  eor,
  ldr,
  ldrb,
  ldrbIndexed,
  ldrh,
  ldrLabel,
  ldrsw,
  madd,
  movz,
  neg,
  type RegisterX,
  stp,
  str,
  sub,
  svc,
  tbz,
  udf
} from './arm64.ts'
import { label, type Program, reserve } from './assemble.ts'
import { ANY_ERRNO, COMPARE, ERRNO_ENTRIES, Field, RECORD_SIZE, TABLE_HEADER_SIZE } from './record.ts'

/** Loads one argument; a slot's address is replaced by the value there. */
const argument = (register: RegisterX, i: number): Program => [
  ldrsw(register, 'x20', Field.args + 4 * i),
  tbz('w9', i, `argument${i + 1}`),
  ldrsw(register, register),
  label(`argument${i + 1}`)
]

export const program: Program = [
  movz('w19', 0),
  movz('w22', RECORD_SIZE),
  adr('x21', 'records'),

  label('step'),
  madd('x20', 'x19', 'x22', 'x21'),
  ldrb('w9', 'x20', Field.slots),
  ...(['x0', 'x1', 'x2', 'x3', 'x4', 'x5'] as const).flatMap(argument),
  ldrh('w8', 'x20', Field.nr),
  movz('w10', COMPARE),
  cmpRegister('w8', 'w10'),
  bCond('eq', 'compare'),
  svc,

  label('result'),
  cmn('x0', 4095),
  bCond('hs', 'failed'),
  ldr('w9', 'x20', Field.save),
  cbz('w9', 'saved'),
  str('w0', 'x9'),
  label('saved'),
  ldrh('w19', 'x20', Field.then),
  cbnz('x0', 'step'),
  ldrh('w19', 'x20', Field.zero),
  b('step'),

  label('failed'),
  neg('w9', 'w0'),
  add('x10', 'x20', Field.errnos),
  movz('w11', ERRNO_ENTRIES),
  movz('w13', ANY_ERRNO),
  label('search'),
  ldrh('w12', 'x10'),
  cbz('w12', 'report'),
  cmpRegister('w12', 'w9'),
  bCond('eq', 'found'),
  cmpRegister('w12', 'w13'),
  bCond('eq', 'found'),
  add('x10', 'x10', 4),
  sub('w11', 'w11', 1),
  cbnz('w11', 'search'),

  label('report'),
  sub('x1', 'sp', 16),
  stp('w19', 'w9', 'x1'),
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

  label('found'),
  ldrh('w19', 'x10', 2),
  b('step'),

  label('compare'),
  movz('x9', 0),
  label('next'),
  cmpRegister('x9', 'x3'),
  bCond('ge', 'equal'),
  ldrbIndexed('w10', 'x0', 'x9'),
  ldrbIndexed('w11', 'x1', 'x9'),
  eor('w10', 'w10', 'w11'),
  cbz('x2', 'masked'),
  ldrbIndexed('w11', 'x2', 'x9'),
  and('w10', 'w10', 'w11'),
  label('masked'),
  add('x9', 'x9', 1),
  cbz('w10', 'next'),
  neg('x0', 'x4'),
  b('result'),
  label('equal'),
  movz('x0', 0),
  b('result'),

  label('table'),
  reserve(TABLE_HEADER_SIZE),
  label('records')
]
