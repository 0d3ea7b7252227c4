/**
 * Mounts of proc and sysfs that are held by a descriptor from their making on. Masked and read-only paths are looked up below it: whoever shares the
 * root file system could otherwise rename the mount point away while they are looked up, and back (CVE-2019-19921).
 */
import { components, type Input, isBind, type MountEntry } from '../input.ts'
import { needsOldApi } from '../mount-options.ts'
import { type Slot, slot } from '../step.ts'
import { isInside } from './fresh.ts'

/** Descriptor of the mount itself; closed with all others when the root is entered. */
export const mountOf = ({ mount }: MountEntry): Slot => slot(`mount on ${JSON.stringify(mount.destination)}`)

const canBeHeld = (entry: MountEntry): boolean =>
  (entry.mount.type === 'proc' || entry.mount.type === 'sysfs') && !isBind(entry) && !entry.options.remount && !needsOldApi(entry.options)

/** The last mount that `path` lies in, by their texts. */
const holderOf = ({ mounts }: Input, path: readonly string[]): MountEntry | undefined =>
  path.includes('..') ? undefined : mounts.findLast(({ mount }) => isInside(path, components(mount.destination)))

/** True when a path lies in the mount that is to be masked or made read-only. */
export const isHeld = (input: Input, entry: MountEntry): boolean => {
  const { maskedPaths = [], readonlyPaths = [] } = input.config.linux ?? {}
  return canBeHeld(entry) && [...maskedPaths, ...readonlyPaths].some((path) => holderOf(input, components(path)) === entry)
}

/** Where `path` is to be looked up: below the mount that holds it, otherwise below the root. */
export function place(input: Input, path: string): { readonly path: string; readonly from?: Slot } {
  const names = components(path)
  const holder = holderOf(input, names)
  if (holder === undefined || !canBeHeld(holder)) return { path }
  return { path: names.slice(components(holder.mount.destination).length).join('/'), from: mountOf(holder) }
}
