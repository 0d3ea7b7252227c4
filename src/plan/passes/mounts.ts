/**
 * `mounts`, in their order, with the mount API of Linux 5.2: a file system is configured and mounted detached,
 * and then moved onto a descriptor of its mount point. No path is looked up twice, none outside the root.
 */
import { type Input, isBind, type MountEntry, type Pass } from '../input.ts'
import type { Step } from '../step.ts'
import { bind } from './binds.ts'
import { cgroupMount } from './cgroup-mount.ts'
import { mountFileSystem, settingsOf } from './file-systems.ts'
import { close, openInRoot } from './files.ts'
import { reconfigure } from './filesystem.ts'
import { copiesSymlink } from './fresh.ts'
import { attributes } from './mount-attributes.ts'
import { quoted, target } from './mount-target.ts'
import { copySymlink } from './symlink.ts'

export const mounts: Pass = (input) => input.mounts.flatMap((entry) => mountOne(input, entry))

function mountOne(input: Input, entry: MountEntry): Step[] {
  if (entry.options.remount) return remount(input, entry)
  if (copiesSymlink(input, entry)) return copySymlink(input, entry)
  if (isBind(entry)) return bind(input, entry)
  if (entry.mount.type === 'cgroup' || entry.mount.type === 'cgroup2') return cgroupMount(input, entry)
  return mountFileSystem(input, entry)
}

function remount(input: Input, entry: MountEntry): Step[] {
  const { set, clear } = entry.options
  return [
    ...openInRoot(input, {
      path: entry.mount.destination,
      into: target,
      // What a symlink of the image leads to may be a file system of the host, which would change for everyone.
      noSymlinks: entry.options.bind === undefined,
      pointer: `${entry.pointer}/destination`,
      says: `open the mount point ${quoted(entry.mount.destination)}`
    }),
    ...attributes(input, entry, target, { set, clear }),
    ...(entry.options.bind === undefined ? changeFileSystem(entry) : []),
    close(target, entry.pointer)
  ]
}

/** The part of a remount that concerns the file system, wherever else it is mounted. */
function changeFileSystem(entry: MountEntry): Step[] {
  const { mount, pointer } = entry
  const says = `change the file system on ${quoted(mount.destination)}`
  return reconfigure(target, { type: mount.type ?? '', ...settingsOf(entry), pointer, says })
}
