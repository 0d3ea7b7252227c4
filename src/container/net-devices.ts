/** `linux.netDevices`: devices of the host are moved into the container's network namespace (config-linux.md#network-devices). */
import { openSync } from 'node:fs'
import {
  type Address,
  cString,
  IFA_F_HOMEADDRESS,
  IFA_F_MANAGETEMPADDR,
  IFA_F_MCAUTOJOIN,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  IFA_LABEL,
  type Link,
  RT_SCOPE_UNIVERSE
} from '../abi/rtnetlink.ts'
import { IFF_UP } from '../abi/socket.ts'
import type { NetDevice } from '../config/types.ts'
import { deviceFailed, nameIsTaken } from '../errors/wording.network.ts'
import { type OwnedFd, own } from '../linux/fd.ts'
import { addAddress, addressesOf, bringUp, linkByName, links, moveLink, openNetlink, openNetlinkIn } from '../linux/netlink.ts'
import type { Work } from './work.ts'

/** One side of a move. */
interface Side {
  /** The network namespace. */
  readonly namespace: number
  /** A netlink socket in it. */
  readonly socket: number
}

/** What a device has, for the time after it was moved. */
interface Device {
  readonly name: string
  readonly addresses: readonly Address[]
  readonly up: boolean
}

/**
 * Moves all devices, in the order of the configuration. When something fails, now or until the work has ended, they are put back with their
 * names and addresses; routes are lost, as with every move.
 *
 * @param pid init's, which waits
 * @throws TsrunError `system`, with the pointer of the device
 */
export function moveDevices(devices: Readonly<Record<string, NetDevice>>, pid: number, work: Work): void {
  let sides: readonly [host: Side, inside: Side] | undefined
  for (const [name, { name: wanted }] of Object.entries(devices)) {
    try {
      sides ??= bothSides(pid, work)
      moveDevice(name, wanted || name, ...sides, work)
    } catch (cause) {
      throw deviceFailed(name, cause)
    }
  }
}

/** Held until the end of the work: with the last process of a new namespace virtual devices would be destroyed. */
function bothSides(pid: number, work: Work): readonly [host: Side, inside: Side] {
  const open = (path: string): OwnedFd => work.use(own(openSync(path, 'r')))
  const container = open(`/proc/${pid}/ns/net`).fd
  const home = open('/proc/self/ns/net').fd
  return [
    { namespace: home, socket: work.use(openNetlink()).fd },
    { namespace: container, socket: work.use(openNetlinkIn(container, home)).fd }
  ]
}

function moveDevice(name: string, wanted: string, host: Side, inside: Side, work: Work): void {
  const link = linkByName(host.socket, name)
  const device = { name, addresses: keptAddresses(addressesOf(host.socket, link.index)), up: (link.flags & IFF_UP) !== 0 }
  const target = freeName(wanted, links(inside.socket))
  work.undo.add(`put the network device ${JSON.stringify(name)} back`, () => putBack(device, [target, name], host, inside))
  moveLink(host.socket, link.index, inside.namespace, target)
  settle(inside, { ...device, name: target, up: true }, name)
}

/** The kernel gives a moved device nothing but its name; `oldName` may be in the labels of its addresses. */
function settle({ socket }: Side, { name, addresses, up }: Device, oldName: string): void {
  const { index } = linkByName(socket, name)
  for (const address of addresses) addAddress(socket, { ...relabelled(address, oldName, name), index })
  if (up) bringUp(socket, index)
}

/** Under whatever name it is in the container; it may not have been moved at all. */
function putBack(device: Device, names: readonly string[], host: Side, inside: Side): void {
  const link = links(inside.socket).find(({ name }) => names.includes(name))
  if (link === undefined) return
  moveLink(inside.socket, link.index, host.namespace, device.name)
  settle(host, device, device.name)
}

const KEPT_FLAGS = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN

/** Permanent ones of global scope, as the spec says: others come and go by themselves. */
export const keptAddresses = (addresses: readonly Address[]): Address[] =>
  addresses
    .filter(({ flags, scope }) => (flags & IFA_F_PERMANENT) !== 0 && scope === RT_SCOPE_UNIVERSE)
    .map((address) => ({ ...address, flags: address.flags & KEPT_FLAGS }))

/** An IPv4 address bears the name of its device, perhaps with `:` and more behind it (ip-address(8)). */
export function relabelled(address: Address, from: string, to: string): Address {
  const attributes = address.attributes.map((one) => {
    if (one.type !== IFA_LABEL) return one
    const label = new TextDecoder().decode(one.value).replace(/\0.*$/s, '')
    const tail = label.startsWith(`${from}:`) ? label.slice(from.length) : ''
    const fits = to.length + tail.length <= 15
    return { type: IFA_LABEL, value: cString(fits ? to + tail : to) }
  })
  return { ...address, attributes }
}

/** `%d` stands for the lowest number that is free, as in the kernel, which would not tell which one it has taken. */
export function freeName(wanted: string, present: readonly Pick<Link, 'name'>[]): string {
  const taken = new Set(present.map(({ name }) => name))
  if (!wanted.includes('%d')) {
    if (taken.has(wanted)) throw nameIsTaken(wanted)
    return wanted
  }
  for (let n = 0; ; n++) {
    const name = wanted.replace('%d', String(n))
    if (!taken.has(name)) return name
  }
}
