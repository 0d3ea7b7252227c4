/** A container's cgroup as a unit of systemd. It needs a process to begin with, so it is made when the plan's first process waits for it. */
import { joinsOf } from '../cgroup/create.ts'
import { type CgroupLocation, cgroupLayout, cgroupOwner, delegateCgroup, removeCgroup } from '../cgroup/index.ts'
import {
  attachToUnit,
  connectSystemd,
  isRootlessInNamespace,
  locateUnit,
  type Manager,
  startUnit,
  stopUnit,
  updateUnit
} from '../cgroup/systemd.ts'
import { annotationProperties } from '../cgroup/systemd.variant.ts'
import type { Config, Resources } from '../config/types.ts'
import type { CgroupAdmission, CgroupDriver } from './cgroup.ts'
import type { CreateOptions } from './types.ts'
import type { Work } from './work.ts'

export { isRootlessInNamespace }

const never = (): void => {}
const UNDO_MS = 2000

/** Connects to systemd: the connection belongs to `work`. Throws TsrunError `unsupported`. */
export async function unitDriver(options: CreateOptions, rootless: boolean, work: Work): Promise<CgroupDriver> {
  const manager = work.use(await connectSystemd(rootless, work.interrupt.check))
  return {
    rootless,
    locate: (config) => locateUnit(manager, config.linux?.cgroupsPath, options.id, rootless),
    make(location, config) {
      const admission = unitFor(manager, location, config, options)
      // Before the program is started, for it comes after the program's end; a unit that is another's stays.
      work.undo.add('stop the unit of systemd', () => (admission.isOurs() ? endUnit(location, work.warn) : undefined))
      const { mode, hierarchies } = cgroupLayout()
      return { location, facts: { mode, hierarchies, joins: joinsOfUnit(location), unit: true }, admission }
    }
  }
}

/** A scope's process is in its v2 cgroup from the start, and so is what it clones. */
function joinsOfUnit(location: CgroupLocation): ReturnType<typeof joinsOf> {
  const unified = location.paths['']
  const joins = joinsOf(location, location.mode === 'hybrid' && unified !== undefined ? [unified] : [])
  const inScope = location.mode === 'v2' && location.unit?.unit.endsWith('.scope')
  return inScope ? [] : joins
}

function unitFor(manager: Manager, location: CgroupLocation, config: Config, { id, log }: CreateOptions): CgroupAdmission {
  const properties = annotationProperties(config.annotations)
  const resources = config.linux?.resources ?? {}
  const first = whileTwo(resources)
  const request = { location, description: `tsrun container ${id}`, resources: first, properties }
  let ours = false
  const taken = (): void => {
    ours = true
  }
  return {
    admit: (pid) => startUnit(manager, { ...request, pid, taken }, log),
    async settle() {
      if (first !== resources) await updateUnit(manager, location, resources, log)
      delegateCgroup(location, cgroupOwner(config))
    },
    isOurs: () => ours
  }
}

/** The spawned process is in the unit together with init for a moment: a limit of one process is not for it. */
function whileTwo(resources: Resources): Resources {
  const limit = resources.pids?.limit
  return limit === undefined || limit < 0 || limit > 1 ? resources : { ...resources, pids: { limit: 2 } }
}

async function endUnit(location: CgroupLocation, warn: (message: string) => void): Promise<void> {
  await stopUnit(location, warn, never)
  removeCgroup(location, UNDO_MS)
}

/** For a process that joins the container: the systemd of the session may move it where its owner may not. A refusal is worth a warning. */
export const attachment = (location: CgroupLocation, work: Work): CgroupAdmission => ({
  async admit(pid) {
    try {
      await attachToUnit(location, pid, work.interrupt.check)
    } catch (cause) {
      work.interrupt.check()
      work.warn(`the process stays outside of the container's cgroup: ${(cause as Error).message}`)
    }
  },
  settle: async () => {},
  isOurs: () => false
})
