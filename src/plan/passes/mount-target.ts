/** Where a mount goes: its mount point, opened by descriptor and made when it is missing, and the move onto it. */
import { MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH } from '../../abi/mount.ts'
import { fileOnDirectory } from '../../errors/wording.plan.ts'
import { type Input, isBind, type MountEntry } from '../input.ts'
import { type Slot, type Step, slot, text } from '../step.ts'
import { close, openInRoot } from './files.ts'
import { isMadeInside, mountPointKind } from './fresh.ts'
import { isHeld } from './held.ts'

/** The mount point of the mount that is being made, O_PATH. */
export const target = slot('target')

/** For sentences. */
export const quoted = (s: string | undefined): string => JSON.stringify(s ?? '')

/** What the step does, for every step of one mount. */
export const mountSays = ({ mount }: MountEntry): string => `mount ${quoted(mount.source ?? mount.type)} on ${quoted(mount.destination)}`

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

/** The last steps of a mount: what is detached is attached. */
export const moveOnto = (input: Input, entry: MountEntry, from: Slot): Step[] => [
  {
    call: 'move_mount',
    args: [from, text(''), target, text(''), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH],
    pointer: entry.pointer,
    says: mountSays(entry),
    ...(mountPointKind(input, entry) === 'file' ? { why: { EINVAL: fileOnDirectory } } : {})
  },
  ...(isHeld(input, entry) ? [] : [close(from, entry.pointer)]),
  close(target, entry.pointer)
]
