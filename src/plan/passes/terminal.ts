/** The container's terminal: a pseudo-terminal of its own devpts, whose master goes to whoever asked for it. */
import { errnoNumber } from '../../abi/errno.ts'
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_RDWR,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  S_IFREG
} from '../../abi/fcntl.ts'
import {
  DEVPTS_SUPER_MAGIC,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE
} from '../../abi/mount.ts'
import { TIOCGPTPEER, TIOCSCTTY, TIOCSPTLCK, TIOCSWINSZ } from '../../abi/socket.ts'
import { fdNumber, isOwn, type Pass, type ProcessInput, type ProcessPass, slots } from '../input.ts'
import { bytes, type Step, slot, text } from '../step.ts'
import { buffer, int32, messageWithFd, openHow, winsize } from '../structs.ts'
import { ownsDev } from './devices.ts'
import { close } from './files.ts'

const pointer = '/process/terminal'
const PTMX = '/dev/pts/ptmx'

/** A terminal of the container, whose master somebody waits for. */
export const wantsTerminal = (input: ProcessInput): boolean => input.config.process?.terminal === true && input.options.consoleSocket

const fileSystem = buffer(120, '{statfs}')

/** f_type of struct statfs: the first long. */
const devptsMagic = (() => {
  const magic = new Uint8Array(8)
  new DataView(magic.buffer).setBigUint64(0, BigInt(DEVPTS_SUPER_MAGIC), true)
  return bytes('DEVPTS_SUPER_MAGIC', magic)
})()

const EINVAL = errnoNumber('EINVAL')

/** The master is checked to be devpts', and the slave comes from the master and not from a path that the image could have replaced (CVE-2025-52565). */
export const openTerminal: ProcessPass = (input) => {
  if (!wantsTerminal(input)) return []
  const how = openHow(
    O_RDWR | O_NOCTTY | O_CLOEXEC,
    0,
    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    '{flags=O_RDWR|O_NOCTTY|O_CLOEXEC, resolve=RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS}'
  )
  return [
    {
      call: 'openat2',
      args: [slots.root, text(PTMX), how, 24],
      save: slots.master,
      on: { EAGAIN: 'retry' },
      pointer,
      says: `open "${PTMX}"`
    },
    { call: 'fstatfs', args: [slots.master, fileSystem], pointer, says: `look at "${PTMX}"` },
    { call: 'compare', args: [fileSystem, devptsMagic, 0, 8, EINVAL], pointer, says: `use "${PTMX}", which is not of devpts` },
    { call: 'ioctl', args: [slots.master, TIOCSPTLCK, int32(0)], pointer, says: 'unlock the terminal' },
    {
      call: 'ioctl',
      args: [slots.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC],
      save: slots.terminal,
      pointer,
      says: 'open the terminal'
    },
    ...windowSize(input),
    ...owner(input)
  ]
}

function windowSize({ config }: ProcessInput): Step[] {
  const size = config.process?.consoleSize
  if (!size || size.height === 0 || size.width === 0) return []
  return [
    {
      call: 'ioctl',
      args: [slots.terminal, TIOCSWINSZ, winsize(size.height, size.width)],
      pointer: '/process/consoleSize',
      says: 'set the size of the terminal'
    }
  ]
}

/** The group stays devpts' own (gid=5). */
function owner({ config }: ProcessInput): Step[] {
  const uid = config.process?.user?.uid ?? 0
  if (uid === 0) return []
  return [
    {
      call: 'fchown',
      args: [slots.terminal, uid, -1],
      on: { EPERM: 'next', EINVAL: 'next' },
      pointer,
      says: 'give the terminal to the user'
    }
  ]
}

const place = slot('console')
const tree = slot('console mount')

/** The terminal's own inode on /dev/console, by descriptor; the mount point is made, and never followed if it is a symlink (CVE-2026-88264). */
export const mountConsole: Pass = (input) => {
  if (!wantsTerminal(input) || !ownsDev(input) || !isOwn(input, 'mount')) return []
  const says = 'mount the terminal on "/dev/console"'
  return [
    {
      call: 'mknodat',
      args: [slots.dev, text('console'), S_IFREG | 0o600, 0],
      on: { EEXIST: 'next' },
      pointer,
      says: 'make "/dev/console"'
    },
    {
      call: 'openat',
      args: [slots.dev, text('console'), O_PATH | O_CLOEXEC | O_NOFOLLOW[input.facts.arch], 0],
      save: place,
      pointer,
      says: 'open "/dev/console"'
    },
    { call: 'open_tree', args: [slots.terminal, text(''), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH], save: tree, pointer, says },
    { call: 'move_mount', args: [tree, text(''), place, text(''), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH], pointer, says },
    close(tree, pointer),
    close(place, pointer)
  ]
}

/** One message with one descriptor, as conmon and containerd's shim expect it. */
export const sendMaster: ProcessPass = (input) => {
  if (!wantsTerminal(input)) return []
  return [
    {
      call: 'sendmsg',
      args: [fdNumber(input, 'console'), messageWithFd('/dev/ptmx', slots.master), 0],
      pointer,
      says: 'send the terminal to the console socket'
    },
    close(slots.master, pointer)
  ]
}

/** The terminal becomes the controlling one of the session, and standard input, output and error. */
export const useTerminal: ProcessPass = (input) => {
  if (!wantsTerminal(input)) return []
  return [
    { call: 'ioctl', args: [slots.terminal, TIOCSCTTY, 0], pointer, says: 'make the terminal the controlling one' },
    ...[0, 1, 2].map((fd): Step => ({ call: 'dup3', args: [slots.terminal, fd, 0], pointer, says: `make the terminal descriptor ${fd}` })),
    close(slots.terminal, pointer)
  ]
}
