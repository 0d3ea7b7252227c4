import t from 'tap'
import { decodeReply, encodeRequest, REPLY_SIZE, REQUEST_SIZE, ReplyField, Request, RequestField, SHORT_REPLY_SIZE } from './hands.ts'

t.test('a request has its words, times and texts where the program looks for them', async (t) => {
  const request = encodeRequest('symlink', {
    a: 5,
    b: 0xffff_fffe,
    g: 7,
    time: { seconds: -1n, nanoseconds: 999 },
    name: new Uint8Array([0xff, 0x2e]),
    target: new Uint8Array(4095).fill(0x61)
  })
  const view = new DataView(request.buffer)
  t.equal(view.getUint32(RequestField.what, true), Request.symlink)
  t.same(
    [view.getInt32(RequestField.a, true), view.getUint32(RequestField.b, true), view.getInt32(RequestField.g, true)],
    [5, 0xffff_fffe, 7]
  )
  for (const at of [RequestField.times, RequestField.times + 16]) {
    t.equal(view.getBigInt64(at, true), -1n)
    t.equal(view.getBigInt64(at + 8, true), 999n)
  }
  t.same([...request.subarray(RequestField.name, RequestField.name + 3)], [0xff, 0x2e, 0])
  t.equal(request.length, REQUEST_SIZE)
  t.equal(request.at(-1), 0)
})

t.test('no number is the usual answer to a notice, and none is there twice', async (t) => {
  const numbers = Object.values(Request)
  t.equal(new Set(numbers).size, numbers.length)
  t.ok(numbers.every((number) => number > 1 && number < 256))
})

t.test('a text that has no room, or would end early, is a bug', async (t) => {
  t.throws(() => encodeRequest('look', { name: new Uint8Array(256).fill(0x61) }), RangeError)
  t.throws(() => encodeRequest('look', { name: new Uint8Array([0x61, 0, 0x62]) }), RangeError)
  t.throws(() => encodeRequest('symlink', { target: new Uint8Array(4096).fill(0x61) }), RangeError)
})

t.test('replies are told from failures by their size', async (t) => {
  for (const size of [REPLY_SIZE, SHORT_REPLY_SIZE]) {
    const message = new Uint8Array(size)
    new DataView(message.buffer).setInt32(ReplyField.copied, 12, true)
    message[ReplyField.data] = 1
    t.match(decodeReply(message), { result: 0, copied: 12, data: new Uint8Array(size - ReplyField.data).fill(1, 0, 1) })
  }
  t.equal(decodeReply(new Uint8Array(8)), undefined)
})
