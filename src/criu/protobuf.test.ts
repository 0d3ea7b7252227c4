import t from 'tap'
import { decodeMessage, encodeMessage, type Schema } from './protobuf.ts'

const inner = { name: { number: 1, kind: 'string' } } as const satisfies Schema
const schema = {
  small: { number: 1, kind: 'int' },
  flag: { number: 3, kind: 'bool' },
  text: { number: 10, kind: 'string' },
  list: { number: 37, kind: 'string', repeated: true },
  inner: { number: 25, kind: inner },
  inners: { number: 27, kind: inner, repeated: true }
} as const satisfies Schema

t.test('the bytes that protoc makes', async (t) => {
  // printf 'small: 150' | protoc --encode=M m.proto: the example of the specification.
  t.same([...encodeMessage(schema, { small: 150 })], [0x08, 0x96, 0x01])
  t.same([...encodeMessage(schema, { small: -1 })], [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])
  t.same([...encodeMessage(schema, { flag: true, text: 'testing' })], [0x18, 1, 0x52, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67])
  t.same([...encodeMessage(schema, { inner: { name: 'a' } })], [0xca, 0x01, 3, 0x0a, 1, 0x61])
  t.same([...encodeMessage(schema, { list: ['a', 'b'] })], [0xaa, 0x02, 1, 0x61, 0xaa, 0x02, 1, 0x62])
  t.same([...encodeMessage(schema, {})], [])
})

t.test('what is encoded is decoded again', async (t) => {
  const message = { small: -7, flag: false, text: 'ä', list: ['x', ''], inner: { name: 'n' }, inners: [{}, { name: 'm' }] }
  t.same(decodeMessage(schema, encodeMessage(schema, message)), message)
})

t.test('unknown fields are passed over', async (t) => {
  const others = [0x7d, 1, 2, 3, 4, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x70, 5, 0x72, 1, 9]
  t.same(decodeMessage(schema, Uint8Array.from([...others, 0x08, 1])), { small: 1 })
})

t.test('bytes that are no message are refused', async (t) => {
  for (const bytes of [[0x08], [0x52, 5, 1], [0x0b], [0x0a, 1, 1], [0x50, 1], [0x08, ...new Array(11).fill(0x80)]]) {
    t.throws(() => decodeMessage(schema, Uint8Array.from(bytes)), RangeError)
  }
})
