/**
 * cgroups: where a container's are, making, limiting, freezing, killing and removing them. v1, v2 and hybrid hosts look the same from here.
 *
 * Statistics are in stats.ts, apart, because only `events` needs them.
 */

export { applyResources, createCgroup } from './create.ts'
export { cgroupOwner, delegateCgroup } from './delegate.ts'
export { freeze, isFrozen, thaw } from './freezer.ts'
export { killAll } from './kill.ts'
export { cgroupLayout, forgetLayout } from './layout.ts'
export { locate } from './locate.ts'
export { describeProcess, processes, sleepers } from './processes.ts'
export { removeCgroup } from './remove.ts'
export type { CgroupLayout, CgroupLocation, CgroupMode, CreatedCgroup, Log, OwnHierarchy } from './types.ts'
