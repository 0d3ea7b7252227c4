/** Checks of linux.resources, linux.cgroupsPath, and what else is written into files of the kernel. */
import type { Problem } from '../errors/error.ts'
import { known } from '../errors/wording.config.ts'
import { pointer } from './pointer.ts'
import type { Rule } from './rules.ts'
import { show } from './schema.ts'
import type { BlockIo, Cpu, Int64, IntelRdt, Memory, MemoryPolicy, MemoryPolicyMode } from './types.ts'

const AT = '/linux/resources'
/** How engines write "unset" where the field is unsigned: (uint64)-1. */
const UNSET = 18446744073709551615n

/** By these a process of the host would become one of the container's, and be killed with it. */
const MEMBERS: ReadonlySet<string> = new Set(['cgroup.procs', 'cgroup.threads', 'cgroup.kill'])

export const resourceRules: readonly Rule[] = [
  {
    name: 'cgroups-path',
    why: 'config-linux.md#cgroups-path: it must not lead out of where it starts',
    check: ({ linux }) =>
      linux?.cgroupsPath?.split('/').includes('..')
        ? [{ pointer: '/linux/cgroupsPath', message: `must not contain "..", as ${show(linux.cgroupsPath)} does` }]
        : []
  },
  {
    name: 'memory',
    why: 'config-linux.md#memory; cgroups refuse the rest',
    check: ({ linux }) => memoryProblems(linux?.resources?.memory ?? {})
  },
  { name: 'cpu', why: 'config-linux.md#cpu; sched/core.c: EINVAL', check: ({ linux }) => cpuProblems(linux?.resources?.cpu ?? {}) },
  { name: 'block-io', why: 'config-linux.md#block-io', check: ({ linux }) => blockIoProblems(linux?.resources?.blockIO ?? {}) },
  {
    name: 'hugepage-duplicates',
    why: 'the last of two limits for one size would win in silence',
    check: ({ linux }) =>
      (linux?.resources?.hugepageLimits ?? []).flatMap(({ pageSize }, i, all) =>
        all.findIndex((other) => other.pageSize === pageSize) === i
          ? []
          : [{ pointer: `${AT}/hugepageLimits/${i}/pageSize`, message: `must not repeat ${show(pageSize)}` }]
      )
  },
  {
    name: 'rdma',
    why: 'config-linux.md#rdma: at least one of both',
    check: ({ linux }) =>
      Object.entries(linux?.resources?.rdma ?? {}).flatMap(([device, { hcaHandles, hcaObjects }]) =>
        hcaHandles === undefined && hcaObjects === undefined
          ? [{ pointer: AT + pointer('rdma', device), message: 'must have "hcaHandles" or "hcaObjects"' }]
          : []
      )
  },
  {
    name: 'unified',
    why: 'config-linux.md#unified: keys are files of the container’s own cgroup',
    check: ({ linux }) =>
      Object.keys(linux?.resources?.unified ?? {}).flatMap((key) => {
        const at = AT + pointer('unified', key)
        if (!/^[^/]+$/.test(key) || key === '.' || key === '..')
          return [{ pointer: at, message: `unified resource ${show(key)} must be a file name (no slashes)` }]
        return MEMBERS.has(key) ? [{ pointer: at, message: `unified resource ${show(key)} is no limit: it moves or ends processes` }] : []
      })
  },
  { name: 'intel-rdt', why: 'config-linux.md#intelrdt', check: ({ linux }) => intelRdtProblems(linux?.intelRdt ?? {}) },
  {
    name: 'memory-policy',
    why: 'set_mempolicy(2): EINVAL',
    check: ({ linux }) => (linux?.memoryPolicy ? memoryPolicyProblems(linux.memoryPolicy) : [])
  }
]

function memoryProblems(memory: Memory): readonly Problem[] {
  const { limit, swap, swappiness } = memory
  const at = `${AT}/memory`
  const problems: Problem[] = (['limit', 'reservation', 'swap', 'kernel', 'kernelTCP'] as const)
    .filter((key) => (memory[key] ?? 0) < -1)
    .map((key) => ({ pointer: `${at}/${key}`, message: `must be -1 (unlimited) or a number of bytes, not ${memory[key]}` }))
  if (swap !== undefined && swap > 0) {
    if (limit === undefined || limit <= 0)
      problems.push({ pointer: `${at}/swap`, message: `${known.swapWithoutLimit}: swap is ${swap}, limit ${limit ?? 'not given'}` })
    else if (swap < limit) problems.push({ pointer: `${at}/swap`, message: `${known.swapBelowLimit}: swap is ${swap}, limit ${limit}` })
  }
  if (swappiness !== undefined && swappiness > 100 && swappiness !== UNSET) {
    problems.push({ pointer: `${at}/swappiness`, message: `must be from 0 to 100, not ${swappiness}` })
  }
  return problems
}

/** Microseconds: default_cfs_bandwidth's bounds of 1 ms and 1 s in kernel/sched. 0 is unset. */
const isPeriod = (value: Int64 | undefined): boolean => !value || (value >= 1000 && value <= 1_000_000)

function cpuProblems({ quota, burst, period }: Cpu): readonly Problem[] {
  const at = `${AT}/cpu`
  const problems: Problem[] = []
  if (!isPeriod(period))
    problems.push({ pointer: `${at}/period`, message: `must be from 1000 to 1000000 microseconds, or 0, not ${period}` })
  if (quota !== undefined && quota > 0 && quota < 1000)
    problems.push({ pointer: `${at}/quota`, message: `must be at least 1000 microseconds, not ${quota}` })
  if (burst !== undefined && quota !== undefined && quota > 0 && burst > quota) {
    problems.push({ pointer: `${at}/burst`, message: `must not be larger than the quota, ${quota}; it is ${burst}` })
  }
  return problems
}

/** Engines write 0 for a weight that is not set. */
const isWeight = (value: number | undefined): boolean => !value || (value >= 10 && value <= 1000)

function blockIoProblems(blockIO: BlockIo): readonly Problem[] {
  const devices = (blockIO.weightDevice ?? []).map((device, i) => ({ device, at: `${AT}/blockIO/weightDevice/${i}` }))
  const weights = [{ device: blockIO, at: `${AT}/blockIO` }, ...devices].flatMap(({ device, at }) =>
    (['weight', 'leafWeight'] as const)
      .filter((key) => !isWeight(device[key]))
      .map((key) => ({ pointer: `${at}/${key}`, message: `must be from 10 to 1000, or 0, not ${device[key]}` }))
  )
  const empty = devices
    .filter(({ device }) => device.weight === undefined && device.leafWeight === undefined)
    .map(({ at }) => ({ pointer: at, message: 'must have "weight" or "leafWeight"' }))
  return [...weights, ...empty]
}

function intelRdtProblems({ closID, l3CacheSchema, memBwSchema, schemata }: IntelRdt): readonly Problem[] {
  const at = '/linux/intelRdt'
  const problems: Problem[] = []
  if (closID !== undefined && closID !== '/' && (closID === '.' || closID === '..' || closID.includes('/'))) {
    problems.push({ pointer: `${at}/closID`, message: `must be the name of a directory, or "/", not ${show(closID)}` })
  }
  if (memBwSchema && !memBwSchema.startsWith('MB:'))
    problems.push({ pointer: `${at}/memBwSchema`, message: `must start with "MB:", not ${show(memBwSchema)}` })
  const lines = [
    ['l3CacheSchema', l3CacheSchema],
    ['memBwSchema', memBwSchema],
    ...(schemata ?? []).map((line, i) => [`schemata/${i}`, line])
  ]
  for (const [key, line] of lines)
    if (line?.includes('\n')) problems.push({ pointer: `${at}/${key}`, message: `must be one line, not ${show(line)}` })
  return problems
}

const WITHOUT_NODES: readonly MemoryPolicyMode[] = ['MPOL_DEFAULT', 'MPOL_LOCAL']
const NODES_OPTIONAL: readonly MemoryPolicyMode[] = ['MPOL_PREFERRED']

function memoryPolicyProblems({ mode, nodes, flags }: MemoryPolicy): readonly Problem[] {
  const at = '/linux/memoryPolicy'
  const given = (nodes ?? '').trim() !== ''
  const problems: Problem[] = []
  if (WITHOUT_NODES.includes(mode) && given)
    problems.push({ pointer: `${at}/nodes`, message: `must be empty with ${mode}, not ${show(nodes)}` })
  if (!WITHOUT_NODES.includes(mode) && !NODES_OPTIONAL.includes(mode) && !given)
    problems.push({ pointer: `${at}/nodes`, message: `must be given with ${mode}` })
  if (flags?.includes('MPOL_F_STATIC_NODES') && flags.includes('MPOL_F_RELATIVE_NODES')) {
    problems.push({ pointer: `${at}/flags`, message: 'must not have both "MPOL_F_STATIC_NODES" and "MPOL_F_RELATIVE_NODES"' })
  }
  return problems
}
