/** Making a container's cgroups. */
import type { Resources } from '../config/types.ts'
import { cgroupFrozen, cgroupNotEmpty } from '../errors/wording.cgroup.ts'
import type { CgroupJoin } from '../plan/facts.ts'
import { checkUsage, performWrites, planFor } from './apply.ts'
import { applyDevices } from './apply-devices.ts'
import { type Made, makeDirectories } from './directories.ts'
import { isFrozen } from './freezer.ts'
import { processesBelow } from './processes.ts'
import { removeTree } from './remove.ts'
import { remember } from './restore.ts'
import type { CgroupLocation, CreatedCgroup, Log } from './types.ts'

/** How long an undo waits for processes of a failed container to leave. */
const UNDO_MS = 2000

/**
 * Makes the directories of `location` that are missing and applies the resources, the device filter included (which is there also when
 * `resources` is absent). Nothing has joined yet: the container's program does that itself, so no limit ever counts for the runtime.
 *
 * Throws TsrunError `cgroup`, `config` or `unsupported` with a pointer, and then leaves nothing behind. A rootless location
 * tolerates refusals and warns about limits that were asked for.
 */
export function createCgroup(location: CgroupLocation, resources: Resources | undefined, log: Log): CreatedCgroup {
  const plan = planFor(location, resources ?? {}, true)
  const made: Made = { directories: [], existing: [], optional: [] }
  const undo = () => {
    for (const directory of made.directories.reverse().splice(0)) removeTree(directory, UNDO_MS)
  }
  try {
    const usable = makeDirectories(location, plan.writes, made)
    refuseUsed(usable, made)
    performWrites(usable, plan, log)
    applyDevices(usable, resources?.devices, made.existing.length === 0, log)
    const existing = made.existing.length === 0 ? {} : { existing: made.existing }
    return { location: { ...usable, ...existing }, joins: joinsOf(usable, made.optional), undo }
  } catch (cause) {
    undo()
    throw cause
  }
}

/**
 * Applies `resources` to a cgroup that is there, as for `update`. Device rules are applied when they are given, and left alone otherwise.
 * Returns how to have the old limits again, without those for devices.
 * Throws as `createCgroup` does, when the limits that were written before have been put back.
 */
export function applyResources(location: CgroupLocation, resources: Resources, log: Log): () => void {
  checkUsage(location, resources)
  const plan = planFor(location, resources, false)
  const putBack = remember(location, plan.writes, log)
  try {
    performWrites(location, plan, log)
  } catch (cause) {
    putBack()
    throw cause
  }
  if (resources.devices !== undefined) applyDevices(location, resources.devices, false, log)
  return putBack
}

/** Two containers in one cgroup would be killed and removed together. */
function refuseUsed(location: CgroupLocation, { existing }: Made): void {
  for (const directory of existing) {
    const pids = processesBelow(directory)
    if (pids.length > 0) throw cgroupNotEmpty(directory, pids)
  }
  if (existing.length > 0 && isFrozen(location)) throw cgroupFrozen(location.paths.freezer ?? location.paths[''] ?? '')
}

/**
 * What a program joins to be in `location`, one for each hierarchy.
 * @param optional directories that need not be joined
 */
export function joinsOf({ paths, rootless }: CgroupLocation, optional: readonly string[]): CgroupJoin[] {
  const byDirectory = new Map<string, string[]>()
  for (const [controller, directory] of Object.entries(paths)) {
    const controllers = byDirectory.get(directory) ?? []
    if (controller !== '') controllers.push(controller)
    byDirectory.set(directory, controllers)
  }
  const joins: CgroupJoin[] = []
  for (const [directory, controllers] of byDirectory) {
    const file = controllers.length === 0 ? 'cgroup.procs' : 'tasks'
    joins.push({ directory, file, controllers, optional: rootless || optional.includes(directory) })
  }
  return joins
}
