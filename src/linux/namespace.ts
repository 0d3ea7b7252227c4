/** What a descriptor of a namespace tells (ioctl_nsfs(2)). */
import { fstatSync } from 'node:fs'
import { NS_GET_NSTYPE, NS_GET_USERNS } from './constants.ts'
import { type OwnedFd, ownResult } from './fd.ts'
import { check, syscall } from './ffi.ts'

/** By the CLONE_NEW* flag that the kernel names a namespace's type with. */
const types = {
  128: 'time',
  131072: 'mnt',
  33554432: 'cgroup',
  67108864: 'uts',
  134217728: 'ipc',
  268435456: 'user',
  536870912: 'pid',
  1073741824: 'net'
} as const

/** The name of a namespace in /proc/PID/ns. */
export type NamespaceType = (typeof types)[keyof typeof types]

/** The type of the namespace that `fd` refers to; undefined when it refers to none. */
export function namespaceType(fd: number): NamespaceType | undefined {
  const flag = syscall('ioctl', fd, NS_GET_NSTYPE, 0)
  return flag < 0 ? undefined : types[flag as keyof typeof types]
}

/** The user namespace that owns namespace `fd`. Throws TsrunError `system`, EPERM when it lies outside ours. */
export function ownerUserNamespace(fd: number): OwnedFd {
  return ownResult(syscall('ioctl', fd, NS_GET_USERNS, 0), 'get the owner of a namespace')
}

/** Whether two descriptors refer to the same namespace: the same inode of nsfs. */
export function isSameNamespace(a: number, b: number): boolean {
  const [one, other] = [fstatSync(a), fstatSync(b)]
  return one.dev === other.dev && one.ino === other.ino
}

/** Joins namespace `fd` with the calling thread only (setns(2)); `flag` is the CLONE_NEW* that it must be, or 0. */
export function joinNamespace(fd: number, flag: number): void {
  check(syscall('setns', fd, flag), 'join a namespace')
}
