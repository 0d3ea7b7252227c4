/**
 * From `linux.resources` to properties of a unit (systemd.resource-control(5)). Pure.
 *
 * systemd writes its units' cgroup files itself, and again at every `systemctl daemon-reload`: whatever it manages must be told to it,
 * or is lost then. What it does not know, and what it would round, is written into the files besides (apply.ts).
 */
import type { Cpu, DeviceRule, Int64, Resources } from '../config/types.ts'
import { TsrunError } from '../errors/error.ts'
import type { BusValue } from '../linux/sdbus.ts'
import { ACC_MKNOD, ACC_READ, ACC_WRITE, deviceRules, deviceSet, type Rule } from './devices.ts'
import { pidsMax } from './resources.v1.ts'
import { ioWeight, swapMax, weightFromShares } from './resources.v2.ts'
import type { CgroupMode } from './types.ts'

/** A property with its D-Bus type. */
export interface Property {
  readonly name: string
  readonly signature: string
  readonly value: BusValue
  /** The version of systemd that brought it, or this use of it; older ones are not asked. */
  readonly since?: number
}

/** "No limit", of type t. */
const INFINITY = 2n ** 64n - 1n

const number = (name: string, value: Int64 | undefined, since?: number): Property[] =>
  value === undefined ? [] : [{ name, signature: 't', value: BigInt(value), ...(since === undefined ? {} : { since }) }]

/** A limit of which 0 is "not set" and a negative one "none". */
const limit = (name: string, value: Int64 | undefined): Property[] =>
  value === undefined || Number(value) === 0 ? [] : number(name, value < 0 ? INFINITY : value)

/** A number, or `max`; undefined for anything else. */
const parsed = (text: string | undefined): bigint | undefined =>
  text === 'max' ? INFINITY : /^\d{1,19}$/.test(text ?? '') ? BigInt(text!) : undefined

/** The properties for `resources`, those for devices apart. Throws TsrunError `config` as planResources does. */
export function resourceProperties(resources: Resources, mode: CgroupMode): Property[] {
  const all = mode === 'v2' ? [...unifiedFields(resources), ...unifiedFiles(resources)] : legacyFields(resources)
  // `unified` has the last word, and a property is set once.
  return [...new Map(all.map((property) => [property.name, property])).values()]
}

function unifiedFields({ memory = {}, cpu = {}, pids = {}, blockIO = {} }: Resources): Property[] {
  return [
    ...limit('MemoryMax', memory.limit),
    ...number('MemorySwapMax', parsed(swapMax(memory))),
    ...limit('MemoryLow', memory.reservation),
    ...weight(cpu),
    ...quota(cpu.quota, cpu.period),
    ...set('AllowedCPUs', cpu.cpus),
    ...set('AllowedMemoryNodes', cpu.mems),
    ...number('TasksMax', parsed(pidsMax(pids.limit))),
    ...number('IOWeight', blockIO.weight ? ioWeight(blockIO.weight) : undefined)
  ]
}

function legacyFields({ memory = {}, cpu = {}, pids = {}, blockIO = {} }: Resources): Property[] {
  return [
    ...limit('MemoryLimit', memory.limit),
    ...limit('CPUShares', cpu.shares),
    ...quota(cpu.quota, cpu.period),
    ...number('TasksMax', parsed(pidsMax(pids.limit))),
    ...number('BlockIOWeight', blockIO.weight || undefined)
  ]
}

const IDLE: Property = { name: 'CPUWeight', signature: 't', value: 0n, since: 252 }

const weight = ({ shares, idle }: Cpu): Property[] => (Number(idle ?? 0) === 1 ? [IDLE] : number('CPUWeight', weightFromShares(shares)))

const DEFAULT_PERIOD = 100_000n
/** systemd keeps whole per cents; what is below one would become none. */
const PER_CENT = 10_000n

/** Quota and period in microseconds. */
function quota(quota: Int64 = 0, period: Int64 = 0): Property[] {
  if (Number(quota) === 0 && Number(period) === 0) return []
  const length = Number(period) === 0 ? DEFAULT_PERIOD : BigInt(period)
  const perSecond = quota > 0 ? (BigInt(quota) * 1_000_000n) / length : undefined
  const rounded = perSecond === undefined ? INFINITY : ((perSecond + PER_CENT - 1n) / PER_CENT) * PER_CENT
  return [...(Number(period) === 0 ? [] : number('CPUQuotaPeriodUSec', period, 242)), ...number('CPUQuotaPerSecUSec', rounded)]
}

/** The most CPUs that a kernel has (CONFIG_NR_CPUS). */
const CPUS_MAX = 8192

/** A list such as `0-3,8` as a bit set; a list that cannot be read is left to the kernel to refuse. */
function set(name: string, list: string | undefined): Property[] {
  const bytes = list ? bitSet(list) : undefined
  return bytes === undefined ? [] : [{ name, signature: 'ay', value: bytes, since: 244 }]
}

function bitSet(list: string): number[] | undefined {
  const bytes: number[] = []
  for (const range of list.replace(/\s/g, '').split(',')) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? []
    if (first === undefined || Number(last) >= CPUS_MAX || Number(first) > Number(last)) return undefined
    for (let bit = Number(first); bit <= Number(last); bit++) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
  return Array.from(bytes, (byte) => byte ?? 0)
}

/** How the content of a file reads as a property. */
const FILES: Readonly<Record<string, (content: string) => Property[]>> = {
  'cpu.idle': (content) => (content === '1' ? [IDLE] : []),
  'cpu.weight': (content) => number('CPUWeight', parsed(content)),
  'cpu.max': (content) => {
    const [most, period] = content.split(' ')
    const known = parsed(most)
    return known === undefined ? [] : quota(known === INFINITY ? -1 : known, parsed(period) ?? 0)
  },
  'cpuset.cpus': (content) => set('AllowedCPUs', content),
  'cpuset.mems': (content) => set('AllowedMemoryNodes', content),
  'memory.min': (content) => number('MemoryMin', parsed(content)),
  'memory.low': (content) => number('MemoryLow', parsed(content)),
  'memory.high': (content) => number('MemoryHigh', parsed(content)),
  'memory.max': (content) => number('MemoryMax', parsed(content)),
  'memory.swap.max': (content) => number('MemorySwapMax', parsed(content)),
  'memory.oom.group': (content) => (content === '1' ? [{ name: 'OOMPolicy', signature: 's', value: 'kill', since: 253 }] : []),
  'pids.max': (content) => number('TasksMax', parsed(content))
}

const unifiedFiles = ({ unified = {} }: Resources): Property[] =>
  Object.entries(unified).flatMap(([file, content]) => (Object.hasOwn(FILES, file) ? FILES[file]!(content.trim()) : []))

/**
 * The device rules, for systemd's own filter. Rules that it cannot hold (an exception inside a wildcard, all devices allowed but some)
 * are left to ours, and systemd then lets everything pass: the filters of a cgroup must all agree.
 */
export function deviceProperties(rules: readonly DeviceRule[] | undefined): Property[] {
  const entries = deviceEntries(deviceRules(rules))
  return [
    { name: 'DevicePolicy', signature: 's', value: entries === undefined ? 'auto' : 'strict' },
    { name: 'DeviceAllow', signature: 'a(ss)', value: entries ?? [] }
  ]
}

function deviceEntries(rules: readonly Rule[]): [string, string][] | undefined {
  try {
    const { allowByDefault, exceptions } = deviceSet(rules)
    const entries = [...exceptions.values()].map(({ access, ...rule }): [string, string] => [devicePath(rule), accessOf(access)])
    return allowByDefault || entries.some(([path]) => path === '') ? undefined : entries
  } catch (cause) {
    if (cause instanceof TsrunError && cause.code === 'unsupported') return undefined
    throw cause
  }
}

/** systemd reads the numbers out of such a path, and so needs no file there (device_path_parse_major_minor); '' when there is no way to say it. */
function devicePath({ type, major, minor }: Pick<Rule, 'type' | 'major' | 'minor'>): string {
  const kind = type === 'b' ? 'block' : 'char'
  if (major === -1) return minor === -1 ? `${kind}-*` : ''
  return minor === -1 ? `${kind}-${major}` : `/dev/${kind}/${major}:${minor}`
}

const accessOf = (bits: number): string => (bits & ACC_READ ? 'r' : '') + (bits & ACC_WRITE ? 'w' : '') + (bits & ACC_MKNOD ? 'm' : '')
