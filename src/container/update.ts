/** `update`: other limits for a container that is there. */
import { existsSync } from 'node:fs'
import { applyResources, type CgroupLocation } from '../cgroup/index.ts'
import { copyDocument, parseDocument } from '../config/document.ts'
import { resourcesAfter, resourcesProblems, resourcesToApply } from '../config/resources.ts'
import type { Resources } from '../config/types.ts'
import { refusedConfig } from '../errors/wording.config.ts'
import { noCgroup, noIntelRdt, noL3Cache, noMemoryBandwidth } from '../errors/wording.control.ts'
import { damagedState, notRunning } from '../errors/wording.ts'
import { configText } from './bundle.ts'
import { loadCopy } from './copy.ts'
import { checkId } from './ids.ts'
import { lock } from './lock.ts'
import type { ContainerRecord } from './record.ts'
import { rootDirectory } from './root.ts'
import { statusOf } from './status.ts'
import { readRecord, type StateDirectory, stateDirectory, writeRecord } from './store.ts'
import type { UpdateOptions } from './types.ts'

/** Where the kernel shows Intel RDT (Documentation/arch/x86/resctrl.rst). */
const RESCTRL_INFO = '/sys/fs/resctrl/info'

/**
 * Changes limits of a container that is created, running or paused. What is absent stays as it is; rules for devices always do.
 * All or nothing: when one limit is refused, those before it are put back.
 * @param resources as in `linux.resources`
 * @throws TsrunError `not-found`, `not-running`; `config` with all problems; `cgroup` when the kernel refuses, `unsupported`
 */
export async function update(id: string, resources: Resources, options: UpdateOptions = {}): Promise<void> {
  checkId(id)
  const directory = stateDirectory(rootDirectory(options).path, id)
  using _ = await lock(directory, 'update')
  const record = readRecord(directory)
  if (statusOf(directory, record) === 'stopped') throw notRunning()
  const kept = resourcesOf(record, directory)
  const given = plain(resources, options.source)
  const wanted = resourcesToApply(kept, given)
  const problems = resourcesProblems(wanted)
  if (problems.length > 0) throw refusedConfig(options.source ?? 'resources', 'config', problems)
  await updateIntelRdt(record, options)
  await applyLimits(cgroupOf(record), wanted, options.log)
  writeRecord(directory, { ...record, resources: configText(resourcesAfter(kept, given)) })
}

/**
 * Other limits for a cgroup: the kernel first, which is the stricter judge; then systemd, when it is that of a unit.
 * All or nothing. Throws TsrunError as `update`.
 */
export async function applyLimits(cgroup: CgroupLocation, resources: Resources, log: UpdateOptions['log']): Promise<void> {
  const putBack = applyResources(cgroup, resources, log)
  if (cgroup.driver !== 'systemd') return
  try {
    const { connectSystemd, updateUnit } = await import('../cgroup/systemd.ts')
    using manager = await connectSystemd(cgroup.unit?.user === true, () => {})
    await updateUnit(manager, cgroup, resources, log)
  } catch (cause) {
    putBack()
    throw cause
  }
}

/** The words are runc's. */
async function updateIntelRdt({ intelRdt }: ContainerRecord, { l3CacheSchema = '', memBwSchema = '' }: UpdateOptions): Promise<void> {
  if (l3CacheSchema === '' && memBwSchema === '') return
  if (l3CacheSchema !== '' && !existsSync(`${RESCTRL_INFO}/L3`)) throw noL3Cache()
  if (memBwSchema !== '' && !existsSync(`${RESCTRL_INFO}/MB`)) throw noMemoryBandwidth()
  if (intelRdt === undefined) throw noIntelRdt()
  const { updateGroup } = await import('./resctrl.ts')
  updateGroup(intelRdt, { l3CacheSchema, memBwSchema })
}

/** A copy in which nothing is null. Whether it has the right members is asked when it is complete. */
function plain(resources: Resources, source = 'resources'): Resources {
  const copy = copyDocument(resources)
  if ('problem' in copy) throw refusedConfig(source, 'config', [copy.problem])
  const { value } = copy
  if (isObject(value)) return value
  throw refusedConfig(source, 'config', [{ pointer: '', message: 'must be an object' }])
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The limits in force: those of the last update, or else of config.json. */
function resourcesOf({ resources }: ContainerRecord, directory: StateDirectory): Resources {
  if (resources === undefined) return loadCopy(directory).linux?.resources ?? {}
  const parsed = parseDocument(String(resources))
  if ('value' in parsed && isObject(parsed.value)) return parsed.value
  throw damagedState(`${directory.path}/state.json`, '"resources" is no text of an object', directory.id)
}

/** At `create` a rootless caller gets a warning for what it may not limit; here limits are all that is asked for. */
function cgroupOf({ cgroup }: ContainerRecord): CgroupLocation {
  if (cgroup === undefined || Object.keys(cgroup.paths).length === 0) throw noCgroup()
  return { ...cgroup, rootless: false }
}
