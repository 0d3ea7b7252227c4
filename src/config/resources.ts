/** How the limits that `update` is given and those that a container has already go together. */
import type { Problem } from '../errors/error.ts'
import { check } from './check.ts'
import { isWithin } from './pointer.ts'
import type { Config, Cpu, Int64, Memory, Resources } from './types.ts'

const AT = '/linux/resources'

/** Fields in which 0 and '' mean "not set": they change nothing. In the others 0 is a value. */
const ZERO_IS_UNSET: ReadonlySet<string> = new Set([
  ...['limit', 'reservation', 'swap', 'kernel', 'kernelTCP'],
  ...['shares', 'quota', 'period', 'realtimeRuntime', 'realtimePeriod', 'cpus', 'mems'],
  ...['weight', 'leafWeight']
])

/** Sections whose members change one by one. */
const BY_MEMBER = ['memory', 'cpu', 'pids', 'blockIO', 'network', 'rdma', 'unified'] as const
/** Those of them to which ZERO_IS_UNSET does not apply: in the first 0 is a limit, in the others the names are not the spec's. */
const LITERAL: ReadonlySet<string> = new Set(['pids', 'rdma', 'unified'])

/**
 * What is to be written: the given limits, completed by those of `kept` without which they cannot be converted. Devices are never updated, as in runc.
 * @param kept the limits in force
 * @param given need not have been checked
 */
export function resourcesToApply(kept: Resources, given: Resources): Resources {
  const { devices: _, ...rest } = given
  return {
    ...rest,
    ...(isObject(given.memory) ? { memory: completeMemory(kept.memory ?? {}, given.memory) } : {}),
    ...(isObject(given.cpu) ? { cpu: completeCpu(kept.cpu ?? {}, given.cpu) } : {})
  }
}

const isObject = <T>(value: T): value is T & object => typeof value === 'object' && value !== null

/** v2 limits swap alone, so the limit of both together needs that of memory. */
function completeMemory(kept: Memory, given: Memory): Memory {
  const limit = isSet(given.swap) && Number(given.swap) > 0 && !isSet(given.limit) ? kept.limit : undefined
  const checked = given.checkBeforeUpdate ?? kept.checkBeforeUpdate
  return { ...given, ...(limit === undefined ? {} : { limit }), ...(checked === undefined ? {} : { checkBeforeUpdate: checked }) }
}

/** On v2 both are in one file, cpu.max. */
function completeCpu(kept: Cpu, given: Cpu): Cpu {
  if (isSet(given.quota) === isSet(given.period)) return given
  const { quota, period } = kept
  if (isSet(given.quota)) return isSet(period) ? { ...given, period: period as Int64 } : given
  return isSet(quota) ? { ...given, quota: quota as Int64 } : given
}

/** The limits in force afterwards. */
export function resourcesAfter(kept: Resources, given: Resources): Resources {
  const after: Record<string, unknown> = { ...kept }
  for (const name of BY_MEMBER) {
    if (given[name] !== undefined) after[name] = { ...kept[name], ...settings(given[name], name) }
  }
  if (given.hugepageLimits !== undefined) after.hugepageLimits = byPageSize(kept.hugepageLimits ?? [], given.hugepageLimits)
  // Where a value alone has been given, what it was combined with is in force no more.
  if (isSet(given.memory?.limit) && !isSet(given.memory?.swap)) after.memory = without(after.memory as Memory, 'swap')
  if (given.cpu?.idle !== undefined && !isSet(given.cpu.shares)) after.cpu = without(after.cpu as Cpu, 'shares')
  return after
}

const isSet = (value: unknown): boolean => value !== undefined && value !== '' && value !== 0 && value !== 0n

const settings = (section: object, name: (typeof BY_MEMBER)[number]): object =>
  LITERAL.has(name)
    ? section
    : Object.fromEntries(Object.entries(section).filter(([field, value]) => isSet(value) || !ZERO_IS_UNSET.has(field)))

function without<T extends object>(section: T, field: keyof T): T {
  const { [field]: _, ...rest } = section
  return rest as T
}

type HugepageLimits = NonNullable<Resources['hugepageLimits']>

const byPageSize = (kept: HugepageLimits, given: HugepageLimits): HugepageLimits => [
  ...kept.filter(({ pageSize }) => !given.some((limit) => limit.pageSize === pageSize)),
  ...given
]

/** Everything that is wrong with `resources` by the schema and the rules of a config.json that has them; pointers lead into that. */
export function resourcesProblems(resources: unknown): readonly Problem[] {
  const config = { ociVersion: '1.0.0', linux: { resources } } as unknown as Config
  return check(config, 'Config').problems.filter(({ pointer }) => isWithin(pointer, AT))
}
