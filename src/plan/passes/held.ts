/**
 * Mounts of proc and sysfs that are held by a descriptor from their making on. Masked and read-only paths are looked up below it: whoever shares the
 * root file system could otherwise rename the mount point away while they are looked up, and back (CVE-2019-19921).
 */
import { type Input, isBind, type MountEntry } from '../input.ts'
import { needsOldApi } from '../mount-options.ts'
import { components } from '../paths.ts'
import { type Slot, slot } from '../step.ts'
import { isInside } from './fresh.ts'

/** Descriptor of the mount itself; closed with all others when the root is entered. */
export const mountOf = ({ mount }: MountEntry): Slot => slot(`mount on ${JSON.stringify(mount.destination)}`)

const canBeHeld = (entry: MountEntry): boolean =>
  (entry.mount.type === 'proc' || entry.mount.type === 'sysfs') && !isBind(entry) && !entry.options.remount && !needsOldApi(entry.options)

/** The last mount that `path` lies in, by their texts. */
function holderOf({ mounts }: Input, path: readonly string[]): MountEntry | undefined {
  for (let i = mounts.length - 1; i >= 0; i--) if (isInside(path, mounts[i]!.path)) return mounts[i]
  return undefined
}

/** True when a path lies in the mount that is to be masked or made read-only. */
export function isHeld(input: Input, entry: MountEntry): boolean {
  if (!canBeHeld(entry)) return false
  const { maskedPaths = [], readonlyPaths = [] } = input.config.linux ?? {}
  const holds = (path: string): boolean => holderOf(input, components(path)) === entry
  return maskedPaths.some(holds) || readonlyPaths.some(holds)
}

/** Where `path` is to be looked up: below the mount that holds it, otherwise below the root. */
export function place(input: Input, path: string): { readonly path: string; readonly from?: Slot } {
  const names = components(path)
  const holder = holderOf(input, names)
  if (holder === undefined || !canBeHeld(holder)) return { path }
  return { path: names.slice(holder.path.length).join('/'), from: mountOf(holder) }
}
