/** Opening paths and mounts safely from the runtime. */

import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from '../abi/fcntl.ts'
import {
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  OPEN_TREE_CLOEXEC,
  ST_NOATIME,
  ST_NODEV,
  ST_NODIRATIME,
  ST_NOEXEC,
  ST_NOSUID,
  ST_RDONLY,
  ST_RELATIME
} from '../abi/mount.ts'
import { packOpenHow, STATFS_SIZE, unpackStatfsFlags, unpackStatfsType } from '../abi/structs.ts'
import { type OwnedFd, ownResult } from './fd.ts'
import { check, syscall } from './ffi.ts'

/**
 * A mount or a place in one (open_tree(2)); CLOEXEC. `flags`: OPEN_TREE_CLONE, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW.
 * Throws TsrunError `system`.
 */
export function openTree(source: string | number, flags: number): OwnedFd {
  const all = flags | OPEN_TREE_CLOEXEC
  return typeof source === 'string'
    ? ownResult(syscall('open_tree', AT_FDCWD, source, all), `open "${source}"`)
    : ownResult(syscall('open_tree', source, '', all | AT_EMPTY_PATH), `open the tree of file descriptor ${source}`)
}

/**
 * Opens `path` as a process would whose root directory is `rootFd`: no symlink and no `..` leads out of it, and none of /proc is followed
 * (openat2(2), RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS). CLOEXEC. Throws TsrunError `system`.
 */
export const openIn = (rootFd: number, path: string, flags: number, mode = 0): OwnedFd =>
  ownResult(tryOpenIn(rootFd, path, flags, mode), `open "${path}" in the root file system`)

/** The same for what need not be there: the descriptor, which the caller closes, or -errno. */
export function tryOpenIn(rootFd: number, path: string, flags: number, mode = 0): number {
  const how = packOpenHow(flags | O_CLOEXEC, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
  return syscall('openat2', rootFd, path, how, how.length)
}

/** The file system's magic number (PROC_SUPER_MAGIC, CGROUP2_SUPER_MAGIC …) at a path or of a descriptor (statfs(2)). */
export function statfsType(target: string | number): number {
  return unpackStatfsType(statfs(target))
}

function statfs(target: string | number): Uint8Array {
  const result = new Uint8Array(STATFS_SIZE)
  const call = typeof target === 'string' ? syscall('statfs', target, result) : syscall('fstatfs', target, result)
  check(call, typeof target === 'string' ? `look at the file system of "${target}"` : 'look at a file system')
  return result
}

const ATTRIBUTES: readonly (readonly [flag: number, attribute: number])[] = [
  [ST_RDONLY, MOUNT_ATTR_RDONLY],
  [ST_NOSUID, MOUNT_ATTR_NOSUID],
  [ST_NODEV, MOUNT_ATTR_NODEV],
  [ST_NOEXEC, MOUNT_ATTR_NOEXEC],
  [ST_NODIRATIME, MOUNT_ATTR_NODIRATIME],
  [ST_NOATIME, MOUNT_ATTR_NOATIME]
]

/** The attributes (MOUNT_ATTR_) of the mount that `path` lies on. Throws TsrunError `system`. */
export function mountAttributes(path: string): number {
  const flags = unpackStatfsFlags(statfs(path))
  const named = ATTRIBUTES.reduce((all, [flag, attribute]) => (flags & flag ? all | attribute : all), 0)
  // Neither of the two is the third kind of access time.
  return flags & (ST_NOATIME | ST_RELATIME) ? named : named | MOUNT_ATTR_STRICTATIME
}
