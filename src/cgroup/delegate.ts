/** Ownership of a container's cgroup (runtime-spec, config-linux.md#cgroup-ownership). */
import { chownSync } from 'node:fs'
import { errnoOf, tryRead } from './files.ts'
import type { CgroupLocation } from './types.ts'

/**
 * Gives the container's v2 cgroup to `uid`, the host's id of the user that root in the container is: the directory, and the files that the kernel
 * says may be delegated. For a container with its own cgroup namespace and a writable /sys/fs/cgroup; a v1 cgroup is never given away.
 * Files that are not there are passed over, and so is what a rootless caller may not give.
 */
export function delegateCgroup({ mode, paths, rootless }: CgroupLocation, uid: number): void {
  const directory = paths['']
  if (mode !== 'v2' || directory === undefined) return
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
