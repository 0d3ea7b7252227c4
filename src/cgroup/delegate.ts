/** Ownership of a container's cgroup (runtime-spec, config-linux.md#cgroup-ownership). */
import { chownSync } from 'node:fs'
import type { Config } from '../config/types.ts'
import { errnoOf, tryRead } from './files.ts'
import type { CgroupLocation } from './types.ts'

/**
 * The host's id of the user who is to own the container's cgroup: its process's, when it has a cgroup namespace of its own and a cgroup file system
 * that is mounted read/write; undefined when nobody is to.
 */
export function cgroupOwner({ linux, mounts, process }: Config): number | undefined {
  const own = linux?.namespaces?.some(({ type, path }) => type === 'cgroup' && !path)
  const writable = mounts?.some(
    ({ source, destination, options }) => source === 'cgroup' && destination === '/sys/fs/cgroup' && !options?.includes('ro')
  )
  if (!own || !writable) return undefined
  const uid = process?.user?.uid ?? 0
  if (!linux?.namespaces?.some(({ type }) => type === 'user')) return uid
  const range = linux.uidMappings?.find(({ containerID, size }) => uid >= containerID && uid < containerID + size)
  return range && range.hostID + uid - range.containerID
}

/**
 * Gives the container's v2 cgroup to `uid`, an id of the host (see `cgroupOwner`): the directory, and the files that the kernel
 * says may be delegated. A v1 cgroup is never given away, and to nobody (undefined) none is.
 * Files that are not there are passed over, and so is what a rootless caller may not give.
 */
export function delegateCgroup({ mode, paths, rootless }: CgroupLocation, uid: number | undefined): void {
  const directory = paths['']
  if (mode !== 'v2' || directory === undefined || uid === undefined) return
  // Since Linux 4.15; the fallback is what the kernel had then.
  const files = tryRead('/sys/kernel/cgroup/delegate')?.split('\n') ?? ['cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']
  for (const path of [directory, ...files.filter((file) => !file.includes('/')).map((file) => `${directory}/${file}`)]) {
    try {
      chownSync(path, uid, -1)
    } catch (cause) {
      const errno = errnoOf(cause)
      if (errno !== 'ENOENT' && !(rootless && errno === 'EPERM')) throw cause
    }
  }
}
