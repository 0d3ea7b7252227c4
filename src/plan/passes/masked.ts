/** `linux.maskedPaths` and `linux.readonlyPaths`. A path that is not there needs neither. */

import { errnoNumber } from '../../abi/errno.ts'
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, F_DUPFD_CLOEXEC, O_CLOEXEC, O_NOFOLLOW, O_PATH, S_IFCHR, S_IFMT } from '../../abi/fcntl.ts'
import * as M from '../../abi/mount.ts'
import { mountLabelOption } from '../../config/annotations.ts'
import { type Input, type Pass, slots } from '../input.ts'
import { components } from '../paths.ts'
import { bytes, type Slot, type Step, slot, text } from '../step.ts'
import { mountAttr } from '../structs.ts'
import { close, openInRoot, STX_MODE, STX_RDEV, statxBuffer, statxFd } from './files.ts'
import { detachedFileSystem } from './filesystem.ts'
import { place } from './held.ts'

const target = slot('target')
const tree = slot('mount')
const nothing = slot('null device')
const empty = slot('empty directory')

const onto = (path: string, pointer: string, says: string): Step[] => [
  {
    call: 'move_mount',
    args: [tree, text(''), target, text(''), M.MOVE_MOUNT_F_EMPTY_PATH | M.MOVE_MOUNT_T_EMPTY_PATH],
    pointer,
    says: `${says} "${path}"`
  },
  close(tree, pointer),
  close(target, pointer)
]

const cloneOf = (source: Slot, recursive: number, pointer: string, says: string): Step => ({
  call: 'open_tree',
  args: [source, text(''), M.OPEN_TREE_CLONE | M.OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive],
  save: tree,
  pointer,
  says
})

const readOnly = mountAttr(M.MOUNT_ATTR_RDONLY, 0, 0, '{attr_set=MOUNT_ATTR_RDONLY}')

export const readonlyPaths: Pass = (input) =>
  (input.config.linux?.readonlyPaths ?? []).flatMap((path, i) => readonlyPath(input, path, `/linux/readonlyPaths/${i}`))

function readonlyPath(input: Input, path: string, pointer: string): Step[] {
  const says = 'make read-only the path'
  // What is mounted below has its own options, as with root.readonly, and in runc and crun. A mount on the root would not be what the container enters.
  if (components(path).length === 0) {
    return [{ call: 'mount_setattr', args: [slots.root, text(''), AT_EMPTY_PATH, readOnly, 32], pointer, says: `${says} "/"` }]
  }
  const steps: Step[] = [
    cloneOf(target, AT_RECURSIVE, pointer, `${says} "${path}"`),
    { call: 'mount_setattr', args: [tree, text(''), AT_EMPTY_PATH, readOnly, 32], pointer, says: `${says} "${path}"` },
    ...onto(path, pointer, says)
  ]
  return [...openInRoot(input, { ...place(input, path), into: target, missing: steps.length, pointer, says: `open "${path}"` }), ...steps]
}

/** One read-only, empty tmpfs covers every masked directory; one null device every masked file. */
export const maskedPaths: Pass = (input) => {
  const paths = input.config.linux?.maskedPaths ?? []
  if (paths.length === 0) return []
  return [
    ...openNothing(input),
    ...openEmpty(input),
    ...paths.flatMap((path, i) => maskedPath(input, path, `/linux/maskedPaths/${i}`)),
    close(nothing),
    close(empty)
  ]
}

const pointer = '/linux/maskedPaths'
const stat = statxBuffer()
const EINVAL = errnoNumber('EINVAL')

/** The host's, opened before the root changes and checked to be the real one (CVE-2025-31133). */
function openNothing({ facts }: Input): Step[] {
  const says = 'use the host\'s "/dev/null", which is not the null device'
  const u16 = (n: number): Uint8Array => new Uint8Array([n & 0xff, n >> 8])
  const inside = (offset: number) => ({ kind: 'inside', of: stat, offset }) as const
  return [
    {
      call: 'openat',
      args: [AT_FDCWD, text('/dev/null'), O_PATH | O_CLOEXEC | O_NOFOLLOW[facts.arch], 0],
      save: nothing,
      pointer,
      says: 'open the host\'s "/dev/null"'
    },
    statxFd(nothing, stat, pointer, 'look at the host\'s "/dev/null"'),
    { call: 'compare', args: [inside(STX_MODE), bytes('S_IFCHR', u16(S_IFCHR)), bytes('S_IFMT', u16(S_IFMT)), 2, EINVAL], pointer, says },
    { call: 'compare', args: [inside(STX_RDEV), bytes('1:3', new Uint8Array([1, 0, 0, 0, 3, 0, 0, 0])), 0, 8, EINVAL], pointer, says }
  ]
}

function openEmpty({ config }: Input): Step[] {
  const attrs = M.MOUNT_ATTR_RDONLY | M.MOUNT_ATTR_NOSUID | M.MOUNT_ATTR_NODEV | M.MOUNT_ATTR_NOEXEC
  const label = mountLabelOption(config)
  const data = ['nr_inodes=2', 'mode=755', ...(label === undefined ? [] : [label])].map((option) => ({ option, pointer }))
  return detachedFileSystem({
    type: 'tmpfs',
    source: 'tmpfs',
    superblock: ['ro'],
    data,
    attrs,
    into: empty,
    pointer,
    says: 'mount an empty tmpfs'
  })
}

function maskedPath(input: Input, path: string, pointer: string): Step[] {
  const says = `mask "${path}"`
  const found = { ...place(input, path), into: target, pointer, says: `open "${path}"` }
  const file: Step[] = [...openInRoot(input, found), { ...cloneOf(nothing, 0, pointer, says), then: { skip: 2 } }]
  // Before Linux 6.15 nothing can be cloned that is mounted nowhere, so the first directory gets the tmpfs itself.
  const directory: Step[] = [
    { ...cloneOf(empty, 0, pointer, says), on: { EINVAL: 'next' }, then: { skip: 1 } },
    { call: 'fcntl', args: [empty, F_DUPFD_CLOEXEC, 0], save: tree, pointer, says }
  ]
  const mount = onto(path, pointer, 'mask')
  // A directory: past the file's steps. No directory: into them. Nothing: past all.
  const open = openInRoot(input, { ...found, missing: file.length + directory.length + mount.length, notDirectory: 0 })
  return [{ ...open[0]!, then: { skip: file.length } }, ...file, ...directory, ...mount]
}
