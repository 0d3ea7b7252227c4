/**
 * Messages of rtnetlink(7), packed and unpacked: linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h. Pure.
 *
 *     struct nlmsghdr    u32 length, u16 type, u16 flags, u32 sequence, u32 port
 *     struct ifinfomsg   u8 family, u8 0, u16 type, i32 index, u32 flags, u32 change
 *     struct ifaddrmsg   u8 family, u8 prefix length, u8 flags, u8 scope, u32 index
 *     struct rtattr      u16 length with this header, u16 type, then the value, padded to 4 bytes
 */

export const AF_NETLINK = 16
export const NETLINK_ROUTE = 0
export const SOL_NETLINK = 270
/** Errors come with a sentence of the kernel's; Linux 4.12. */
export const NETLINK_EXT_ACK = 11

export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
/** NLM_F_ROOT | NLM_F_MATCH */
export const NLM_F_DUMP = 0x300
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const RTM_NEWLINK = 16
export const RTM_GETLINK = 18
export const RTM_SETLINK = 19
export const RTM_NEWADDR = 20
export const RTM_GETADDR = 22

export const IFLA_IFNAME = 3
export const IFLA_NET_NS_FD = 28

export const IFA_LABEL = 3
export const IFA_CACHEINFO = 6
export const IFA_FLAGS = 8

export const IFA_F_NODAD = 0x02
export const IFA_F_HOMEADDRESS = 0x10
export const IFA_F_PERMANENT = 0x80
export const IFA_F_MANAGETEMPADDR = 0x100
export const IFA_F_NOPREFIXROUTE = 0x200
export const IFA_F_MCAUTOJOIN = 0x400
export const RT_SCOPE_UNIVERSE = 0

const HEADER = 16
const ATTRIBUTE = 4
/** With the sequence number and nothing else that a reply must be told by. */
const NLMSGERR_ATTR_MSG = 1
const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const padded = (length: number): number => (length + 3) & ~3

/** One attribute; `nested` ones are not looked into. */
export interface Attribute {
  readonly type: number
  readonly value: Uint8Array
}

export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** What follows the header. */
  readonly body: Uint8Array
}

/** A device (struct ifinfomsg with its name). */
export interface Link {
  readonly index: number
  /** IFF_* */
  readonly flags: number
  readonly name: string
}

/** An address of a device (struct ifaddrmsg). */
export interface Address {
  readonly family: number
  readonly prefixLength: number
  readonly scope: number
  readonly index: number
  /** IFA_F_* */
  readonly flags: number
  readonly attributes: readonly Attribute[]
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + padded(part.length), 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += padded(part.length)
  }
  return out
}

export const attribute = (type: number, value: Uint8Array): Uint8Array => {
  const out = new Uint8Array(ATTRIBUTE + value.length)
  view(out).setUint16(0, out.length, true)
  view(out).setUint16(2, type, true)
  out.set(value, ATTRIBUTE)
  return out
}

export const uint32 = (value: number): Uint8Array => {
  const out = new Uint8Array(4)
  view(out).setUint32(0, value, true)
  return out
}

/** With the NUL at its end. */
export const cString = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`)

/** struct ifinfomsg; `change` says which of the flags count. */
export function ifinfomsg({ index = 0, flags = 0, change = 0 }: { index?: number; flags?: number; change?: number }): Uint8Array {
  const out = new Uint8Array(16)
  view(out).setInt32(4, index, true)
  view(out).setUint32(8, flags, true)
  view(out).setUint32(12, change, true)
  return out
}

/** struct ifaddrmsg; its 8 bits of flags are left to IFA_FLAGS. */
export function ifaddrmsg({ family, prefixLength, scope, index }: Omit<Address, 'flags' | 'attributes'>): Uint8Array {
  const out = new Uint8Array(8)
  out.set([family, prefixLength, 0, scope])
  view(out).setUint32(4, index, true)
  return out
}

/** A whole message: the parts are padded and put one after the other. */
export function packMessage(type: number, flags: number, sequence: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(parts)
  const out = new Uint8Array(HEADER + body.length)
  const header = view(out)
  header.setUint32(0, out.length, true)
  header.setUint16(4, type, true)
  header.setUint16(6, flags, true)
  header.setUint32(8, sequence, true)
  out.set(body, HEADER)
  return out
}

/** The messages of one datagram. */
export function unpackMessages(datagram: Uint8Array): Message[] {
  const from = view(datagram)
  const messages: Message[] = []
  for (let at = 0; at + HEADER <= datagram.length; ) {
    const length = from.getUint32(at, true)
    if (length < HEADER || at + length > datagram.length) break
    messages.push({
      type: from.getUint16(at + 4, true),
      flags: from.getUint16(at + 6, true),
      sequence: from.getUint32(at + 8, true),
      body: datagram.subarray(at + HEADER, at + length)
    })
    at += padded(length)
  }
  return messages
}

function unpackAttributes(bytes: Uint8Array): Attribute[] {
  const from = view(bytes)
  const attributes: Attribute[] = []
  for (let at = 0; at + ATTRIBUTE <= bytes.length; ) {
    const length = from.getUint16(at, true)
    if (length < ATTRIBUTE || at + length > bytes.length) break
    attributes.push({ type: from.getUint16(at + 2, true) & 0x3fff, value: bytes.subarray(at + ATTRIBUTE, at + length) })
    at += padded(length)
  }
  return attributes
}

const textOf = (value: Uint8Array | undefined): string => new TextDecoder().decode(value ?? new Uint8Array()).replace(/\0.*$/s, '')

/** The body of RTM_NEWLINK. */
export function unpackLink(body: Uint8Array): Link {
  const from = view(body)
  const name = unpackAttributes(body.subarray(16)).find(({ type }) => type === IFLA_IFNAME)?.value
  return { index: from.getInt32(4, true), flags: from.getUint32(8, true), name: textOf(name) }
}

/** The body of RTM_NEWADDR. */
export function unpackAddress(body: Uint8Array): Address {
  const attributes = unpackAttributes(body.subarray(8))
  const wide = attributes.find(({ type }) => type === IFA_FLAGS)?.value
  return {
    family: body[0]!,
    prefixLength: body[1]!,
    flags: wide === undefined ? body[2]! : view(wide).getUint32(0, true),
    scope: body[3]!,
    index: view(body).getUint32(4, true),
    attributes
  }
}

/** The body of NLMSG_ERROR: 0 or -errno, and what the kernel says beside. */
export function unpackError({ flags, body }: Message): { result: number; says: string } {
  const from = view(body)
  const result = from.getInt32(0, true)
  if ((flags & NLM_F_ACK_TLVS) === 0) return { result, says: '' }
  // The request is repeated, of a capped one only the header.
  const request = flags & NLM_F_CAPPED ? HEADER : padded(from.getUint32(4, true))
  const says = unpackAttributes(body.subarray(4 + request)).find(({ type }) => type === NLMSGERR_ATTR_MSG)?.value
  return { result, says: textOf(says) }
}
