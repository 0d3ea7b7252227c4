/** Who makes a container's cgroup: the runtime itself, or systemd for it. */
import { type CgroupLocation, cgroupLayout, cgroupOwner, createCgroup, delegateCgroup, locate } from '../cgroup/index.ts'
import type { Config } from '../config/types.ts'
import type { CgroupFacts } from '../plan/facts.ts'
import { inUserNamespace, isRootless } from './root.ts'
import type { CreateOptions } from './types.ts'
import type { Work } from './work.ts'

/** A cgroup that is made for a process, and not before it. */
export interface CgroupAdmission {
  /** Makes the cgroup with the spawned process, which waits, in it. */
  admit(pid: number): Promise<void>
  /** Init is there, and the spawned process is gone. */
  settle(): Promise<void>
  /** Whether the cgroup is the container's by now, with nobody else in it. */
  isOurs(): boolean
}

/** A container's cgroup; its end is on the undo stack. */
export interface ContainerCgroup {
  readonly location: CgroupLocation
  readonly facts: CgroupFacts
  readonly admission?: CgroupAdmission
}

export interface CgroupDriver {
  readonly rootless: boolean
  /** Where the cgroup will be. Throws TsrunError `config`, `cgroup`. */
  locate(config: Config): Promise<CgroupLocation>
  /** Makes it, or prepares everything for that. Throws TsrunError. */
  make(location: CgroupLocation, config: Config): ContainerCgroup
}

/** The driver that `options` name. Throws TsrunError `unsupported` when systemd is wanted and cannot be reached. */
export async function cgroupDriver(options: CreateOptions, work: Work): Promise<CgroupDriver> {
  if (options.noCgroup === true) return none(options)
  if (options.systemdCgroup !== true) return fileSystem(options, work)
  const { isRootlessInNamespace, unitDriver } = await import('./cgroup-unit.ts')
  const unclear = typeof options.rootless !== 'boolean' && process.geteuid?.() === 0 && inUserNamespace()
  return unitDriver(options, unclear ? await isRootlessInNamespace(work.interrupt.check) : isRootless(options), work)
}

function fileSystem(options: CreateOptions, work: Work): CgroupDriver {
  const rootless = isRootless(options)
  return {
    rootless,
    locate: async (config) => locate(config.linux?.cgroupsPath, options.id, { rootless }),
    make(located, config) {
      const { location, joins, undo } = createCgroup(located, config.linux?.resources, options.log)
      work.undo.add('remove the cgroup', undo)
      delegateCgroup(location, cgroupOwner(config))
      const { mode, hierarchies } = cgroupLayout()
      return { location, facts: { mode, hierarchies, joins } }
    }
  }
}

/** No cgroup at all, as Podman's `--cgroups=disabled` wants it: what has none can be neither limited nor paused. */
function none(options: CreateOptions): CgroupDriver {
  const rootless = isRootless(options)
  const { mode, hierarchies } = cgroupLayout()
  return {
    rootless,
    locate: async () => ({ mode, driver: 'cgroupfs', paths: {}, rootless }),
    make: (location) => ({ location, facts: { mode, hierarchies, joins: [] } })
  }
}
