/** Network devices and their addresses by rtnetlink(7). A socket speaks about the network namespace in which it was made, for ever. */
import {
  type Address,
  AF_NETLINK,
  type Attribute,
  attribute,
  cString,
  IFA_CACHEINFO,
  IFA_FLAGS,
  IFLA_IFNAME,
  IFLA_NET_NS_FD,
  ifaddrmsg,
  ifinfomsg,
  type Link,
  type Message,
  NETLINK_EXT_ACK,
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  packMessage,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_SETLINK,
  SOL_NETLINK,
  uint32,
  unpackAddress,
  unpackError,
  unpackLink,
  unpackMessages
} from '../abi/rtnetlink.ts'
import { CLONE_NEWNET } from '../abi/sched.ts'
import { IFF_UP, SOCK_CLOEXEC, SOCK_RAW } from '../abi/socket.ts'
import { type OwnedFd, own } from './fd.ts'
import { check, syscall, systemError } from './ffi.ts'
import { joinNamespace } from './namespace.ts'
import { readMessage } from './socket.ts'

/** A netlink socket of the network namespace that the calling thread is in; CLOEXEC. The caller owns it. */
export function openNetlink(): OwnedFd {
  const socket = own(check(syscall('socket', AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), 'open a netlink socket'))
  // Only for messages: a kernel that does not know it says less.
  syscall('setsockopt', socket.fd, SOL_NETLINK, NETLINK_EXT_ACK, uint32(1), 4)
  return socket
}

/**
 * A netlink socket of network namespace `fd`. The calling thread is in that namespace for the moment of one system call, and nothing else runs on it then.
 * @param home the thread's own network namespace
 * @throws TsrunError `system`, EPERM without CAP_SYS_ADMIN over the namespace
 */
export function openNetlinkIn(fd: number, home: number): OwnedFd {
  joinNamespace(fd, CLONE_NEWNET)
  try {
    return openNetlink()
  } finally {
    joinNamespace(home, CLONE_NEWNET)
  }
}

let sequence = 0
/** More than any datagram of rtnetlink: dumps come in pages of at most 32 KB. */
const DATAGRAM_MAX = 65_536

/** Sends one request, and returns what comes before its end. */
function request(socket: number, type: number, flags: number, parts: readonly Uint8Array[], action: string): Message[] {
  const number = ++sequence
  const message = packMessage(type, flags | NLM_F_REQUEST, number, parts)
  check(syscall('sendto', socket, message, message.length, 0, null, 0), action)
  const answers: Message[] = []
  for (;;) {
    const datagram = readMessage(socket, DATAGRAM_MAX)
    for (const answer of unpackMessages(datagram)) {
      if (answer.sequence !== number) continue
      if (answer.type === NLMSG_DONE) return answers
      if (answer.type !== NLMSG_ERROR) answers.push(answer)
      else return ended(answer, answers, action)
    }
  }
}

function ended(answer: Message, answers: Message[], action: string): Message[] {
  const { result, says } = unpackError(answer)
  if (result < 0) throw systemError(-result, action, says || undefined)
  return answers
}

/** The device of this name; throws TsrunError `system`, ENODEV when there is none. */
export function linkByName(socket: number, name: string): Link {
  const parts = [ifinfomsg({}), attribute(IFLA_IFNAME, cString(name))]
  const [answer] = request(socket, RTM_GETLINK, NLM_F_ACK, parts, `find the network device ${JSON.stringify(name)}`)
  return unpackLink(answer!.body)
}

/** All devices of the socket's namespace. */
export const links = (socket: number): Link[] =>
  request(socket, RTM_GETLINK, NLM_F_DUMP, [ifinfomsg({})], 'list the network devices')
    .filter(({ type }) => type === RTM_NEWLINK)
    .map(({ body }) => unpackLink(body))

/** All addresses of device `index`. */
export const addressesOf = (socket: number, index: number): Address[] =>
  request(socket, RTM_GETADDR, NLM_F_DUMP, [ifaddrmsg({ family: 0, prefixLength: 0, scope: 0, index: 0 })], 'list the network addresses')
    .filter(({ type }) => type === RTM_NEWADDR)
    .map(({ body }) => unpackAddress(body))
    .filter((address) => address.index === index)

/** Moves device `index` into network namespace `namespace` under the name `name`; it is down there, and has no addresses. */
export function moveLink(socket: number, index: number, namespace: number, name: string): void {
  const parts = [ifinfomsg({ index }), attribute(IFLA_NET_NS_FD, uint32(namespace)), attribute(IFLA_IFNAME, cString(name))]
  request(socket, RTM_SETLINK, NLM_F_ACK, parts, `move the network device to ${JSON.stringify(name)}`)
}

/** Brings device `index` up. */
export function bringUp(socket: number, index: number): void {
  request(socket, RTM_SETLINK, NLM_F_ACK, [ifinfomsg({ index, flags: IFF_UP, change: IFF_UP })], 'bring the network device up')
}

/** Adds an address. Its attributes are given on as they were read; the kernel keeps times of its own. */
export function addAddress(socket: number, address: Address): void {
  const kept = address.attributes.filter(({ type }: Attribute) => type !== IFA_CACHEINFO && type !== IFA_FLAGS)
  const parts = [ifaddrmsg(address), ...kept.map(({ type, value }) => attribute(type, value)), attribute(IFA_FLAGS, uint32(address.flags))]
  request(socket, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, parts, 'add an address of the network device')
}
