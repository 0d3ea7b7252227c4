/** The format of a template: read as it was written, or not at all. */
import t from 'tap'
import { checksum } from '../cache/fingerprint.ts'
import { HEADER_SIZE, packTemplate, type Template, unpackTemplate } from './entry.ts'

const identity = Uint32Array.from({ length: 14 }, (_, i) => i + 1)
const template: Template = {
  key: 'x64 socket 64\n{"a":"ä\0' + '0\0"}',
  facts: '{"b":"\0' + '1\0"}\u20ac\u0081',
  image: Uint8Array.from({ length: 70 }, (_, i) => 255 - i),
  fds: [{ name: 'sync', fd: 3 }],
  lastClone: 7,
  afterReady: '{"1":{"says":"\0' + '0\0"}}',
  places: [{ at: 5, name: 0 }]
}
const packed = packTemplate(template, identity, checksum)
const unpack = (bytes: Uint8Array, key = template.key, by = identity): Template | undefined => unpackTemplate(bytes, key, by, checksum)

t.test('what is written is read', async (t) => {
  t.strictSame(unpack(packed), template)
  const bare: Template = { ...template, facts: '', image: new Uint8Array(0), fds: [], afterReady: '', places: [] }
  t.strictSame(unpack(packTemplate(bare, identity, checksum)), bare)
})

t.test('of another key, or another executable', async (t) => {
  t.equal(unpack(packed, `${template.key} `), undefined)
  t.equal(unpack(packed, ''), undefined)
  for (let i = 0; i < identity.length; i++) t.equal(unpack(packed, template.key, identity.with(i, 0)), undefined, `word ${i}`)
})

t.test('cut off anywhere, or with more behind it', async (t) => {
  for (let length = 0; length < packed.length; length++)
    if (unpack(packed.slice(0, length)) !== undefined) t.fail(`${length} bytes of ${packed.length}`)
  t.equal(unpack(new Uint8Array([...packed, 0])), undefined)
})

t.test('with any byte changed', async (t) => {
  for (let i = 0; i < packed.length; i++)
    for (const bits of [1, 0x80, 0xff]) if (unpack(packed.with(i, packed[i]! ^ bits)) !== undefined) t.fail(`byte ${i} changed by ${bits}`)
})

t.test('with lengths that lead elsewhere, and the right sum', async (t) => {
  for (const field of [16, 20, 24, 28])
    for (const value of [0, 1, 0xffff_ffff, 0x8000_0000]) {
      const bytes = packed.slice()
      const words = new DataView(bytes.buffer)
      words.setUint32(field, value, true)
      words.setUint32(12, checksum(bytes.subarray(16)), true)
      t.equal(unpack(bytes), undefined, `${field}: ${value}`)
    }
  t.equal(HEADER_SIZE % 4, 0, 'the identity is aligned')
})
