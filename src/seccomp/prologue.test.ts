/** The search by number, run in the interpreter against the list that it was made from. */
import t from 'tap'
import { INSTRUCTION_SIZE, MAX_INSTRUCTIONS } from './bpf.ts'
import { newerThan, refusesUnknown } from './enosys.ts'
import { interpret } from './interpret.ts'
import { actions, RET_ENOSYS } from './names.ts'
import { type Answer, prologue, type Range } from './prologue.ts'
import type { Rule } from './rules.ts'
import { enter, highestNamed, leave, newTable, rangesOf, stateOf, type Table } from './table.ts'

const ARCH = 0xc000_003e
const OTHER = 0x4000_0003
/** What stands for libseccomp's part. */
const REST = 0x1234
const rest = new Uint8Array([6, 0, 0, 0, 0x34, 0x12, 0, 0])

const withRest = (program: Uint8Array): Uint8Array => new Uint8Array([...program, ...rest])
const asked = (ranges: readonly Range[], number: number): Answer =>
  ranges.find(({ from, to }) => number >= from && number <= to)?.answer ?? REST

t.test('without answers there is no program', async (t) => {
  t.equal(prologue([], 0).length, 0)
  t.equal(prologue([{ audit: ARCH, ranges: [] }], 0).length, 0)
})

const shapes: Readonly<Record<string, readonly Range[]>> = {
  'one call': [{ from: 5, to: 5, answer: 1 }],
  'the first and the last number': [
    { from: 0, to: 0, answer: 1 },
    { from: 0xffff_ffff, to: 0xffff_ffff, answer: 2 }
  ],
  everything: [{ from: 0, to: 0xffff_ffff, answer: 7 }],
  neighbours: [
    { from: 3, to: 4, answer: 1 },
    { from: 5, to: 5, answer: 0x8000_0000 },
    { from: 6, to: 9, answer: 1 }
  ],
  // More than the 255 instructions that a branch can span.
  'far apart': Array.from({ length: 600 }, (_, i) => ({ from: 3 * i, to: 3 * i + (i % 2), answer: i % 5 })),
  'all different': Array.from({ length: 900 }, (_, i) => ({ from: 2 * i, to: 2 * i, answer: 0x5_0000 + i }))
}

for (const [title, ranges] of Object.entries(shapes))
  t.test(title, async (t) => {
    const program = withRest(prologue([{ audit: ARCH, ranges }], 0))
    const numbers = [...ranges.flatMap(({ from, to }) => [from - 1, from, to, to + 1]), 0xffff_ffff, 0x8000_0000]
    const wrong = numbers
      .filter((number) => number >= 0 && number <= 0xffff_ffff)
      .filter((number) => interpret(program, { arch: ARCH, number }) !== asked(ranges, number))
    t.same(wrong, [])
    t.equal(interpret(program, { arch: OTHER, number: ranges[0]!.from }), REST, 'another architecture is not answered')
    t.ok(program.length / INSTRUCTION_SIZE < MAX_INSTRUCTIONS)
  })

t.test('each architecture has answers of its own', async (t) => {
  const far = shapes['far apart']!
  const architectures = [ARCH, OTHER, 1, 2, 3].map((audit, i) => ({ audit, ranges: [...far, { from: 5000, to: 5000, answer: 100 + i }] }))
  const program = withRest(prologue(architectures, 0))
  for (const [i, { audit }] of architectures.entries()) t.equal(interpret(program, { arch: audit, number: 5000 }), 100 + i)
  t.equal(interpret(program, { arch: 4, number: 5000 }), REST)
})

const DEFAULT = 9
const comparison = { index: 0, op: 4, a: 1n, b: 0n }
const rule = (action: number, ...args: Rule['args']): Rule => ({ names: ['x'], action, args, entry: 0 })
const put = (table: Table, number: number, one: Rule): boolean => enter(table, number, stateOf(one, DEFAULT), one)

t.test('a table joins neighbours that agree, and nothing else', async (t) => {
  const table = newTable(100, true)
  const conditional = rule(1, comparison)
  for (const number of [101, 103, 104, 106, 107]) put(table, number, rule(1))
  put(table, 102, conditional)
  put(table, 105, rule(DEFAULT))
  leave(table, 107)
  leave(table, 108)
  t.same(rangesOf(table), [
    { from: 101, to: 101, answer: 1 },
    { from: 102, to: 102, answer: { alternatives: [conditional], wide: true } },
    { from: 103, to: 104, answer: 1 },
    { from: 106, to: 106, answer: 1 }
  ])
  t.equal(highestNamed(table, 100, 1000), 107)
})

t.test('the first rule without conditions has the last word', async (t) => {
  const table = newTable(0, true)
  for (const one of [rule(1, comparison), rule(2), rule(3), rule(4, comparison), rule(DEFAULT)]) put(table, 5, one)
  t.same(rangesOf(table), [{ from: 5, to: 5, answer: 2 }])
})

t.test('a table has no place for private calls', async (t) => {
  t.equal(put(newTable(0, true), 0x0f_0005, rule(1)), false)
  t.equal(put(newTable(0, true), 1023, rule(1)), true)
})

t.test('newer calls are those above the highest that is named', async (t) => {
  const table = newTable(0, true)
  t.same(newerThan(table, 'x86_64'), [], 'no name, no opinion')
  put(table, 40, rule(1, comparison))
  put(table, 439, rule(DEFAULT))
  t.same(newerThan(table, 'x86_64'), [{ from: 440, to: 0x3fff_ffff, answer: RET_ENOSYS }], 'x32 begins behind')
  t.same(newerThan(table, 'aarch64'), [{ from: 440, to: 0x7fff_ffff, answer: RET_ENOSYS }])
  t.same(newerThan(table, 'arm'), [{ from: 440, to: 0x0e_ffff, answer: RET_ENOSYS }], 'private calls begin behind')
})

t.test('x32 has calls of its own amid the usual numbers', async (t) => {
  const table = newTable(0x4000_0000, false)
  put(table, 0x4000_0000 + 547, rule(1))
  t.same(newerThan(table, 'x32'), [], 'they tell nothing')
  put(table, 0x4000_0000 + 439, rule(1))
  t.same(newerThan(table, 'x32'), [
    { from: 0x4000_0000 + 440, to: 0x4000_0000 + 511, answer: RET_ENOSYS },
    { from: 0x4000_0000 + 548, to: 0x7fff_ffff, answer: RET_ENOSYS }
  ])
})

t.test('a default that lets calls pass, or says ENOSYS itself, needs no stub', async (t) => {
  for (const action of ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG'] as const) t.notOk(refusesUnknown(actions[action]))
  t.notOk(refusesUnknown(actions.SCMP_ACT_TRACE + 7))
  t.notOk(refusesUnknown(RET_ENOSYS))
  for (const action of ['SCMP_ACT_ERRNO', 'SCMP_ACT_KILL', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_TRAP'] as const)
    t.ok(refusesUnknown(actions[action]))
})
