/** Opening paths and mounts safely from the runtime. */

import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from '../abi/fcntl.ts'
import { OPEN_TREE_CLOEXEC } from '../abi/mount.ts'
import { packOpenHow, STATFS_SIZE, unpackStatfsType } from '../abi/structs.ts'
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
  const result = new Uint8Array(STATFS_SIZE)
  const call = typeof target === 'string' ? syscall('statfs', target, result) : syscall('fstatfs', target, result)
  check(call, typeof target === 'string' ? `look at the file system of "${target}"` : 'look at a file system')
  return unpackStatfsType(result)
}
