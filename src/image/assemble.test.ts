/** Bytes of instructions, checked against what the GNU and LLVM assemblers make of the same text. */
import t from 'tap'
import type { Architecture } from '../abi/syscalls.ts'
import * as arm64 from './arm64.ts'
import { assemble, bytesOf, type Instruction, label, type Program, reserve } from './assemble.ts'
import { interpreter } from './generated.ts'
import { interpreterListing } from './interpreter.ts'
import { at, indexed, jcc, jmp, lea, load, mov, movImmediate, movsxd, pop, push, store, syscall, test, xor } from './x64.ts'

const hexOf = (program: Program, origin = 0x1000): string => Buffer.from(bytesOf(assemble(program, origin))).toString('hex')

for (const arch of ['x64', 'arm64'] as const satisfies Architecture[])
  t.test(`generated.ts holds the interpreter for ${arch}: if not, run src/image/generate.ts`, async (t) => {
    t.same(Uint8Array.from(interpreter[arch]), bytesOf(interpreterListing(arch)))
  })

t.test('x86-64 instructions', async (t) => {
  const cases: readonly (readonly [Instruction, string])[] = [
    [mov('rax', 'r8'), '4c89c0'],
    [mov('r10', 'rsp'), '4989e2'],
    [mov('ebx', 'ecx'), '89cb'],
    [movImmediate('r9d', 0x74730000), '41b900007374'],
    [load('ecx', at('rbp', 8)), '8b4d08'],
    [load('rax', at('rbp')), '488b4500'],
    [load('rax', at('r13')), '498b4500'],
    [load('rax', at('rsp')), '488b0424'],
    [load('rax', at('r12', 8)), '498b442408'],
    [load('eax', at('rdi', 0x1234)), '8b8734120000'],
    [store(at('rsp', -8), 'ebx'), '895c24f8'],
    [lea('rbx', indexed('rbx', 'rax', 8, 16)), '488d5cc310'],
    [movsxd('r10', at('r10')), '4d6312'],
    [xor('r9d', 'r11d'), '4531d9'],
    [test('rdx', 'rdx'), '4885d2'],
    [push('r11'), '4153'],
    [pop('rdi'), '5f'],
    [syscall, '0f05']
  ]
  for (const [instruction, bytes] of cases) t.equal(hexOf([instruction]), bytes, instruction.text)
})

t.test('arm64 instructions', async (t) => {
  const cases: readonly (readonly [Instruction, string])[] = [
    [arm64.movz('w22', 52), '96068052'],
    [arm64.movk('w9', 0xffff, 16), 'e9ffbf72'],
    [arm64.ldrsw('x0', 'x20', 28), '801e80b9'],
    [arm64.ldr('w0', 'sp', 4), 'e00740b9'],
    [arm64.strX('x11', 'sp', 88), 'eb2f00f9'],
    [arm64.ldrh('w8', 'x20'), '88024079'],
    [arm64.ldrbIndexed('w10', 'x0', 'x9'), '0a686938'],
    [arm64.add('x2', 'sp', 0), 'e2030091'],
    [arm64.sub('w11', 'w11', 1), '6b050051'],
    [arm64.cmn('x0', 4095), '1ffc3fb1'],
    [arm64.cmpRegister('x10', 'x9'), '5f0109eb'],
    [arm64.neg('w9', 'w0'), 'e903004b'],
    [arm64.lsl('x0', 'x0', 3), '00f07dd3'],
    [arm64.br('x16'), '00021fd6'],
    [arm64.svc, '010000d4']
  ]
  for (const [instruction, bytes] of cases) t.equal(hexOf([instruction]), bytes, instruction.text)
  t.throws(() => arm64.ldr('w0', 'x0', 3), { message: /cannot be encoded/ })
  t.throws(() => arm64.add('x0', 'x0', 4096), { message: /cannot be encoded/ })
})

t.test('jumps are short where they can be', async (t) => {
  t.equal(hexOf([label('a'), jmp('a')]), 'ebfe')
  t.equal(hexOf([jcc('ne', 'a'), reserve(127), label('a')]).slice(0, 4), '757f')
  t.equal(hexOf([jcc('ne', 'a'), reserve(128), label('a')]).slice(0, 12), '0f8580000000')
  t.equal(hexOf([label('a'), reserve(126), jmp('a')]).slice(-4), 'eb80')
  t.equal(hexOf([label('a'), reserve(127), jmp('a')]).slice(-10), 'e97cffffff')
})

t.test('one long jump may push another one out of reach', async (t) => {
  const program = [jmp('a'), jmp('b'), reserve(124), label('a'), reserve(4), label('b')]
  const lines = assemble(program, 0)
  t.same(
    lines.map(({ bytes }) => bytes.length),
    [5, 5, 124, 4, 0]
  )
})

t.test('branches of arm64 have a reach', async (t) => {
  t.equal(hexOf([label('a'), arm64.b('a')]), '00000014')
  t.equal(hexOf([label('a'), reserve(4), arm64.b('a')]).slice(-8), 'ffffff17')
  t.equal(hexOf([arm64.tbz('w9', 3, 'a'), reserve(4), label('a')]).slice(0, 8), '49001836')
  t.equal(hexOf([arm64.adr('x21', 'a'), reserve(3), label('a')]).slice(0, 8), '35000070')
  t.throws(() => assemble([arm64.tbz('w9', 3, 'a'), reserve(0x8000), label('a')], 0), { message: '"a" is out of reach' })
})

t.test('labels are defined once', async (t) => {
  t.throws(() => assemble([jmp('a')], 0), { message: 'label "a" is not defined' })
  t.throws(() => assemble([label('a'), label('a'), jmp('a')], 0), { message: 'label "a" is defined twice' })
})
