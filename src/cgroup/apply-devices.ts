/** The device filter of a container. */
import type { DeviceRule } from '../config/types.ts'
import type { CgroupLocation, Log } from './types.ts'

/** Applies the rules and the implicit ones. @param fresh true when nothing was applied to this cgroup before */
export function applyDevices(_location: CgroupLocation, _rules: readonly DeviceRule[] | undefined, _fresh: boolean, _log: Log): void {
  // to come
}
