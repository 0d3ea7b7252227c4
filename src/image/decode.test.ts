/** The decoder takes any bytes: it gives an image, or a RangeError that says what is wrong. */
import t from 'tap'
import { planOf, step } from '../../test/run-image.ts'
import { type Bytes, bytes, slot, text } from '../plan/step.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { listing } from './listing.ts'

const argv: Bytes = { ...bytes('argv', new Uint8Array(16)), pointers: [{ offset: 0, to: text('sh') }] }
const fd = slot('fd')
const plan = planOf('x64', [
  step('openat', [-100, text('a'), 0], { save: fd, on: { ENOENT: 'retry', any: 1 } }),
  step('read', [fd, bytes('buffer', new Uint8Array(64)), 64]),
  step('execve', [text('/bin/sh'), argv, 0])
])
const image = encode(plan)

/** What `use` throws, when it is not the error that damage is to give. */
function crash(use: (image: Uint8Array) => unknown, damaged: Uint8Array): unknown {
  try {
    use(damaged)
    return undefined
  } catch (error) {
    return error instanceof RangeError && error.message.startsWith('not an image: ') ? undefined : error
  }
}

t.test('no damage of one byte crashes the decoder or the listing', async (t) => {
  for (let i = 0; i < image.length; i++)
    for (const change of [1, 0x80, 0xff]) {
      const damaged = image.slice()
      damaged[i]! ^= change
      for (const use of [decode, listing]) {
        const error = crash(use, damaged)
        if (error !== undefined) return t.fail(`byte ${i} changed by ${change}: ${error}`)
      }
    }
})

t.test('no truncation does', async (t) => {
  for (let length = 0; length < image.length; length++) {
    const error = crash(decode, image.subarray(0, length))
    if (error !== undefined) return t.fail(`${length} bytes: ${error}`)
    t.throws(() => decode(image.subarray(0, length)), { name: 'RangeError' })
  }
})

t.test('no heap of random changes does', async (t) => {
  let state = 1
  const next = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fff_ffff
    return (state >>> 8) % n
  }
  for (let round = 0; round < 5000; round++) {
    const damaged = image.slice()
    for (let k = 1 + next(8); k > 0; k--) damaged[next(image.length)] = next(256)
    const error = crash(listing, damaged)
    if (error !== undefined) return t.fail(`round ${round}: ${error}`)
  }
})

t.test('what is wrong is said', async (t) => {
  const wrong = (offset: number, value: number, message: RegExp): unknown => {
    const damaged = image.slice()
    damaged[offset] = value
    return t.throws(() => decode(damaged), { message })
  }
  wrong(0, 0, /does not start as ELF does/)
  wrong(4, 1, /not 64-bit/)
  wrong(16, 3, /is of type 3/)
  wrong(18, 3, /is for machine 3/)
  wrong(232, 0x90, /has another interpreter, at byte 0/)
  t.throws(() => decode(new Uint8Array()), { message: /has 0 bytes/ })
})

t.test('the listing shows segments, interpreter and records', async (t) => {
  const lines = listing(image)
  t.match(lines, /^x64 executable of \d+ bytes, 3 records; errors go to descriptor 3, kept at 0x4/)
  t.match(lines, / {2}LOAD {3}r-x {2}offset 0x0, /)
  t.match(lines, /step:\n {2}0x4\w+ {2}31ff {14}xor edi, edi\n/)
  t.match(lines, / 0 {2}\[0x4\w+\] = openat\(-100, "a"\) {2}ENOENT → 0, any errno → 1\n/)
  t.match(lines, / 1 {2}read\(\[0x4\w+\], 0x4\w+, 64\)\n/)
  t.match(lines, / 2 {2}execve\("\/bin\/sh", 0x4\w+\) {2}→ 2\n/)
})
