/** Mounts of file systems of their own: configured and mounted detached where the kernel can, by mount(2) where not. */

import { O_CLOEXEC, O_DIRECTORY, O_RDONLY } from '../../abi/fcntl.ts'
import * as M from '../../abi/mount.ts'
import { mountLabelOption } from '../../config/annotations.ts'
import type { Input, MountEntry, Pass } from '../input.ts'
import { needsOldApi } from '../mount-options.ts'
import { type Slot, type Step, slot, text } from '../step.ts'
import { mountAttr } from '../structs.ts'
import { copyUp } from './copy-up.ts'
import { close, openInRoot, STX_MODE, statxBuffer, statxFd } from './files.ts'
import { detachedFileSystem, type FileSystem } from './filesystem.ts'
import { isMadeInside, makeInside } from './fresh.ts'
import { isHeld, mountOf } from './held.ts'
import { attributes, setattr } from './mount-attributes.ts'
import { mountSays, moveOnto, openTarget, quoted, target } from './mount-target.ts'

const tree = slot('mount')

/** One mount. */
export const mountFileSystem = (input: Input, entry: MountEntry): Step[] =>
  needsOldApi(entry.options) && !copiesUp(entry) ? oldFileSystem(input, entry) : fileSystem(input, entry)

/** Flags that fsconfig(2) does not know: one is about messages of the kernel only, the others every tmpfs has, which alone comes here with them. */
const OLD_ONLY = new Set(['silent', 'iversion', 'posixacl'])

/** What the options of a mount say to the file system. */
export const settingsOf = ({ mount, options, pointer }: MountEntry): Required<Pick<FileSystem, 'superblock' | 'data'>> => ({
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
  const { superblock, data: own } = settingsOf(entry)
  const data = [...own, ...context(input, entry).map((option) => ({ option, pointer: '/linux/mountLabel' }))]
  const attrs = readOnly ? options.set : options.set & ~M.MOUNT_ATTR_RDONLY
  const made = isHeld(input, entry) ? mountOf(entry) : tree
  const inherits = inheritsMode(input, entry)
  return [
    ...(inherits ? [] : openTarget(input, entry)),
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
    ...labelRoot(input, entry, made),
    ...makeInside(input, entry, made),
    // The mode is that of a mount point that was there: it is looked at before a missing one is made.
    ...(inherits ? [...inheritMode(input, entry), ...openTarget(input, entry)] : []),
    ...(copiesUp(entry) ? copyUp(input, entry, target, made) : []),
    ...attributes(input, entry, made, { set: 0, clear: 0 }, delaysReadOnly(entry) ? M.MOUNT_ATTR_RDONLY : 0),
    ...moveOnto(input, entry, made)
  ]
}

/** Their files have labels of their own, or none. */
const WITHOUT_CONTEXT = new Set(['proc', 'sysfs', 'mqueue'])

/** The SELinux label that all files of a file system get (mount(8), `context`), unless its options name one; that of the root alone is no such one. */
function context({ config }: Input, { mount, options }: MountEntry): string[] {
  const label = mountLabelOption(config)
  if (label === undefined || WITHOUT_CONTEXT.has(mount.type ?? '')) return []
  const key = label.slice(0, label.indexOf('=') + 1)
  const isNamed = options.data.some(({ option }) => /^(fs|def)?context=/.test(option) || option.startsWith(key))
  return isNamed ? [] : [label]
}

/** Labels have commas, which part options in the data of mount(2). */
const quotedValue = (option: string): string => option.replace(/=(.*)/s, '="$1"')

/** An mqueue takes no context, but its root can be labelled, as runc does it. */
function labelRoot({ config, facts }: Input, { mount }: MountEntry, on: Slot): Step[] {
  const label = config.linux?.mountLabel
  if (!label || mount.type !== 'mqueue') return []
  const pointer = '/linux/mountLabel'
  const says = `label ${quoted(mount.destination)}`
  const length = new TextEncoder().encode(label).length + 1
  return [
    { call: 'openat', args: [on, text('.'), O_RDONLY | O_CLOEXEC | O_DIRECTORY[facts.arch], 0], save: directory, pointer, says },
    { call: 'fsetxattr', args: [directory, text('security.selinux'), text(label), length, 0], pointer, says },
    close(directory, pointer)
  ]
}

const targetMode = slot('mode of the mount point')
const modeBuffer = statxBuffer([{ offset: STX_MODE, slot: targetMode }])
const directory = slot('directory')

/**
 * A tmpfs without a mode takes that of the directory it covers, as in runc: /tmp stays 1777. Where none was there it keeps the kernel's default,
 * 1777: whoever the process runs as can write to it.
 */
const inheritsMode = (input: Input, entry: MountEntry): boolean =>
  entry.mount.type === 'tmpfs' && !isMadeInside(input, entry) && !settingsOf(entry).data.some(({ option }) => option.startsWith('mode='))

/** Only a tmpfs can be filled; on other file systems runc ignores the option as well. */
const copiesUp = ({ mount, options }: MountEntry): boolean => mount.type === 'tmpfs' && options.extensions.includes('tmpcopyup')

function inheritMode(input: Input, { mount: { destination }, pointer }: MountEntry): Step[] {
  const says = `set the mode of ${quoted(destination)}`
  const flags = O_RDONLY | O_CLOEXEC | O_DIRECTORY[input.facts.arch]
  const steps: Step[] = [
    statxFd(target, modeBuffer, pointer, 'look at the mode of the mount point'),
    close(target, pointer),
    { call: 'openat', args: [tree, text('.'), flags, 0], save: directory, pointer, says },
    // The file type in stx_mode does no harm: fchmod(2) takes the permission bits only.
    { call: 'fchmod', args: [directory, targetMode], pointer, says },
    close(directory, pointer)
  ]
  const open = {
    path: destination,
    into: target,
    directory: true,
    pointer: `${pointer}/destination`,
    says: `open the mount point ${quoted(destination)}`
  }
  return [...openInRoot(input, { ...open, missing: steps.length }), ...steps]
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

function oldFlags(entry: MountEntry): number {
  const { options } = entry
  const set = delaysReadOnly(entry) ? options.set & ~M.MOUNT_ATTR_RDONLY : options.set
  const named = options.superblock.reduce((flags, name) => flags | (OLD_FLAGS[name] ?? 0), 0)
  return OLD_ATTRIBUTES.reduce((flags, [attr, flag]) => (set & attr ? flags | flag : flags), named)
}

/** By mount(2), on "." of the mount point. */
function oldFileSystem(input: Input, entry: MountEntry): Step[] {
  const { mount, options, pointer } = entry
  const data = [...options.data.map(({ option }) => option), ...context(input, entry).map(quotedValue)].join(',')
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
  const steps = attributes(input, entry, target, { set: 0, clear: 0 }, delaysReadOnly(entry) ? M.MOUNT_ATTR_RDONLY : 0)
  if (steps.length === 0) return []
  const open = openInRoot(input, {
    path: entry.mount.destination,
    into: target,
    pointer: entry.pointer,
    says: `open ${quoted(entry.mount.destination)}`
  })
  return [...open, ...steps, close(target, entry.pointer)]
}

/** A tmpfs and /dev are still written to; their `ro` comes when everything is in them. */
const delaysReadOnly = ({ mount, options }: MountEntry): boolean =>
  options.bind === undefined &&
  ((options.set | options.recursiveSet) & M.MOUNT_ATTR_RDONLY) !== 0 &&
  (mount.type === 'tmpfs' || isDev(mount.destination))

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
