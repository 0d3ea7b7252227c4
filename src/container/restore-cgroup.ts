/** The cgroup of a container that is restored: CRIU itself is put into it, so that what it starts is there whether it manages cgroups or not. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupLocation, killAll } from '../cgroup/index.ts'
import type { Config } from '../config/types.ts'
import type { CriuOptions } from '../criu/messages.ts'
import { cgroupIsThere } from '../errors/wording.criu.ts'
import { systemError } from '../errors/wording.ts'
import type { CgroupDriver, ContainerCgroup } from './cgroup.ts'
import type { CreateOptions, CriuSettings } from './types.ts'
import type { Work } from './work.ts'

const SIGKILL = 9

export interface RestoredCgroup extends ContainerCgroup {
  readonly config: Config
  /** CRIU restores the limits of the moment of the checkpoint. */
  readonly limited: boolean
}

/**
 * Makes it, without a limit of processes: CRIU counts, too.
 * @param mode --manage-cgroups-mode; with strict it must not be there
 * @throws TsrunError
 */
export function restoredCgroup(
  driver: CgroupDriver,
  located: CgroupLocation,
  config: Config,
  mode: CriuSettings['manageCgroupsMode'],
  work: Work
): RestoredCgroup {
  // Before it is made: the limits of one that is there are somebody else's.
  const existing = mode === 'strict' ? Object.values(located.paths).find((path) => existsSync(path)) : undefined
  if (existing !== undefined) throw cgroupIsThere(existing)
  const cgroup = driver.make(located, withoutPids(config))
  // Before the cgroup is removed, CRIU and what it has started are killed.
  work.undo.add('kill what was restored', () => {
    if (cgroup.admission?.isOurs() !== false) killAll(cgroup.location, SIGKILL)
  })
  // On v1 CRIU saves limits as well, and restores them in a cgroup that is there.
  const limited = (mode === 'full' || mode === 'strict') && located.mode !== 'v2'
  return { ...cgroup, config, limited }
}

function withoutPids(config: Config): Config {
  const { pids, ...resources } = config.linux?.resources ?? {}
  return pids === undefined ? config : { ...config, linux: { ...config.linux, resources } }
}

/** Puts CRIU into it. Returns where its tasks shall be, which need not be where they were. */
export async function enterRestored({ facts, admission }: RestoredCgroup, criu: number): Promise<CriuOptions> {
  await admission?.admit(criu)
  for (const { directory, optional } of facts.joins) enter(directory, criu, optional === true)
  return { cg_root: rootsOf(readFileSync(`/proc/${criu}/cgroup`, 'utf8'), facts.mode === 'v2') }
}

function enter(directory: string, pid: number, optional: boolean): void {
  try {
    writeFileSync(join(directory, 'cgroup.procs'), String(pid))
  } catch (cause) {
    if (!optional) throw systemError(`put criu into the cgroup ${JSON.stringify(directory)}`, cause)
  }
}

/** `0::/a` gives the root of all hierarchies; on v1 each controller has its own (cgroups(7)). */
function rootsOf(text: string, unified: boolean): { ctrl?: string; path: string }[] {
  return text
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [, controllers = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      if (path === undefined || (controllers === '') !== unified) return []
      return unified ? [{ path }] : controllers.split(',').map((ctrl) => ({ ctrl, path }))
    })
}

/** All is there: the limit of processes counts from now on. */
export async function settleRestored({ location, config, limited }: RestoredCgroup, log: CreateOptions['log']): Promise<void> {
  const pids = config.linux?.resources?.pids
  if (pids === undefined || limited) return
  const { applyLimits } = await import('./update.ts')
  await applyLimits(location, { pids }, log)
}
