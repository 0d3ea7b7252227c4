/** The root file system: made a mount, entered, and at the end the only thing there is. */
import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH } from '../../abi/fcntl.ts'
import { MNT_DETACH, MOUNT_ATTR_RDONLY, MS_BIND, MS_MOVE, MS_PRIVATE, MS_REC, MS_SLAVE } from '../../abi/mount.ts'
import { isOwn, type Pass, slots } from '../input.ts'
import { leavesShared, PROPAGATION } from '../propagation.ts'
import { type Step, slot, text } from '../step.ts'
import { mountAttr } from '../structs.ts'
import { close } from './files.ts'

const propagate = (path: string, flags: number, pointer: string, says: string): Step => ({
  call: 'mount',
  args: [0, text(path), 0, flags, 0],
  pointer,
  says
})

/** What is unbindable is private and cannot be bound (mount_namespaces(7)); before the root is bound onto itself it is only the first. */
const BEFORE: Readonly<Record<string, string>> = { unbindable: 'private', runbindable: 'rprivate' }

/** The root is to receive what the host mounts: a mount that is a slave, and not shared, is private enough for pivot_root(2). */
const receives = (wanted: string | undefined): boolean => wanted === 'slave' || wanted === 'rslave'

/** Cuts a mount off, or leaves it one way from the host to the container. */
const cutOff = (path: string, wanted: string | undefined, pointer: string, what: string): Step =>
  receives(wanted)
    ? propagate(path, MS_SLAVE, pointer, `make ${what} a slave`)
    : propagate(path, MS_PRIVATE, pointer, `make ${what} private`)

/**
 * Nothing that is mounted here may reach the host. Where mounts stay shared because that is asked for, or because it is asked for "/" alone,
 * the mount that holds the root file system is cut off all the same: pivot_root(2) demands it, and all mounts are made below it.
 */
export const propagation: Pass = ({ config, facts }) => {
  const wanted = config.linux?.rootfsPropagation
  const first = wanted ? (BEFORE[wanted] ?? wanted) : 'rslave'
  const flags = PROPAGATION[first]!
  const pointer = wanted ? '/linux/rootfsPropagation' : ''
  const steps = [propagate('/', flags, pointer, `make the propagation of "/" ${first}`)]
  if (leavesShared(wanted)) steps.push(cutOff(facts.rootfsParentMount, wanted, pointer, `"${facts.rootfsParentMount}"`))
  return steps
}

/**
 * pivot_root(2) takes a mount point only, so the root file system is bound onto itself. That mount is nobody's peer and, unless `slave` is asked
 * for, nobody's slave: what the host mounts below the root file system later on does not appear in the container. (runc makes the mount that it is
 * on private instead.)
 */
export const bindRoot: Pass = ({ config, facts }) => [
  {
    call: 'mount',
    args: [text(facts.rootfs), text(facts.rootfs), 0, MS_BIND | MS_REC, 0],
    pointer: '/root/path',
    says: `bind the root file system "${facts.rootfs}"`
  },
  cutOff(facts.rootfs, config.linux?.rootfsPropagation, '/root/path', 'the mount of the root file system')
]

/** All paths in the container are looked up from here. */
export const openRoot: Pass = ({ facts }) => [
  {
    call: 'openat',
    args: [AT_FDCWD, text(facts.rootfs), O_PATH | O_CLOEXEC | O_DIRECTORY[facts.arch] | O_NOFOLLOW[facts.arch], 0],
    save: slots.root,
    pointer: '/root/path',
    says: `open the root file system "${facts.rootfs}"`
  }
]

/** After everything that writes into it. Only the root's own mount: what is mounted below has its own options. */
export const readonlyRoot: Pass = ({ config }) =>
  config.root?.readonly
    ? [
        {
          call: 'mount_setattr',
          args: [slots.root, text(''), AT_EMPTY_PATH, mountAttr(MOUNT_ATTR_RDONLY, 0, 0, '{attr_set=MOUNT_ATTR_RDONLY}'), 32],
          pointer: '/root/readonly',
          says: 'make the root file system read-only'
        }
      ]
    : []

const enter = (): Step => ({ call: 'fchdir', args: [slots.root], pointer: '/root/path', says: 'enter the root file system' })
const top = (): Step => ({ call: 'chdir', args: [text('/')], pointer: '/root/path', says: 'enter "/"' })

const oldRoot = slot('old root')

/**
 * pivot_root(".", ".") stacks the old root on the new one, where it can be detached without a directory for it (pivot_root(2)).
 * It is made a slave first, so that the detaching does not propagate to the host.
 */
const pivot: Pass = ({ facts }) => [
  {
    call: 'openat',
    args: [AT_FDCWD, text('/'), O_PATH | O_CLOEXEC | O_DIRECTORY[facts.arch], 0],
    save: oldRoot,
    pointer: '/root/path',
    says: 'open the old root'
  },
  enter(),
  { call: 'pivot_root', args: [text('.'), text('.')], pointer: '/root/path', says: 'make the root file system the root' },
  { call: 'fchdir', args: [oldRoot], pointer: '/root/path', says: 'enter the old root' },
  propagate('.', MS_SLAVE | MS_REC, '/root/path', 'make the old root a slave'),
  { call: 'umount2', args: [text('.'), MNT_DETACH], pointer: '/root/path', says: 'detach the old root' },
  top(),
  close(oldRoot, '/root/path')
]

/** For ramdisks, where pivot_root(2) cannot work: the host's procfs and sysfs are taken away first, for they would stay reachable. */
const moveRoot: Pass = ({ facts }) => [
  ...facts.procAndSysMounts.map(
    (path): Step => ({
      call: 'umount2',
      args: [text(path), MNT_DETACH],
      on: { EINVAL: 'next', ENOENT: 'next', EPERM: 'next' },
      pointer: '',
      says: `detach "${path}"`
    })
  ),
  enter(),
  { call: 'mount', args: [text('.'), text('/'), 0, MS_MOVE, 0], pointer: '/root/path', says: 'move the root file system onto "/"' },
  { call: 'chroot', args: [text('.')], pointer: '/root/path', says: 'make the root file system the root' },
  top()
]

/** Only inside a mount namespace of its own; without one the root is merely changed. */
export const enterRoot: Pass = (input) => {
  if (!isOwn(input, 'mount')) return [enter(), { call: 'chroot', args: [text('.')], pointer: '/root/path', says: 'change the root' }, top()]
  return [...(input.options.noPivot ? moveRoot : pivot)(input), close(slots.root)]
}

/** The propagation that was asked for holds for the new root as well, whatever pivot_root needed in between. Mounts below it have their own. */
export const rootPropagation: Pass = ({ config }) => {
  const wanted = config.linux?.rootfsPropagation
  if (!wanted) return []
  return [propagate('/', PROPAGATION[wanted]! & ~MS_REC, '/linux/rootfsPropagation', `make the propagation of the root ${wanted}`)]
}
