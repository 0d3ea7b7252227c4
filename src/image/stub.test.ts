/** The entry stub, run for real: in a program that dumps its initial stack and registers, and in the engine that runs this test. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { cannotRun, emulate } from '../../test/run-image.ts'
import { type Architecture, syscallNumber } from '../abi/syscalls.ts'
import * as arm64 from './arm64.ts'
import { assemble, bytesOf, type Program } from './assemble.ts'
import { elfHeaders, PT_NOTE } from './elf.ts'
import { BASE, CODE_OFFSET, PROGRAM_HEADER_SIZE } from './record.ts'
import { addEntryStub, readStubValue, type StubValue } from './stub.ts'
import { ADDED_VARIABLES, ENGINE_VARIABLES, HUGE_PAGES } from './stub-variables.ts'
import * as x64 from './x64.ts'

const directory = mkdtempSync(join(tmpdir(), 'stub-'))
t.teardown(() => rmSync(directory, { recursive: true }))

/** Of the initial stack: with PADDING as its environment, the strings are in there, and there is as much. */
const DUMP_SIZE = 20_480
/** Some program may reverse the order, and the kernel leaves a gap of up to 8 KiB below the strings. */
const PADDING = ['A', 'Z'].map((name) => `${name}=${name.repeat(10_000)}`) as [string, string]

/** Writes the start of the initial stack, then 8 bytes with a register that the stub has used, then the 8 bytes at `environ`, and exits. */
const dump: Readonly<Record<Architecture, (environ: number) => Program>> = {
  x64: (environ) => [
    x64.mov('r12', 'rdx'),
    x64.mov('rsi', 'rsp'),
    x64.movImmediate('edi', 1),
    x64.movImmediate('edx', DUMP_SIZE),
    x64.movImmediate('eax', syscallNumber('x64', 'write')),
    x64.syscall,
    x64.push('r12'),
    x64.mov('rsi', 'rsp'),
    x64.movImmediate('edi', 1),
    x64.movImmediate('edx', 8),
    x64.movImmediate('eax', syscallNumber('x64', 'write')),
    x64.syscall,
    x64.movImmediate('esi', environ),
    x64.movImmediate('edi', 1),
    x64.movImmediate('edx', 8),
    x64.movImmediate('eax', syscallNumber('x64', 'write')),
    x64.syscall,
    x64.movImmediate('edi', 0),
    x64.movImmediate('eax', syscallNumber('x64', 'exit_group')),
    x64.syscall
  ],
  arm64: (environ) => [
    arm64.add('x12', 'x11', 0),
    arm64.movz('x0', 1),
    arm64.add('x1', 'sp', 0),
    arm64.movz('x2', DUMP_SIZE),
    arm64.movz('x8', syscallNumber('arm64', 'write')),
    arm64.svc,
    arm64.sub('sp', 'sp', 16),
    arm64.strX('x12', 'sp'),
    arm64.movz('x0', 1),
    arm64.add('x1', 'sp', 0),
    arm64.movz('x2', 8),
    arm64.movz('x8', syscallNumber('arm64', 'write')),
    arm64.svc,
    arm64.movz('x0', 1),
    arm64.movz('x1', environ & 0xffff),
    arm64.movk('x1', environ >>> 16, 16),
    arm64.movz('x2', 8),
    arm64.movz('x8', syscallNumber('arm64', 'write')),
    arm64.svc,
    arm64.movz('x0', 0),
    arm64.movz('x8', syscallNumber('arm64', 'exit_group')),
    arm64.svc
  ]
}

/** An executable of `dump`, with a PT_NOTE where images have their stack's header. */
function dumper(arch: Architecture, hasEnviron = false): Uint8Array {
  const size = CODE_OFFSET + bytesOf(assemble(dump[arch](0), BASE + CODE_OFFSET)).length
  const address = BASE + 0x10_0000 + size
  const headers = elfHeaders(arch, { codeSize: size, dataOffset: size, dataAddress: address, dataFileSize: 0, dataMemorySize: 8 })
  const elf = new Uint8Array(size)
  elf.set(new Uint8Array(headers.buffer))
  new DataView(elf.buffer).setUint32(64 + 2 * PROGRAM_HEADER_SIZE, PT_NOTE, true)
  elf.set(bytesOf(assemble(dump[arch](address), BASE + CODE_OFFSET)), CODE_OFFSET)
  return hasEnviron ? withSymbol(elf, 'environ', address) : elf
}

/** The same with a dynamic symbol: names at +0, two symbols at +64, three section headers at +128. */
function withSymbol(elf: Uint8Array, name: string, address: number): Uint8Array {
  const start = Math.ceil(elf.length / 8) * 8
  const out = Buffer.alloc(start + 128 + 3 * 64)
  out.set(elf)
  out.write(name, start + 1)
  const symbol = start + 64 + 24
  out.writeUInt32LE(1, symbol)
  out.writeUInt16LE(1, symbol + 6)
  out.writeBigUInt64LE(BigInt(address), symbol + 8)
  out.writeBigUInt64LE(BigInt(start + 128), 40)
  out.writeUInt16LE(3, 60)
  const section = (index: number, type: number, offset: number, size: number, link: number): void => {
    out.writeUInt32LE(type, start + 128 + 64 * index + 4)
    out.writeBigUInt64LE(BigInt(offset), start + 128 + 64 * index + 24)
    out.writeBigUInt64LE(BigInt(size), start + 128 + 64 * index + 32)
    out.writeUInt32LE(link, start + 128 + 64 * index + 40)
  }
  section(1, 11, start + 64, 48, 2)
  section(2, 3, start, 64, 0)
  return out
}

/** The value of AT_FLAGS on a stack of: argc, argv, NULL, envp, NULL, auxv. */
function flagsOf(stack: Buffer): bigint | undefined {
  let at = 8 * (Number(stack.readBigUInt64LE(0)) + 2)
  while (stack.readBigUInt64LE(at) !== 0n) at += 8
  for (at += 8; stack.readBigUInt64LE(at) !== 0n; at += 16) if (stack.readBigUInt64LE(at) === 8n) return stack.readBigUInt64LE(at + 8)
  return undefined
}

/** Runs a shell that changes what it inherits, and becomes the program with the environment `env`. */
function runAfter(change: string, command: readonly string[], env: readonly string[] = []): Buffer {
  const args = ['-c', `${change}; exec /usr/bin/env -i "$@"`, 'sh', ...env, ...command]
  const { stdout, status, stderr } = spawnSync('/bin/sh', args, { cwd: directory, env: { PATH: '/usr/bin:/bin' }, timeout: 20_000 })
  if (status !== 0) throw new Error(`exit status ${status}: ${stderr}`)
  return stdout
}

const CHANGES: readonly (readonly [string, Omit<StubValue, 'present'>])[] = [
  ['ulimit -Sn 777', { softNofile: 777, ignored: [], cwdGone: false }],
  ['ulimit -Sn 64; trap "" PIPE', { softNofile: 64, ignored: [13], cwdGone: false }],
  ['ulimit -Sn 65; trap "" XFSZ', { softNofile: 65, ignored: [25], cwdGone: false }],
  ['ulimit -Sn 66; trap "" HUP INT SEGV PIPE PWR SYS', { softNofile: 66, ignored: [1, 2, 11, 13, 30, 31], cwdGone: false }],
  ['ulimit -Sn 67; mkdir d; cd d; rmdir ../d', { softNofile: 67, ignored: [], cwdGone: true }]
]

/** What the stub empties, and what only looks like it. */
const VARIABLES = [
  'MIMALLOC_=',
  'mimalloc_=',
  'BUN_=',
  'BUN_BE_BUN=1',
  'NODE_CHANNEL_FD=3',
  'JSC_x=',
  'WTF_x=',
  'SIMDUTF_=',
  'B=',
  'ABUN_=1',
  'bun_=1',
  'BUNNY=1'
]

for (const arch of ['x64', 'arm64'] as const)
  t.test(`a program for ${arch} finds what its caller had`, { skip: cannotRun(arch) }, async (t) => {
    const path = join(directory, `dump-${arch}`)
    writeFileSync(path, dumper(arch), { mode: 0o755 })
    const run = (change: string, ...env: string[]) => runAfter(change, emulate(arch, path), [PADDING[0], ...env, PADDING[1]])
    const before = run(':', ...VARIABLES)
    t.equal(flagsOf(before), 0n, 'the kernel leaves AT_FLAGS empty')
    t.equal(before.length, DUMP_SIZE + 16)
    for (const variable of VARIABLES) t.ok(before.includes(`\0${variable}\0`), variable)
    writeFileSync(path, addEntryStub(dumper(arch)), { mode: 0o755 })
    for (const [change, expected] of CHANGES) {
      const after = run(change, ...VARIABLES)
      t.same(readStubValue(flagsOf(after)!), { present: true, ...expected }, change)
      t.same(after.subarray(DUMP_SIZE), before.subarray(DUMP_SIZE), 'registers are as they were')
      t.equal(after.readBigUInt64LE(0), 1n, 'argc')
      for (const variable of VARIABLES) {
        const disarmed = ENGINE_VARIABLES.some((name) => variable.startsWith(name))
        t.ok(after.includes(disarmed ? `\0\0\0\0${variable.slice(4)}\0` : `\0${variable}\0`), variable)
      }
    }
  })

for (const arch of ['x64', 'arm64'] as const)
  t.test(`a program for ${arch} whose environ is known gets more variables`, { skip: cannotRun(arch) }, async (t) => {
    const path = join(directory, `environ-${arch}`)
    const run = (...args: string[]) => runAfter(':', [...emulate(arch, path), ...args], [...PADDING])
    for (const args of [[], ['a'], ['a', 'b', 'c']]) {
      writeFileSync(path, dumper(arch, true), { mode: 0o755 })
      const before = run(...args)
      writeFileSync(path, addEntryStub(dumper(arch, true)), { mode: 0o755 })
      const after = run(...args)
      const envp = 8 * (args.length + 3)
      t.equal(after.readBigUInt64LE(0), BigInt(args.length + 1), 'argc')
      for (let at = 8; at < envp; at += 8) t.equal(after.readBigUInt64LE(at) === 0n, at === envp - 8, 'argv, and its end')
      const added = ADDED_VARIABLES.length + (arch === 'x64' ? 2 : 0)
      const pointers = Array.from({ length: added + 3 }, (_, i) => after.readBigUInt64LE(envp + 8 * i))
      t.ok(pointers[0]! < pointers[1]!, 'two more variables')
      for (const pointer of pointers.slice(0, added)) t.ok(pointer < BigInt(BASE + 0x100_0000), 'in the stub')
      t.ok(pointers[added]! > BigInt(BASE + 0x100_0000), 'those of the caller')
      t.equal(pointers[added + 2], 0n, 'and the end')
      t.same(after.subarray(DUMP_SIZE, DUMP_SIZE + 8), before.subarray(DUMP_SIZE, DUMP_SIZE + 8), 'registers are as they were')
      t.equal(before.readBigUInt64LE(DUMP_SIZE + 8), 0n)
      t.not(after.readBigUInt64LE(DUMP_SIZE + 8), 0n, 'environ is set')
      t.equal(readStubValue(flagsOf(after)!).present, true)
    }
  })

t.test('the engine that runs this test sees the variables', async (t) => {
  const path = join(directory, 'engine')
  writeFileSync(path, addEntryStub(readFileSync(process.execPath)), { mode: 0o755 })
  const script = 'console.log(JSON.stringify([process.env, process.argv.slice(1)]))'
  const [{ MIMALLOC_ALLOW_THP: _, ...env }, args] = JSON.parse(runAfter(':', [path, '-e', script, 'a', 'b'], ['A=1']).toString())
  t.same(env, { ...valuesOf(ADDED_VARIABLES), A: '1' })
  t.same(args, ['a', 'b'])
})

const valuesOf = (variables: readonly string[]) => Object.fromEntries(variables.map((variable) => variable.split('=')))

t.test('huge pages are asked for where page faults are slow', { skip: process.arch !== 'x64' && 'not on this architecture' }, async (t) => {
  const path = join(directory, 'engine')
  for (const [slow, threshold] of [
    [true, 1],
    [false, 1 << 27]
  ] as const) {
    writeFileSync(path, addEntryStub(readFileSync(process.execPath), threshold), { mode: 0o755 })
    const env = JSON.parse(runAfter(':', [path, '-e', 'console.log(JSON.stringify(process.env))'], ['A=1']).toString())
    t.same(env, { ...valuesOf([...ADDED_VARIABLES, ...(slow ? [HUGE_PAGES] : [])]), A: '1' }, `a threshold of ${threshold} ns`)
  }
})

t.test('the engine that runs this test finds it through getauxval', async (t) => {
  const path = join(directory, 'engine')
  writeFileSync(path, addEntryStub(readFileSync(process.execPath)), { mode: 0o755 })
  const script = `
    const koffi = require(${JSON.stringify(fileURLToPath(import.meta.resolve('koffi')))})
    console.log(String(koffi.load('libc.so.6').func('unsigned long getauxval(unsigned long)')(8)))`
  for (const [change, expected] of CHANGES) {
    const value = BigInt(runAfter(change, [path, '-e', script]).toString())
    t.same(readStubValue(value), { present: true, ...expected }, change)
  }
})

t.test('a position-independent executable still runs', async (t) => {
  const path = join(directory, 'sh')
  writeFileSync(path, addEntryStub(readFileSync('/bin/sh')), { mode: 0o755 })
  t.equal(runAfter(':', [path, '-c', 'echo "$0 $A"', 'zero'], ['A=a']).toString(), 'zero a\n')
})

t.test('without the stub nothing is there', async (t) => {
  const absent = { present: false, softNofile: undefined, ignored: [], cwdGone: false }
  t.same(readStubValue(0n), absent)
  t.same(readStubValue(1n), absent)
  t.same(readStubValue(0x0000_0100_0000_0000n), absent)
})

t.test('an infinite limit is undefined', async (t) => {
  t.same(readStubValue(0x0004_0100_ffff_ffffn), { present: true, softNofile: undefined, ignored: [], cwdGone: false })
  t.equal(readStubValue(0x0004_0100_ffff_fffen).softNofile, 0xffff_fffe)
})

t.test('what cannot get a stub is refused', async (t) => {
  const elf = dumper('x64')
  const change = (offset: number, value: number): Uint8Array => {
    const changed = elf.slice()
    changed[offset] = value
    return changed
  }
  t.throws(() => addEntryStub(addEntryStub(elf)), { name: 'RangeError', message: /no PT_NOTE/ })
  t.throws(() => addEntryStub(new Uint8Array(10)), { name: 'RangeError', message: /not a 64-bit/ })
  t.throws(() => addEntryStub(change(0, 0)), { name: 'RangeError', message: /not a 64-bit/ })
  t.throws(() => addEntryStub(change(16, 1)), { name: 'RangeError', message: /ELF type is 1/ })
  t.throws(() => addEntryStub(change(18, 3)), { name: 'RangeError', message: /machine 3/ })
  t.throws(() => addEntryStub(change(56, 200)), { name: 'RangeError', message: /program headers/ })
})
