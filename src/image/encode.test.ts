/** What the encoder makes is what the decoder reads; and what the format cannot hold is refused. */
import t from 'tap'
import { planOf, step } from '../../test/run-image.ts'
import { errnoNumber } from '../abi/errno.ts'
import { type Arg, type Bytes, bytes, type Step, slot, text, to } from '../plan/step.ts'
import { type DecodedArg, decode, type Image, textAt } from './decode.ts'
import { PF_R, PF_W, PF_X } from './elf.ts'
import { encode } from './encode.ts'
import { ANY_ERRNO } from './record.ts'

const exit = step('exit_group', [0])
const fd = slot('fd')
const argv: Bytes = {
  ...bytes('argv', new Uint8Array(24)),
  pointers: [
    { offset: 0, to: text('sh') },
    { offset: 8, to: text('grüße') }
  ]
}
const control: Bytes = { ...bytes('control', new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])), slots: [{ offset: 4, slot: fd }] }
const nested: Bytes = { ...bytes('nested', new Uint8Array(16)), pointers: [{ offset: 8, to: control }] }
const buffer = bytes('buffer', new Uint8Array(100))
const steps: readonly Step[] = [
  step('openat2', [-100, text('a'), bytes('how', new Uint8Array([1])), 24], {
    save: fd,
    on: { any: to('end'), ENOENT: 2, EEXIST: 'next', EINTR: 'retry' }
  }),
  step('sendmsg', [fd, nested, 0x7fff_ffff], { zero: 'retry' }),
  step('read', [fd, { kind: 'inside', of: buffer, offset: 17 }, 83], { then: to('end'), label: 'middle' }),
  step('compare', [buffer, bytes('zero', new Uint8Array(100)), 0, 100, 22], { then: to('middle') }),
  step('execve', [text('a'), argv, text('')], { label: 'end', on: { ENOENT: 'retry' } })
]

type Check = Pick<typeof t, 'equal' | 'same'>

/** Checks that a decoded argument is what the plan says. */
function checkArg(t: Check, image: Image, arg: Arg, decoded: DecodedArg, slots: Map<string, number>): void {
  if (typeof arg === 'number') return void t.equal(decoded, arg | 0)
  if (arg.kind === 'slot') {
    const address = (decoded as { slot: number }).slot
    t.equal(slots.get(arg.name) ?? address, address, `slot ${arg.name}`)
    return void slots.set(arg.name, address)
  }
  const { address } = decoded as { address: number }
  if (arg.kind === 'text') return void t.equal(textAt(image, address), arg.text)
  checkBytes(t, image, arg.kind === 'bytes' ? arg : arg.of, arg.kind === 'bytes' ? address : address - arg.offset, slots)
}

function checkBytes(t: Check, image: Image, block: Bytes, address: number, slots: Map<string, number>): void {
  const found = image.read(address, block.bytes.length)
  const expected = block.bytes.slice()
  for (const { offset, to } of block.pointers ?? []) {
    const target = Number(new DataView(found.buffer).getBigUint64(offset, true))
    checkArg(t, image, to, { address: target }, slots)
    expected.set(found.subarray(offset, offset + 8), offset)
  }
  for (const { offset, slot } of block.slots ?? []) checkArg(t, image, slot, { slot: address + offset }, slots)
  t.same(found, expected, block.shows)
}

for (const arch of ['x64', 'arm64'] as const) {
  t.test(`a plan for ${arch} survives the round trip`, async (t) => {
    const plan = planOf(arch, steps)
    const image = decode(encode(plan))
    const slots = new Map<string, number>([['report', image.report]])
    t.equal(image.reportFd, plan.reportFd)
    t.same(
      image.records.map(({ call }) => call),
      steps.map(({ call }) => call)
    )
    for (const [i, { args, save }] of steps.entries()) {
      const record = image.records[i]!
      for (const [k, arg] of args.entries()) checkArg(t, image, arg, record.args[k]!, slots)
      t.same(record.args.slice(args.length), new Array(6 - args.length).fill(0))
      if (save) checkArg(t, image, save, { slot: record.save }, slots)
      else t.equal(record.save, 0)
    }
    t.same(
      image.records.map(({ then, zero }) => [then, zero]),
      [
        [1, 1],
        [2, 1],
        [4, 4],
        [2, 2],
        [4, 4]
      ]
    )
    t.same(
      image.records[0]!.on.map(({ errno, target }) => [errno, target]),
      [
        [errnoNumber('ENOENT'), 2],
        [errnoNumber('EEXIST'), 1],
        [errnoNumber('EINTR'), 0],
        [ANY_ERRNO, 4]
      ],
      'any comes last'
    )
  })
}

t.test('the same plan gives the same bytes', async (t) => {
  t.same(encode(planOf('x64', steps)), encode(planOf('x64', steps)))
})

t.test('nothing is writable and executable', async (t) => {
  const { segments } = decode(encode(planOf('arm64', steps)))
  t.same(
    segments.map(({ flags }) => flags),
    [PF_R | PF_X, PF_R | PF_W, PF_R | PF_W]
  )
})

t.test('equal texts share a place, and zeroed buffers none in the file', async (t) => {
  const sizeOf = (...steps: Step[]): number => encode(planOf('x64', [...steps, exit])).length
  const chdir = step('chdir', [text('/some/where')])
  t.equal(sizeOf(chdir, step('chdir', [text('/some/where')])) - sizeOf(chdir, step('chdir', [0])), 0)
  t.equal(sizeOf(step('getcwd', [bytes('buffer', new Uint8Array(4096)), 4096])), sizeOf(step('getcwd', [0, 4096])))
})

t.test('data that fits in a page lies in one', async (t) => {
  for (const size of [100, 2000, 3000, 4000, 4080]) {
    const data = bytes('data', new Uint8Array(size).fill(1))
    const path = text('x'.repeat(3000))
    const { segments } = decode(encode(planOf('x64', [step('write', [1, data, size]), step('chdir', [path]), exit])))
    const { address, offset, memorySize } = segments[1]!
    t.equal(address >> 12, (address + memorySize - 1) >> 12, `${size} bytes`)
    t.equal(address % 4096, offset % 4096)
  }
})

t.test('the report slot may lie inside bytes', async (t) => {
  const holder: Bytes = { ...bytes('holder', new Uint8Array(12)), slots: [{ offset: 4, slot: slot('report') }] }
  const image = decode(encode(planOf('x64', [step('write', [1, holder, 12]), exit])))
  t.equal(image.report, (image.records[0]!.args[1] as { address: number }).address + 4)
  t.equal(image.reportFd, 3)
})

t.test('what the format cannot hold is refused', async (t) => {
  const refused = (message: RegExp, ...steps: Step[]): unknown =>
    t.throws(() => encode(planOf('x64', steps)), { name: 'RangeError', message })
  const one = bytes('one', new Uint8Array([1]))
  refused(/a plan of 0 steps/)
  refused(/a plan of 65536 steps/, ...Array.from({ length: 65536 }, () => exit))
  refused(/the last step is close, which may lead past the end/, step('close', [0]))
  refused(/step 0 expects 5 errnos/, { ...exit, on: { EPERM: 0, ENOENT: 0, ESRCH: 0, EINTR: 0, any: 0 } })
  refused(/step 0 has 7 arguments/, step('close', [0, 0, 0, 0, 0, 0, 0]), exit)
  for (const number of [2 ** 32, -(2 ** 31) - 1, 0.5, Number.NaN]) refused(/step 0 has the argument/, step('close', [number]), exit)
  refused(/step 0 leads to the label "x", which is nowhere/, step('close', [0], { then: to('x') }), exit)
  refused(/step 0 leads to step 2, which is nowhere/, step('close', [0], { then: 2 }), exit)
  refused(/label "x" is given twice/, { ...exit, label: 'x' }, { ...exit, label: 'x' })
  refused(/NUL in the text "a\\u0000b"/, step('chdir', [text('a\0b')]), exit)
  refused(/offset 2 is outside one/, step('write', [1, { kind: 'inside', of: one, offset: 2 }, 1]), exit)
  refused(/slot "fd" lies outside one/, step('write', [1, { ...one, slots: [{ offset: 0, slot: fd }] }, 1]), exit)
  refused(/offset 0 is outside one/, step('write', [1, { ...one, pointers: [{ offset: 0, to: text('') }] }, 1]), exit)
  refused(/slot "fd" lies in two places/, step('write', [1, control, 1]), step('write', [1, { ...control }, 1]), exit)
  refused(/no system call "umount" on x64/, { ...exit, call: 'umount' as Step['call'] }, exit)
})

t.test('as many steps as fit', async (t) => {
  const steps = Array.from({ length: 65534 }, () => step('getpid', []))
  t.equal(decode(encode(planOf('x64', [...steps.slice(0, 30_000), exit]))).records.length, 30_001)
  t.throws(() => encode(planOf('x64', [...steps, exit])), { name: 'RangeError', message: /step 65534 is out of reach/ })
})
