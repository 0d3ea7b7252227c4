/** /dev: the devices that every container has, those of `linux.devices`, and the symlinks of runtime-linux.md. */
import { errnoNumber } from '../../abi/errno.ts'
import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC, O_NOFOLLOW, O_PATH, S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFREG } from '../../abi/fcntl.ts'
import { MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE } from '../../abi/mount.ts'
import type { Device } from '../../config/types.ts'
import { type Input, isBind, isOwn, type Pass, slots } from '../input.ts'
import { components, directoryOf } from '../paths.ts'
import { bytes, type Slot, type Step, slot, text } from '../step.ts'
import { close, openInRoot, STX_MODE, STX_RDEV, statxBuffer, statxFd } from './files.ts'
import { isFresh } from './fresh.ts'

interface Node {
  readonly name: string
  readonly type: Device['type']
  readonly major: number
  readonly minor: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly pointer: string
}

const DEFAULTS: readonly (readonly [string, number, number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0]
]

const SYMLINKS: readonly (readonly [string, string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2']
]

const place = slot('device')
const host = slot('host device')
const parent = slot('device directory')

/** A /dev that is bound from the host is left as it is. */
export const ownsDev = (input: Input): boolean => !input.mounts.some((entry) => isBind(entry) && entry.path.join('/') === 'dev')

/** All nodes below /dev are made through this descriptor: a symlink named dev leads to a place in the container at most (CVE-2026-41579). */
export const openDev: Pass = (input) =>
  openInRoot(input, { path: '/dev', into: slots.dev, make: 'directory', pointer: '', says: 'open "/dev"' })

export const defaultDevices: Pass = (input) => {
  if (!ownsDev(input)) return []
  const own = new Set((input.config.linux?.devices ?? []).map((device) => components(device.path).join('/')))
  const wanted = DEFAULTS.filter(([name]) => !own.has(`dev/${name}`))
  return wanted.flatMap(([name, major, minor]) =>
    makeNode(input, slots.dev, { name, type: 'c', major, minor, mode: 0o666, uid: 0, gid: 0, pointer: '' }, `/dev/${name}`)
  )
}

export const configuredDevices: Pass = (input) =>
  (input.config.linux?.devices ?? []).flatMap((device, i) => configuredDevice(input, device, `/linux/devices/${i}`))

function configuredDevice(input: Input, device: Device, pointer: string): Step[] {
  const names = components(device.path)
  const node = nodeOf(device, names.at(-1) ?? '', pointer)
  if (names.length === 2 && names[0] === 'dev') return makeNode(input, slots.dev, node, device.path)
  const directory = directoryOf(device.path)
  return [
    ...openInRoot(input, {
      path: directory,
      into: parent,
      ...(directory === '/' ? {} : { make: 'directory' as const }),
      pointer,
      says: `open ${JSON.stringify(directory)}`
    }),
    ...makeNode(input, parent, node, device.path),
    close(parent, pointer)
  ]
}

const nodeOf = (device: Device, name: string, pointer: string): Node => ({
  name,
  type: device.type,
  major: device.major ?? 0,
  minor: device.minor ?? 0,
  // Some engines leave the type in it.
  mode: (device.fileMode ?? 0o666) & 0o7777,
  uid: device.uid ?? 0,
  gid: device.gid ?? 0,
  pointer
})

/** mknod(2) is forbidden in a user namespace; the host's node is bound instead. A fifo can always be made. */
const bindsDevices = (input: Input): boolean => isOwn(input, 'user') || input.facts.inUserNamespace

function makeNode(input: Input, directory: Slot, node: Node, path: string): Step[] {
  return bindsDevices(input) && node.type !== 'p' ? bindNode(input, directory, node, path) : realNode(input, directory, node, path)
}

// ---------------------------------------------------------------- mknod

const FORMAT = { c: S_IFCHR, u: S_IFCHR, b: S_IFBLK, p: S_IFIFO } as const

/** The kernel's encoding of a device number (linux/kdev_t.h, new_encode_dev). */
export const encodeDevice = (major: number, minor: number): number => (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12) | 0

function realNode(input: Input, directory: Slot, node: Node, path: string): Step[] {
  const { pointer } = node
  const format = FORMAT[node.type]
  const device = node.type === 'p' ? 0 : encodeDevice(node.major, node.minor)
  const isRoots = node.uid === 0 && node.gid === 0
  const check = isRoots && isFresh(input, path) ? [] : checkNode(input, directory, node, path)
  return [
    {
      call: 'mknodat',
      args: [directory, text(node.name), format | node.mode, device],
      ...(check.length === 0 ? {} : { on: { EEXIST: 'next' } }),
      ...(check.length > 0 && isRoots ? { then: { skip: check.length } } : {}),
      pointer,
      says: `make the device "${path}"`
    },
    ...check
  ]
}

const found = statxBuffer()
const STATX_RDEV_LENGTH = 8

/** What is there already must be that very device (config-linux.md#devices). It gets its owner through the descriptor that was looked at (CVE-2026-88265). */
function checkNode(input: Input, directory: Slot, node: Node, path: string): Step[] {
  const { pointer } = node
  return [
    openNode(input, directory, node, path),
    ...isThatDevice(place, node, `use "${path}", which is there and is another device`),
    ...owner(node, path),
    close(place, pointer)
  ]
}

/** Type and number of what is open are those of the node. */
function isThatDevice(fd: Slot, node: Node, says: string): Step[] {
  const { pointer } = node
  const type = new Uint8Array(2)
  new DataView(type.buffer).setUint16(0, FORMAT[node.type], true)
  const mask = new Uint8Array(2)
  new DataView(mask.buffer).setUint16(0, S_IFMT, true)
  const number = new Uint8Array(STATX_RDEV_LENGTH)
  new DataView(number.buffer).setUint32(0, node.major, true)
  new DataView(number.buffer).setUint32(4, node.minor, true)
  const inside = (offset: number) => ({ kind: 'inside', of: found, offset }) as const
  const isNumber: Step = {
    call: 'compare',
    args: [inside(STX_RDEV), bytes(`${node.major}:${node.minor}`, number), 0, 8, EEXIST],
    pointer,
    says
  }
  return [
    statxFd(fd, found, pointer, says),
    { call: 'compare', args: [inside(STX_MODE), bytes('S_IFMT', type), bytes('mask', mask), 2, EEXIST], pointer, says },
    ...(node.type === 'p' ? [] : [isNumber])
  ]
}

const owner = ({ uid, gid, pointer }: Node, path: string): Step[] =>
  uid === 0 && gid === 0
    ? []
    : [{ call: 'fchownat', args: [place, text(''), uid, gid, AT_EMPTY_PATH], pointer, says: `set the owner of "${path}"` }]

const EEXIST = errnoNumber('EEXIST')

const openNode = (input: Input, directory: Slot, node: Node, path: string): Step => ({
  call: 'openat',
  args: [directory, text(node.name), O_PATH | O_CLOEXEC | O_NOFOLLOW[input.facts.arch], 0],
  save: place,
  pointer: node.pointer,
  says: `open "${path}"`
})

// ---------------------------------------------------------------- bind

function bindNode(input: Input, directory: Slot, node: Node, path: string): Step[] {
  const { pointer } = node
  const says = `bind the host's "${path}"`
  return [
    {
      call: 'mknodat',
      args: [directory, text(node.name), S_IFREG | 0o644, 0],
      on: { EEXIST: 'next' },
      pointer,
      says: `make the file "${path}"`
    },
    openNode(input, directory, node, path),
    {
      call: 'open_tree',
      args: [AT_FDCWD, text(path), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC],
      save: host,
      pointer,
      says: `open the host's "${path}"`
    },
    ...isThatDevice(host, node, `use the host's "${path}", which is another device`),
    { call: 'move_mount', args: [host, text(''), place, text(''), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH], pointer, says },
    close(host, pointer),
    close(place, pointer)
  ]
}

// ---------------------------------------------------------------- symlinks

const link = (to: string, name: string): Step => ({
  call: 'symlinkat',
  args: [text(to), slots.dev, text(name)],
  on: { EEXIST: 'next' },
  pointer: '',
  says: `link "/dev/${name}" to "${to}"`
})

const kcore = slot('kcore')

/** runtime-linux.md#dev-symbolic-links, and /dev/core as runc has it. */
export const deviceLinks: Pass = (input) => {
  if (!ownsDev(input)) return []
  return [
    ...SYMLINKS.map(([name, to]) => link(to, name)),
    ...openInRoot(input, { path: '/proc/kcore', into: kcore, missing: 2, pointer: '', says: 'look for "/proc/kcore"' }),
    close(kcore),
    link('/proc/kcore', 'core')
  ]
}

/** The container's own ptmx, of its devpts; whatever the image has there is replaced. */
export const ptmx: Pass = (input) => {
  if (!ownsDev(input)) return []
  const made = link('pts/ptmx', 'ptmx')
  if (isFresh(input, '/dev/ptmx')) return [made]
  return [{ call: 'unlinkat', args: [slots.dev, text('ptmx'), 0], on: { ENOENT: 'next' }, pointer: '', says: 'remove "/dev/ptmx"' }, made]
}
