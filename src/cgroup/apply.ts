/** Performs the writes that resources.ts and devices.ts have planned. */
import type { ErrnoName } from '../abi/errno.ts'
import type { Resources } from '../config/types.ts'
import { cannotWrite, controllerNotMounted, limitBelowUsage, limitsIgnored } from '../errors/wording.cgroup.ts'
import { explainRefusal } from './explain.ts'
import { childNames, tryRead, tryWrite } from './files.ts'
import { cgroupLayout } from './layout.ts'
import { planResources, type ResourceFacts } from './resources.ts'
import type { CgroupLocation, CgroupWrite, Log, WritePlan } from './types.ts'

/** Errors that a caller without rights gets. */
const refusals: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT'])

/** What the conversion needs to know about this host and this cgroup; read only what `resources` asks about. */
export function resourceFacts(location: CgroupLocation, { hugepageLimits, memory }: Resources, fresh: boolean): ResourceFacts {
  const v2root = location.mode === 'hybrid' ? cgroupLayout().hierarchies.find(({ version }) => version === 2) : undefined
  const limit = fresh || memory?.swap === undefined ? undefined : tryRead(`${location.paths.memory}/memory.limit_in_bytes`)
  return {
    mode: location.mode,
    v1: Object.keys(location.paths).filter((name) => name !== ''),
    v2: v2root === undefined ? [] : (tryRead(`${v2root.mountpoint}/cgroup.controllers`) ?? '').split(' '),
    hugePageSizes: hugepageLimits === undefined ? [] : hugePageSizes(),
    ...(limit === undefined ? {} : { memoryLimit: BigInt(limit) })
  }
}

/** The kernel's huge page sizes in the notation of its cgroup files: /sys/kernel/mm/hugepages has `hugepages-2048kB`, the file is `hugetlb.2MB.…`. */
function hugePageSizes(): string[] {
  return childNames('/sys/kernel/mm/hugepages').flatMap((name) => {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0)
    if (kib === 0) return []
    if (kib >= 1 << 20) return [`${kib >> 20}GB`]
    return [kib >= 1 << 10 ? `${kib >> 10}MB` : `${kib}KB`]
  })
}

const nothing: WritePlan = { writes: [], ignored: [] }

/** Plans all writes for `resources` but those for devices. @param fresh true when the cgroup has just been made */
export function planFor(location: CgroupLocation, resources: Resources, fresh: boolean): WritePlan {
  for (const field in resources) if (field !== 'devices') return planResources(resources, resourceFacts(location, resources, fresh))
  return nothing
}

/**
 * Writes the plan. Throws TsrunError `cgroup` at the first refusal; a rootless location collects them into one warning instead.
 */
export function performWrites(location: CgroupLocation, { writes, ignored }: WritePlan, log: Log): void {
  const refused: CgroupWrite[] = []
  const late: CgroupWrite[] = []
  for (const write of writes) {
    const errno = perform(location, write)
    if (errno === 'EINVAL' && write.again) late.push(write)
    else if (errno !== undefined) refuse(location, write, errno, refused)
  }
  for (const write of late) {
    const errno = perform(location, write)
    if (errno !== undefined) refuse(location, write, errno, refused)
  }
  for (const { pointer, message } of ignored) log?.('warning', `${pointer} is ignored: ${message}`, { pointer })
  if (refused.length > 0) log?.('warning', rootlessWarning(refused), { pointers: refused.map(({ pointer }) => pointer) })
}

/** `unmounted` stands for a hierarchy that is not there. */
function perform(
  { paths }: CgroupLocation,
  { controller, file, value, optional, instead }: CgroupWrite
): ErrnoName | 'unmounted' | undefined {
  const directory = paths[controller]
  if (directory === undefined) return optional ? undefined : 'unmounted'
  let errno = tryWrite(`${directory}/${file}`, value)
  if (errno === 'ENOENT' && instead !== undefined) errno = tryWrite(`${directory}/${instead.file}`, instead.value)
  return errno === 'ENOENT' && optional ? undefined : errno
}

function refuse(location: CgroupLocation, write: CgroupWrite, errno: ErrnoName | 'unmounted', refused: CgroupWrite[]): void {
  const { controller, file, value, pointer } = write
  if (location.rootless && (errno === 'unmounted' || refusals.has(errno))) {
    refused.push(write)
    return
  }
  if (errno === 'unmounted') throw controllerNotMounted(controller, file, pointer)
  const path = `${location.paths[controller]}/${file}`
  throw cannotWrite({ path, value, pointer, errno, why: explainRefusal(path, errno) })
}

function rootlessWarning(refused: readonly CgroupWrite[]): string {
  const controllers = refused.map(({ controller, file }) => controller || file.slice(0, file.indexOf('.')))
  return limitsIgnored([...new Set(controllers)], [...new Set(refused.map(({ pointer }) => pointer))])
}

/** memory.checkBeforeUpdate: refuses a limit below what is in use, where the kernel would reclaim and in the end kill. */
export function checkUsage({ paths }: CgroupLocation, { memory }: Resources): void {
  const limit = Number(memory?.limit ?? 0)
  if (memory?.checkBeforeUpdate !== true || limit <= 0) return
  const usage = tryRead(paths[''] === undefined ? `${paths.memory}/memory.usage_in_bytes` : `${paths['']}/memory.current`)
  if (usage !== undefined && Number(usage) > limit) throw limitBelowUsage(String(memory.limit), usage, '/linux/resources/memory/limit')
}
