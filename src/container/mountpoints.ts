/** Mount points in a root file system that nobody has run a container in yet: CRIU makes none. */
import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { O_PATH } from '../abi/fcntl.ts'
import type { Config, Mount } from '../config/types.ts'
import { own } from '../linux/fd.ts'
import { syscall } from '../linux/ffi.ts'
import { tryOpenIn } from '../linux/mount.ts'

const DIRECTORY_MODE = 0o755
const FILE_MODE = 0o644
const ENOENT = -2

/**
 * Makes those that are missing, below the descriptor `root` of the root file system and never outside of it; what cannot be made CRIU will miss, and tell.
 * Those in another mount come with that one.
 *
 * @param isDirectory whether the source of a bind mount is one
 */
export function makeMountPoints(root: number, config: Config, isDirectory: (mount: Mount) => boolean): void {
  const mounts = config.mounts ?? []
  for (const [index, mount] of mounts.entries()) {
    const path = join('/', mount.destination)
    const covered = mounts.slice(0, index).some(({ destination }) => path.startsWith(`${join('/', destination)}/`))
    if (path !== '/' && !covered) makeMountPoint(root, path, isDirectory(mount))
  }
}

function makeMountPoint(root: number, path: string, directory: boolean): void {
  const fd = tryOpenIn(root, path, O_PATH)
  if (fd >= 0) own(fd)[Symbol.dispose]()
  if (fd !== ENOENT) return
  const parent = dirname(path)
  if (parent !== '/') makeMountPoint(root, parent, true)
  const above = tryOpenIn(root, parent, O_PATH | constants.O_DIRECTORY)
  if (above < 0) return
  using owned = own(above)
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (directory) {
    syscall('mkdirat', owned.fd, name, DIRECTORY_MODE)
    return
  }
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW
  const file = syscall('openat', owned.fd, name, flags, FILE_MODE)
  if (file >= 0) own(file)[Symbol.dispose]()
}
