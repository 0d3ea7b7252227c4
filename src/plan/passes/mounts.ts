/**
 * `mounts`, in their order, with the mount API of Linux 5.2: a file system is configured and mounted detached,
 * and then moved onto a descriptor of its mount point. No path is looked up twice, none outside the root.
 */
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from '../../abi/fcntl.ts'
import * as M from '../../abi/mount.ts'
import { idMapRefusals } from '../../errors/wording.plan.ts'
import { fdNumber, type Input, isBind, isOwn, type MountEntry, type Pass } from '../input.ts'
import { type MountOptions, needsOldApi } from '../mount-options.ts'
import { type Slot, type Step, slot, text } from '../step.ts'
import { idMapAttr, mountAttr } from '../structs.ts'
import { cgroupMount } from './cgroup-mount.ts'
import { copyUp } from './copy-up.ts'
import { close, openInRoot, STX_MODE, statxBuffer, statxFd } from './files.ts'
import { detachedFileSystem, type FileSystem, reconfigure } from './filesystem.ts'
import { copiesSymlink, isMadeInside, makeInside, mountPointKind } from './fresh.ts'
import { isHeld, mountOf } from './held.ts'
import { copySymlink } from './symlink.ts'

const target = slot('target')
const tree = slot('mount')

export const mounts: Pass = (input) => input.mounts.flatMap((entry) => mountOne(input, entry))

function mountOne(input: Input, entry: MountEntry): Step[] {
  if (entry.options.remount) return remount(input, entry)
  if (copiesSymlink(input, entry)) return copySymlink(input, entry)
  if (isBind(entry)) return bind(input, entry)
  if (entry.mount.type === 'cgroup' || entry.mount.type === 'cgroup2') return cgroupMount(input, entry)
  return needsOldApi(entry.options) && !copiesUp(entry) ? oldFileSystem(input, entry) : fileSystem(input, entry)
}

const quoted = (s: string | undefined): string => JSON.stringify(s ?? '')

/** What the step does, for every step of one mount. */
export const mountSays = ({ mount }: MountEntry): string => `mount ${quoted(mount.source ?? mount.type)} on ${quoted(mount.destination)}`

// ---------------------------------------------------------------- mount points

/** Descriptor of the mount point; what is missing is made. */
export function openTarget(input: Input, entry: MountEntry): Step[] {
  const { mount, pointer } = entry
  // A symlink here would put proc or sysfs elsewhere, and the masked and read-only paths with them (CVE-2023-28642).
  const noSymlinks = mount.type === 'proc' || mount.type === 'sysfs'
  return openInRoot(input, {
    path: mount.destination,
    into: target,
    make: isMadeInside(input, entry) ? undefined : mountPointKind(input, entry),
    directory: mountPointKind(input, entry) === 'directory',
    noSymlinks,
    noFollow: isBind(entry) && entry.options.extensions.includes('dest-nofollow'),
    pointer: `${pointer}/destination`,
    says: `open the mount point ${quoted(mount.destination)}`
  })
}

const moveOnto = (input: Input, entry: MountEntry, from: Slot): Step[] => [
  {
    call: 'move_mount',
    args: [from, text(''), target, text(''), M.MOVE_MOUNT_F_EMPTY_PATH | M.MOVE_MOUNT_T_EMPTY_PATH],
    pointer: entry.pointer,
    says: mountSays(entry)
  },
  ...(isHeld(input, entry) ? [] : [close(from, entry.pointer)]),
  close(target, entry.pointer)
]

// ---------------------------------------------------------------- attributes

const setattr = (on: Slot, recursive: boolean, attr: ReturnType<typeof mountAttr>, entry: MountEntry, what: string): Step => ({
  call: 'mount_setattr',
  args: [on, text(''), AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), attr, 32],
  pointer: `${entry.pointer}/options`,
  says: `${what} of ${quoted(entry.mount.destination)}`
})

/**
 * A root that is `rshared` passes that on to mounts without a propagation of their own. Private ones and slaves they are without a word, as their
 * sources are; unbindable ones would keep read-only paths from being made of them.
 */
const propagationOf = ({ config }: Input, { options }: MountEntry): readonly number[] =>
  config.linux?.rootfsPropagation === 'rshared' && !options.remount && options.propagation.length === 0
    ? [M.MS_SHARED | M.MS_REC]
    : options.propagation

/** Attributes that fsmount(2) could not take, and propagation: on the mount while it is still detached. */
function attributes(input: Input, entry: MountEntry, on: Slot, plain: { set: number; clear: number }): Step[] {
  const { options } = entry
  const steps: Step[] = []
  const show = (set: number, clear: number): string => `{attr_set=0x${set.toString(16)}, attr_clr=0x${clear.toString(16)}}`
  const change = (set: number, clear: number, recursive: boolean, what: string): void => {
    if ((set | clear) === 0) return
    steps.push(setattr(on, recursive, mountAttr(set, clear, 0, show(set, clear)), entry, what))
  }
  change(plain.set, plain.clear, false, 'set the options')
  change(options.recursiveSet, options.recursiveClear, true, 'set the recursive options')
  for (const flags of propagationOf(input, entry)) {
    const attr = mountAttr(0, 0, flags & ~M.MS_REC, `{propagation=0x${(flags & ~M.MS_REC).toString(16)}}`)
    steps.push(setattr(on, (flags & M.MS_REC) !== 0, attr, entry, 'set the propagation'))
  }
  return steps
}

/** A tmpfs and /dev are still written to; their `ro` comes when everything is in them. */
const delaysReadOnly = ({ mount, options }: MountEntry): boolean =>
  !isBindOptions(options) && (options.set & M.MOUNT_ATTR_RDONLY) !== 0 && (mount.type === 'tmpfs' || isDev(mount.destination))

const isBindOptions = (options: MountOptions): boolean => options.bind !== undefined
const isDev = (path: string): boolean => path.replace(/^\/+|\/+$/g, '') === 'dev'

/** The `ro` that was put off. */
export const readonlyMounts: Pass = (input) =>
  input.mounts
    .filter((entry) => delaysReadOnly(entry))
    .flatMap((entry) => [
      ...openInRoot(input, {
        path: entry.mount.destination,
        into: target,
        pointer: entry.pointer,
        says: `open ${quoted(entry.mount.destination)}`
      }),
      setattr(target, false, mountAttr(M.MOUNT_ATTR_RDONLY, 0, 0, '{attr_set=MOUNT_ATTR_RDONLY}'), entry, 'set the options'),
      close(target, entry.pointer)
    ])

// ---------------------------------------------------------------- bind mounts

/** Slot of a source that was opened before a user namespace took the right to. */
const sourceSlot = (entry: MountEntry): Slot => slot(`source of mount ${entry.index}`)

function openSource(input: Input, entry: MountEntry, into: Slot): Step[] {
  const source = input.facts.sources[entry.index]
  const recursive = entry.options.bind === 'rbind' || entry.mount.type === 'rbind' ? AT_RECURSIVE : 0
  const nofollow = entry.options.extensions.includes('src-nofollow') ? AT_SYMLINK_NOFOLLOW : 0
  const open: Step = {
    call: 'open_tree',
    args: [AT_FDCWD, text(source?.path ?? entry.mount.source ?? ''), M.OPEN_TREE_CLONE | M.OPEN_TREE_CLOEXEC | recursive | nofollow],
    save: into,
    pointer: `${entry.pointer}/source`,
    says: `open the source ${quoted(source?.path ?? entry.mount.source)}`
  }
  return [open, ...mapIds(input, entry, into)]
}

/** While the tree is nobody's yet, and with the rights that it was opened with. */
function mapIds(input: Input, { idMap, mount }: MountEntry, on: Slot): Step[] {
  if (idMap === undefined) return []
  const flags = AT_EMPTY_PATH | (idMap.recursive ? AT_RECURSIVE : 0)
  return [
    {
      call: 'mount_setattr',
      args: [on, text(''), flags, idMapAttr(fdNumber(input, idMap.fdName)), 32],
      pointer: idMap.pointer,
      says: `map the ids of ${quoted(mount.destination)}`,
      why: idMapRefusals
    }
  ]
}

/** The root of a user namespace may not reach the source, nor map its ids; the host's root can, before it enters. */
const opensSourcesEarly = (input: Input): boolean => isOwn(input, 'user') && !input.facts.rootless

export const bindSources: Pass = (input) =>
  opensSourcesEarly(input)
    ? input.mounts
        .filter((entry) => isBind(entry) && !entry.options.remount && !copiesSymlink(input, entry))
        .flatMap((entry) => openSource(input, entry, sourceSlot(entry)))
    : []

function bind(input: Input, entry: MountEntry): Step[] {
  const early = opensSourcesEarly(input)
  const from = early ? sourceSlot(entry) : tree
  const { set, clear } = entry.options
  return [
    ...(early ? [] : openSource(input, entry, tree)),
    ...attributes(input, entry, from, { set, clear }),
    ...openTarget(input, entry),
    ...moveOnto(input, entry, from)
  ]
}

function remount(input: Input, entry: MountEntry): Step[] {
  const { set, clear } = entry.options
  return [
    ...openInRoot(input, {
      path: entry.mount.destination,
      into: target,
      // What a symlink of the image leads to may be a file system of the host, which would change for everyone.
      noSymlinks: !isBindOptions(entry.options),
      pointer: `${entry.pointer}/destination`,
      says: `open the mount point ${quoted(entry.mount.destination)}`
    }),
    ...attributes(input, entry, target, { set, clear }),
    ...(isBindOptions(entry.options) ? [] : changeFileSystem(entry)),
    close(target, entry.pointer)
  ]
}

/** The part of a remount that concerns the file system, wherever else it is mounted. */
function changeFileSystem(entry: MountEntry): Step[] {
  const { mount, pointer } = entry
  const says = `change the file system on ${quoted(mount.destination)}`
  return reconfigure(target, { type: mount.type ?? '', ...settingsOf(entry), pointer, says })
}

// ---------------------------------------------------------------- file systems

/** Flags that fsconfig(2) does not know: one is about messages of the kernel only, the others every tmpfs has, which alone comes here with them. */
const OLD_ONLY = new Set(['silent', 'iversion', 'posixacl'])

/** What the options of a mount say to the file system. */
const settingsOf = ({ mount, options, pointer }: MountEntry): Required<Pick<FileSystem, 'superblock' | 'data'>> => ({
  superblock: options.superblock.filter((name) => !OLD_ONLY.has(name)),
  data: options.data.flatMap(({ option, index }) =>
    (mount.type === 'tmpfs' ? splitOptions(option) : [option]).map((each) => ({ option: each, pointer: `${pointer}/options/${index}` }))
  )
})

/** Several options of a tmpfs in one string, as mount(8) takes them; the list of nodes in `mpol` has commas of its own. */
const splitOptions = (option: string): string[] => option.split(/,(?=[a-z])/)

function fileSystem(input: Input, entry: MountEntry): Step[] {
  const { mount, options, pointer } = entry
  const readOnly = (options.set & M.MOUNT_ATTR_RDONLY) !== 0 && !delaysReadOnly(entry)
  const { superblock, data } = settingsOf(entry)
  const attrs = readOnly ? options.set : options.set & ~M.MOUNT_ATTR_RDONLY
  const made = isHeld(input, entry) ? mountOf(entry) : tree
  return [
    ...openTarget(input, entry),
    ...(inheritsMode(entry) ? [statxFd(target, modeBuffer, pointer, 'look at the mode of the mount point')] : []),
    ...detachedFileSystem({
      type: mount.type ?? '',
      source: mount.source,
      superblock: readOnly ? [...superblock, 'ro'] : superblock,
      data,
      attrs,
      into: made,
      pointer,
      says: mountSays(entry)
    }),
    ...makeInside(input, entry, made),
    ...(inheritsMode(entry) ? inheritMode(input, entry) : []),
    ...(copiesUp(entry) ? copyUp(input, entry, target, made) : []),
    ...attributes(input, entry, made, { set: 0, clear: 0 }),
    ...moveOnto(input, entry, made)
  ]
}

const targetMode = slot('mode of the mount point')
const modeBuffer = statxBuffer([{ offset: STX_MODE, slot: targetMode }])
const directory = slot('directory')

/** A tmpfs without a mode takes that of the directory it covers, as in runc: /tmp stays 1777. */
const inheritsMode = ({ mount, options }: MountEntry): boolean =>
  mount.type === 'tmpfs' && !options.data.some(({ option }) => option.startsWith('mode='))

/** Only a tmpfs can be filled; on other file systems runc ignores the option as well. */
const copiesUp = ({ mount, options }: MountEntry): boolean => mount.type === 'tmpfs' && options.extensions.includes('tmpcopyup')

function inheritMode(input: Input, entry: MountEntry): Step[] {
  const says = `set the mode of ${quoted(entry.mount.destination)}`
  const flags = O_RDONLY | O_CLOEXEC | O_DIRECTORY[input.facts.arch]
  return [
    { call: 'openat', args: [tree, text('.'), flags, 0], save: directory, pointer: entry.pointer, says },
    // The file type in stx_mode does no harm: fchmod(2) takes the permission bits only.
    { call: 'fchmod', args: [directory, targetMode], pointer: entry.pointer, says },
    close(directory, entry.pointer)
  ]
}

const OLD_FLAGS: Readonly<Record<string, number>> = {
  sync: M.MS_SYNCHRONOUS,
  dirsync: M.MS_DIRSYNC,
  mand: M.MS_MANDLOCK,
  lazytime: M.MS_LAZYTIME,
  iversion: M.MS_I_VERSION,
  posixacl: M.MS_POSIXACL,
  silent: M.MS_SILENT
}

const OLD_ATTRIBUTES: readonly (readonly [number, number])[] = [
  [M.MOUNT_ATTR_RDONLY, M.MS_RDONLY],
  [M.MOUNT_ATTR_NOSUID, M.MS_NOSUID],
  [M.MOUNT_ATTR_NODEV, M.MS_NODEV],
  [M.MOUNT_ATTR_NOEXEC, M.MS_NOEXEC],
  [M.MOUNT_ATTR_NOATIME, M.MS_NOATIME],
  [M.MOUNT_ATTR_STRICTATIME, M.MS_STRICTATIME],
  [M.MOUNT_ATTR_NODIRATIME, M.MS_NODIRATIME],
  [M.MOUNT_ATTR_NOSYMFOLLOW, M.MS_NOSYMFOLLOW]
]

function oldFlags({ options }: MountEntry): number {
  const named = options.superblock.reduce((flags, name) => flags | (OLD_FLAGS[name] ?? 0), 0)
  return OLD_ATTRIBUTES.reduce((flags, [attr, flag]) => (options.set & attr ? flags | flag : flags), named)
}

/** By mount(2), on "." of the mount point. */
function oldFileSystem(input: Input, entry: MountEntry): Step[] {
  const { mount, options, pointer } = entry
  const data = options.data.map(({ option }) => option).join(',')
  return [
    ...openTarget(input, entry),
    { call: 'fchdir', args: [target], pointer, says: `enter the mount point ${quoted(mount.destination)}` },
    {
      call: 'mount',
      args: [text(mount.source ?? 'none'), text('.'), text(mount.type ?? ''), oldFlags(entry), data === '' ? 0 : text(data)],
      pointer,
      says: mountSays(entry)
    },
    { call: 'chdir', args: [text('/')], pointer, says: 'leave the mount point' },
    close(target, pointer),
    ...propagationOnly(input, entry)
  ]
}

function propagationOnly(input: Input, entry: MountEntry): Step[] {
  const steps = attributes(input, entry, target, { set: 0, clear: 0 })
  if (steps.length === 0) return []
  const open = openInRoot(input, {
    path: entry.mount.destination,
    into: target,
    pointer: entry.pointer,
    says: `open ${quoted(entry.mount.destination)}`
  })
  return [...open, ...steps, close(target, entry.pointer)]
}
