/** What `linux.rootfsPropagation` says (mount_namespaces(7)). */
import { MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from '../abi/mount.ts'

/** Flags of mount(2). */
export const PROPAGATION: Readonly<Record<string, number>> = {
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC
}

/** True when `rootfsPropagation` may leave the mount that holds the root file system shared with the host. */
export const leavesShared = (wanted: string | undefined): boolean =>
  wanted ? (PROPAGATION[wanted]! & MS_REC) === 0 || (PROPAGATION[wanted]! & MS_SHARED) !== 0 : false
