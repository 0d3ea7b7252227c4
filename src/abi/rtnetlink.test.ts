import t from 'tap'
import {
  attribute,
  cString,
  IFA_FLAGS,
  IFA_LABEL,
  IFLA_IFNAME,
  ifaddrmsg,
  ifinfomsg,
  packMessage,
  uint32,
  unpackAddress,
  unpackError,
  unpackLink,
  unpackMessages
} from './rtnetlink.ts'

t.test('a message as libnetlink makes it', async (t) => {
  // ip link set dev eth0 up, by index 2.
  const message = packMessage(19, 5, 7, [ifinfomsg({ index: 2, flags: 1, change: 1 })])
  t.equal(Buffer.from(message).toString('hex'), '200000001300050007000000000000000000000002000000' + '0100000001000000')
  t.equal(Buffer.from(attribute(3, cString('lo'))).toString('hex'), '070003006c6f00')
})

t.test('several messages in a datagram', async (t) => {
  const one = packMessage(16, 2, 1, [ifinfomsg({ index: 1 }), attribute(IFLA_IFNAME, cString('lo')), attribute(99, new Uint8Array(5))])
  const two = packMessage(16, 2, 1, [
    ifinfomsg({ index: 2, flags: 0x1003 }),
    attribute(99, new Uint8Array(1)),
    attribute(IFLA_IFNAME, cString('eth0'))
  ])
  const messages = unpackMessages(Buffer.concat([one, two]))
  t.same(
    messages.map(({ body }) => unpackLink(body)),
    [
      { index: 1, flags: 0, name: 'lo' },
      { index: 2, flags: 0x1003, name: 'eth0' }
    ]
  )
  t.same(unpackMessages(one.subarray(0, 20)), [], 'half a message is none')
  t.same(unpackMessages(new Uint8Array(16)), [], 'a length of 0 does not go on for ever')
})

t.test('addresses', async (t) => {
  const header = ifaddrmsg({ family: 2, prefixLength: 24, scope: 0, index: 3 })
  const wide = packMessage(20, 0, 1, [header, attribute(IFA_LABEL, cString('eth0:1')), attribute(IFA_FLAGS, uint32(0x280))])
  const { attributes, ...rest } = unpackAddress(unpackMessages(wide)[0]!.body)
  t.same(rest, { family: 2, prefixLength: 24, scope: 0, index: 3, flags: 0x280 })
  t.same(
    attributes.map(({ type }) => type),
    [IFA_LABEL, IFA_FLAGS]
  )
})

t.test('errors, with the sentence of the kernel', async (t) => {
  const request = packMessage(19, 5, 7, [ifinfomsg({ index: 2 })])
  const error = (flags: number, ...parts: readonly Uint8Array[]) => {
    const body = Buffer.concat([new Uint8Array(new Int32Array([-17]).buffer), ...parts])
    return unpackError({ type: 2, flags, sequence: 7, body })
  }
  const says = attribute(1, cString('no such thing'))
  t.same(error(0, request), { result: -17, says: '' })
  t.same(error(0x200, request, says), { result: -17, says: 'no such thing' })
  t.same(error(0x300, request.subarray(0, 16), says), { result: -17, says: 'no such thing' })
})
