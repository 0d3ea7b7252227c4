/** The directory of image files, for a container whose processes are not root on the host. */
import { chmodSync, chownSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { systemError } from '../errors/wording.ts'

/** Its owner may do all, its group may open what it knows the name of. */
const SEARCHABLE = 0o710
const OTHERS_SEARCH = 0o001

/**
 * Lets the root of a container's user namespace search `path`: CRIU opens images with its rights, too, when it restores. Only a directory with nothing in
 * it is changed: others have an owner who has thought of something.
 * @param pid of the container's init
 * @throws TsrunError `system`
 */
export function shareImages(path: string, pid: number): void {
  const gid = hostGid(readFileSync(`/proc/${pid}/gid_map`, 'utf8'))
  if (gid === 0 || gid === undefined || readdirSync(path).length > 0) return
  const { mode, uid } = statSync(path)
  if ((mode & OTHERS_SEARCH) !== 0) return
  try {
    chownSync(path, uid, gid)
    chmodSync(path, SEARCHABLE)
  } catch (cause) {
    throw systemError(`let the root of the container search ${JSON.stringify(path)}`, cause)
  }
}

/** What group 0 of a user namespace is outside of it (user_namespaces(7)); undefined when it has none. */
export function hostGid(map: string): number | undefined {
  const lines = map
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  return lines.find(([inside]) => inside === 0)?.[1]
}
