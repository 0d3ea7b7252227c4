/** A mount of type `cgroup`: the container's view of the cgroups, in the shape that the host has (cgroups(7)). */
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE } from '../../abi/fcntl.ts'
import * as M from '../../abi/mount.ts'
import { mountLabelOption } from '../../config/annotations.ts'
import type { CgroupHierarchy } from '../facts.ts'
import { type Input, isNew, type MountEntry } from '../input.ts'
import { type Slot, type Step, slot, text } from '../step.ts'
import { mountAttr } from '../structs.ts'
import { settingsOf } from './file-systems.ts'
import { close } from './files.ts'
import { detachedFileSystem } from './filesystem.ts'
import { attributes } from './mount-attributes.ts'
import { mountSays, openTarget, target } from './mount-target.ts'

const tree = slot('mount')
const top = slot('cgroup tmpfs')

const onto = (directory: typeof target, entry: MountEntry): Step => ({
  call: 'move_mount',
  args: [tree, text(''), directory, text(''), M.MOVE_MOUNT_F_EMPTY_PATH | M.MOVE_MOUNT_T_EMPTY_PATH],
  pointer: entry.pointer,
  says: mountSays(entry)
})

const isReadOnly = (entry: MountEntry): boolean => (entry.options.set & M.MOUNT_ATTR_RDONLY) !== 0

export function cgroupMount(input: Input, entry: MountEntry): Step[] {
  const v2 = input.facts.cgroup.mode === 'v2' || entry.mount.type === 'cgroup2'
  return [...openTarget(input, entry), ...(v2 ? unified(input, entry) : legacy(input, entry)), close(target, entry.pointer)]
}

// ---------------------------------------------------------------- v2

/**
 * A file system of its own where the kernel permits; else (a user namespace that does not own the cgroup namespace, or a nested container)
 * the host's, bound read-only, because it shows more than the container (CVE-2023-25809).
 */
function unified(input: Input, entry: MountEntry): Step[] {
  const says = mountSays(entry)
  const bind = boundHierarchy(input, entry)
  const more = attributes(input, entry, tree, { set: 0, clear: 0 })
  const { superblock, data } = settingsOf(entry)
  const own = detachedFileSystem({
    type: 'cgroup2',
    source: entry.mount.source ?? 'cgroup',
    superblock,
    data,
    attrs: entry.options.set,
    into: tree,
    pointer: entry.pointer,
    says
  })
  const create = own.findIndex((step) => step.call === 'fsconfig' && step.args[1] === M.FSCONFIG_CMD_CREATE)
  const refused = { skip: own.length - create + more.length } as const
  const tolerant = own.map((step, i) => (i === create ? { ...step, on: { EPERM: refused, EBUSY: refused } } : step))
  return [...tolerant, ...more, { ...onto(target, entry), then: { skip: bind.length } }, ...bind, close(tree, entry.pointer)]
}

function boundHierarchy(input: Input, entry: MountEntry): Step[] {
  const host = input.facts.cgroup.hierarchies.find((hierarchy) => hierarchy.version === 2)
  return [
    openBound(host?.mountpoint ?? '/sys/fs/cgroup', entry),
    setOptions(tree, entry, entry.options.set | M.MOUNT_ATTR_RDONLY),
    ...attributes(input, entry, tree, { set: 0, clear: 0 }),
    onto(target, entry)
  ]
}

const openBound = (source: string, entry: MountEntry): Step => ({
  call: 'open_tree',
  args: [AT_FDCWD, text(source), M.OPEN_TREE_CLONE | M.OPEN_TREE_CLOEXEC | AT_RECURSIVE],
  save: tree,
  pointer: entry.pointer,
  says: `open "${source}"`
})

const setOptions = (on: Slot, entry: MountEntry, set: number): Step => ({
  call: 'mount_setattr',
  args: [on, text(''), AT_EMPTY_PATH | AT_RECURSIVE, mountAttr(set, 0, 0, `{attr_set=0x${set.toString(16)}}`), 32],
  pointer: `${entry.pointer}/options`,
  says: `set the options of ${JSON.stringify(entry.mount.destination)}`
})

// ---------------------------------------------------------------- v1

/** A tmpfs with a directory for each hierarchy, and a symlink for each controller that shares one. */
function legacy(input: Input, entry: MountEntry): Step[] {
  const { pointer } = entry
  const says = mountSays(entry)
  const label = mountLabelOption(input.config)
  const v1 = input.facts.cgroup.hierarchies.filter((hierarchy) => hierarchy.version === 1)
  const flags = M.MOUNT_ATTR_NOSUID | M.MOUNT_ATTR_NODEV | M.MOUNT_ATTR_NOEXEC
  const tmpfs = detachedFileSystem({
    type: 'tmpfs',
    source: 'tmpfs',
    data: [{ option: 'mode=755', pointer }, ...(label === undefined ? [] : [{ option: label, pointer: '/linux/mountLabel' }])],
    attrs: flags,
    into: top,
    pointer,
    says
  })
  return [
    ...tmpfs,
    // In its place first: before Linux 6.15 nothing can be mounted on what is mounted nowhere.
    { ...onto(target, entry), args: [top, ...onto(target, entry).args.slice(1)] },
    ...v1.flatMap((hierarchy) => hierarchySteps(input, entry, hierarchy)),
    ...optionsOfAll(entry),
    ...attributes(input, entry, top, { set: 0, clear: 0 }),
    close(top, pointer)
  ]
}

/** Once for the tmpfs and all that is mounted in it; nobody but init is in the mount namespace so far. */
const optionsOfAll = (entry: MountEntry): Step[] => (entry.options.set === 0 ? [] : [setOptions(top, entry, entry.options.set)])

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

function hierarchySteps(input: Input, entry: MountEntry, hierarchy: CgroupHierarchy): Step[] {
  const { pointer } = entry
  const name = baseName(hierarchy.mountpoint)
  const links = hierarchy.controllers.filter((controller) => controller !== name && !controller.includes('='))
  return [
    { call: 'mkdirat', args: [top, text(name), 0o755], pointer, says: `make the directory for the cgroup controllers "${name}"` },
    ...hierarchyMount(input, entry, hierarchy),
    // By its name: the tmpfs is ours alone.
    { call: 'move_mount', args: [tree, text(''), top, text(name), M.MOVE_MOUNT_F_EMPTY_PATH], pointer, says: mountSays(entry) },
    close(tree, pointer),
    ...links.map((link) => symlink(name, link, pointer))
  ]
}

const symlink = (name: string, link: string, pointer: string): Step => ({
  call: 'symlinkat',
  args: [text(name), top, text(link)],
  pointer,
  says: `link the cgroup controller "${link}" to "${name}"`
})

/**
 * With a cgroup namespace the hierarchy itself, whose root is the container's cgroup; without one the container's cgroup, bound. A container that
 * has none of its own stays in the runtime's.
 */
function hierarchyMount(input: Input, entry: MountEntry, hierarchy: CgroupHierarchy): Step[] {
  if (isNew(input, 'cgroup')) {
    const named = hierarchy.controllers.some((controller) => controller.startsWith('name='))
    const data = [...(named ? ['none'] : []), ...hierarchy.controllers].map((option) => ({ option, pointer: entry.pointer }))
    const says = mountSays(entry)
    return detachedFileSystem({
      type: 'cgroup',
      source: 'cgroup',
      data,
      attrs: entry.options.set,
      into: tree,
      pointer: entry.pointer,
      says
    })
  }
  const own = input.facts.cgroup.joins.find((join) => join.controllers.some((controller) => hierarchy.controllers.includes(controller)))
  const open = openBound(own?.directory ?? hierarchy.mountpoint + (hierarchy.own ?? '').replace(/\/$/, ''), entry)
  // It shows more than the container.
  return own === undefined && !isReadOnly(entry) ? [open, setOptions(tree, entry, M.MOUNT_ATTR_RDONLY)] : [open]
}
