/** The end of a cgroup: rmdir(2), from the leaves up. */
import { rmdirSync } from 'node:fs'
import type { ErrnoName } from '../abi/errno.ts'
import { cannotRemove } from '../errors/wording.cgroup.ts'
import { childDirectories, errnoOf } from './files.ts'
import { describeProcess, directories, processesBelow } from './processes.ts'
import type { CgroupLocation } from './types.ts'
import { until } from './wait.ts'

/** Killed processes leave their cgroups a moment after their end is seen. */
const LIMIT_MS = 4000

/**
 * Removes the container's cgroups and those that were made below them; one that is gone already is fine, one that was there before stays. The processes must be dead or dying:
 * it waits for them for up to `limitMs` in all. Throws TsrunError `cgroup` that names what is still there.
 */
export function removeCgroup(location: CgroupLocation, limitMs = LIMIT_MS): void {
  const end = performance.now() + limitMs
  for (const directory of directories(location)) {
    if (location.existing?.includes(directory)) continue
    const errno = removeTree(directory, Math.max(end - performance.now(), 0))
    if (errno === undefined || (location.rootless && errno !== 'EBUSY')) continue
    throw cannotRemove(directory, errno, processesBelow(directory).map(describeProcess))
  }
}

/** Removes `directory` with its children; returns the errno when it is still there after `limitMs`. */
export function removeTree(directory: string, limitMs: number): ErrnoName | undefined {
  let errno: ErrnoName | undefined
  until(limitMs, () => {
    errno = removeOnce(directory)
    return errno !== 'EBUSY'
  })
  return errno
}

/** Most cgroups have no children, so that is tried first. */
function removeOnce(directory: string): ErrnoName | undefined {
  const errno = tryRmdir(directory)
  if (errno !== 'EBUSY') return errno
  const children = childDirectories(directory)
  if (children.length === 0) return errno
  for (const child of children) removeOnce(`${directory}/${child}`)
  return tryRmdir(directory)
}

function tryRmdir(directory: string): ErrnoName | undefined {
  try {
    rmdirSync(directory)
    return undefined
  } catch (cause) {
    const errno = errnoOf(cause)
    return errno === 'ENOENT' ? undefined : errno
  }
}
