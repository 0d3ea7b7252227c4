/** From `linux.resources` to an ordered list of writes. Pure: the host comes in as `ResourceFacts`. */
import type { Resources } from '../config/types.ts'
import { badUnifiedKey, unifiedOnV1, unknownPageSize } from '../errors/wording.cgroup.ts'
import { v1Sections } from './resources.v1.ts'
import { ignoredByV2, v2Sections } from './resources.v2.ts'
import type { CgroupLocation, CgroupWrite, Ignored, WritePlan } from './types.ts'

/** What the writes depend on beside the configuration. */
export interface ResourceFacts {
  readonly mode: CgroupLocation['mode']
  /** Controllers of the container's v1 cgroups. */
  readonly v1: readonly string[]
  /** Controllers that the v2 hierarchy has; only read on hybrid hosts. */
  readonly v2: readonly string[]
  /** Sizes of huge pages in the kernel's notation, such as `2MB`. */
  readonly hugePageSizes: readonly string[]
  /** The memory limit in force, in bytes; undefined when there is none, as in a new cgroup. */
  readonly memoryLimit?: bigint
}

/** The parts of `resources` that become writes; devices are apart, in devices.ts. */
export type SectionName = 'cpuset' | 'cpu' | 'memory' | 'pids' | 'blockIO' | 'hugepageLimits' | 'network' | 'rdma'
export type Sections = Readonly<Record<SectionName, (resources: Resources, facts: ResourceFacts) => readonly CgroupWrite[]>>

/** The field of `resources` that a section reads, and its controller in v1 and v2. `network` has none in v2. In the order of the writes. */
const sections: Readonly<Record<SectionName, readonly [field: keyof Resources, v1: string, v2: string]>> = {
  cpuset: ['cpu', 'cpuset', 'cpuset'],
  cpu: ['cpu', 'cpu', 'cpu'],
  memory: ['memory', 'memory', 'memory'],
  pids: ['pids', 'pids', 'pids'],
  blockIO: ['blockIO', 'blkio', 'io'],
  hugepageLimits: ['hugepageLimits', 'hugetlb', 'hugetlb'],
  network: ['network', 'net_cls', ''],
  rdma: ['rdma', 'rdma', 'rdma']
}

/**
 * The writes for `resources`, in their order. Throws TsrunError `config` for values that no kernel takes, `unsupported` for `unified` on a v1 host.
 * On a hybrid host a section goes to v2 when only that has its controller.
 */
export function planResources(resources: Resources, facts: ResourceFacts): WritePlan {
  const writes: CgroupWrite[] = []
  const ignored: Ignored[] = []
  checkPageSizes(resources, facts)
  for (const name of Object.keys(sections) as SectionName[]) {
    if (resources[sections[name][0]] === undefined) continue
    const unified = goesToV2(name, facts)
    writes.push(...(unified ? v2Sections : v1Sections)[name](resources, facts))
    if (unified) ignored.push(...ignoredByV2(name, resources))
  }
  // The spec wants `unified` to have the last word over the fields that are converted.
  writes.push(...unifiedWrites(resources, facts))
  return { writes, ignored: [...ignored, ...kernelMemory(resources, goesToV2('memory', facts))] }
}

function goesToV2(name: SectionName, { mode, v1, v2 }: ResourceFacts): boolean {
  if (mode !== 'hybrid') return mode === 'v2'
  const [, old, unified] = sections[name]
  return !v1.includes(old) && v2.includes(unified)
}

/** The size becomes a part of a file name, so nothing but the kernel's own names passes. */
function checkPageSizes({ hugepageLimits = [] }: Resources, { hugePageSizes }: ResourceFacts): void {
  for (const [index, { pageSize }] of hugepageLimits.entries()) {
    if (!hugePageSizes.includes(pageSize))
      throw unknownPageSize(pageSize, hugePageSizes, `/linux/resources/hugepageLimits/${index}/pageSize`)
  }
}

function unifiedWrites({ unified }: Resources, { mode }: ResourceFacts): CgroupWrite[] {
  const entries = Object.entries(unified ?? {})
  if (entries.length > 0 && mode === 'v1') throw unifiedOnV1()
  return entries.flatMap(([file, content]) => {
    const pointer = `/linux/resources/unified/${file.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (file.includes('/') || file === '' || file === '.' || file === '..') throw badUnifiedKey(file, pointer)
    // Files such as io.max take one device with each write(2).
    const lines = content.split('\n').filter((line) => line !== '')
    return (lines.length === 0 ? [''] : lines).map((value) => ({ controller: '', file, value, pointer }))
  })
}

/** Linux 5.4 deprecated the limit of kernel memory, 5.16 dropped it; runc ignores it as well. That of TCP buffers is left, on v1. */
function kernelMemory({ memory }: Resources, unified: boolean): Ignored[] {
  return (unified ? (['kernel', 'kernelTCP'] as const) : (['kernel'] as const))
    .filter((field) => (memory?.[field] ?? 0) !== 0)
    .map((field) => ({
      pointer: `/linux/resources/memory/${field}`,
      message: 'limits of kernel memory are not supported by the kernel any more'
    }))
}
