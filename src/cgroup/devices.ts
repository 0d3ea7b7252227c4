/**
 * Device rules (runtime-spec, config-linux.md#allowed-device-list): the effective list, and its form for cgroup v1. Pure.
 *
 * The meaning, for v1 and v2 alike: each of the accesses r, w, m to a device is decided by the last rule that names both;
 * what no rule names is denied.
 */
import type { DeviceRule } from '../config/types.ts'
import { partialDeviceRule } from '../errors/wording.cgroup.ts'

/** linux/bpf.h BPF_DEVCG_ACC_*. */
export const ACC_MKNOD = 1
export const ACC_READ = 2
export const ACC_WRITE = 4
export const ACC_ALL = 7

/** A rule with nothing left open. */
export interface Rule {
  readonly allow: boolean
  readonly type: 'a' | 'b' | 'c'
  /** -1: all. */
  readonly major: number
  readonly minor: number
  /** ACC_*. */
  readonly access: number
  readonly pointer: string
}

const base = '/linux/resources/devices'

/** What every container may use, whatever config.json says: a container without /dev/null is broken. The list is runc's. */
const implicit: readonly Rule[] = (
  [
    ['c', -1, -1, ACC_MKNOD], // mknod alone opens nothing
    ['b', -1, -1, ACC_MKNOD],
    ['c', 1, 3, ACC_ALL], // null
    ['c', 1, 8, ACC_ALL], // random
    ['c', 1, 7, ACC_ALL], // full
    ['c', 5, 0, ACC_ALL], // tty
    ['c', 1, 5, ACC_ALL], // zero
    ['c', 1, 9, ACC_ALL], // urandom
    ['c', 136, -1, ACC_ALL], // pts
    ['c', 5, 2, ACC_ALL], // ptmx
    ['c', 10, 200, ACC_ALL] // net/tun
  ] as const
).map(([type, major, minor, access]) => ({ allow: true, type, major, minor, access, pointer: base }))

/** The rules of config.json, and after them those that always hold. */
export function deviceRules(rules: readonly DeviceRule[] = []): Rule[] {
  const given = rules.map(({ allow, type = 'a', major = -1, minor = -1, access }, index) => ({
    allow,
    type,
    major: Number(major),
    minor: Number(minor),
    access: accessBits(access),
    pointer: `${base}/${index}`
  }))
  return [...given, ...implicit]
}

/** Absent or empty is everything. */
const accessBits = (access = ''): number =>
  (access.includes('r') ? ACC_READ : 0) | (access.includes('w') ? ACC_WRITE : 0) | (access.includes('m') ? ACC_MKNOD : 0) || ACC_ALL

const accessText = (bits: number): string => (bits & ACC_READ ? 'r' : '') + (bits & ACC_WRITE ? 'w' : '') + (bits & ACC_MKNOD ? 'm' : '')
const numberText = (n: number): string => (n === -1 ? '*' : String(n))

/** `c 1:3 rwm`, as devices.allow takes it. */
export const ruleText = ({ type, major, minor, access }: Omit<Rule, 'allow' | 'pointer'>): string =>
  `${type} ${numberText(major)}:${numberText(minor)} ${accessText(access)}`

/** True when the rule decides about every access to every device. */
export const isTotal = ({ type, major, minor, access }: Rule): boolean => type === 'a' && major === -1 && minor === -1 && access === ACC_ALL

/** What v1 can hold: a default, and exceptions from it. */
export interface DeviceSet {
  readonly allowByDefault: boolean
  /** By type and numbers, such as `c 1:3`. */
  readonly exceptions: ReadonlyMap<string, Rule>
}

/**
 * Reduces the rules to what v1 can hold. Throws TsrunError `unsupported` for a rule that takes back a part of an earlier wildcard.
 */
export function deviceSet(rules: readonly Rule[]): DeviceSet {
  let allowByDefault = false
  const exceptions = new Map<string, Rule>()
  for (const rule of rules) {
    if (isTotal(rule)) {
      allowByDefault = rule.allow
      exceptions.clear()
    } else for (const one of bothTypes(rule)) (one.allow === allowByDefault ? takeBack : addException)(exceptions, one)
  }
  return { allowByDefault, exceptions }
}

/** The kernel reads a line with type `a` as "everything", whatever follows. */
const bothTypes = (rule: Rule): Rule[] =>
  rule.type === 'a'
    ? [
        { ...rule, type: 'c' },
        { ...rule, type: 'b' }
      ]
    : [rule]

const keyOf = ({ type, major, minor }: Rule): string => `${type} ${numberText(major)}:${numberText(minor)}`

function addException(exceptions: Map<string, Rule>, rule: Rule): void {
  const access = rule.access | (exceptions.get(keyOf(rule))?.access ?? 0)
  exceptions.set(keyOf(rule), { ...rule, access })
}

function takeBack(exceptions: Map<string, Rule>, rule: Rule): void {
  for (const [key, exception] of exceptions) {
    const { type, major, minor, access } = exception
    if (type !== rule.type || (access & rule.access) === 0 || !meet(major, rule.major) || !meet(minor, rule.minor)) continue
    if (!covers(rule.major, major) || !covers(rule.minor, minor))
      throw partialDeviceRule(ruleText(rule), ruleText(exception), rule.pointer === base ? exception.pointer : rule.pointer)
    const rest = access & ~rule.access
    if (rest === 0) exceptions.delete(key)
    else exceptions.set(key, { ...exception, access: rest })
  }
}

const meet = (a: number, b: number): boolean => a === -1 || b === -1 || a === b
const covers = (wide: number, narrow: number): boolean => wide === -1 || wide === narrow

/** One write to `devices.allow` or `devices.deny`. */
export interface DeviceWrite {
  readonly file: 'devices.allow' | 'devices.deny'
  readonly value: string
  readonly pointer: string
}

/**
 * The writes that lead to `target`.
 *
 * @param current content of `devices.list`; undefined for a new cgroup, which has what its parent has
 */
export function deviceWrites({ allowByDefault, exceptions }: DeviceSet, current: string | undefined): DeviceWrite[] {
  const listed = current === undefined ? undefined : parseList(current)
  if (!allowByDefault && listed !== undefined) return differences(exceptions, listed)
  const all: DeviceWrite = { file: allowByDefault ? 'devices.allow' : 'devices.deny', value: 'a', pointer: base }
  const file = allowByDefault ? 'devices.deny' : 'devices.allow'
  const rest: DeviceWrite[] = []
  for (const rule of exceptions.values()) rest.push({ file, value: ruleText(rule), pointer: rule.pointer })
  // A new cgroup below a restricted one may not be opened up, and below an open one need not be.
  return allowByDefault && current === undefined ? rest : [all, ...rest]
}

/** Only what differs is written, so that a running container never loses a device that it keeps. */
function differences(wanted: ReadonlyMap<string, Rule>, listed: ReadonlyMap<string, Rule>): DeviceWrite[] {
  const change = (file: DeviceWrite['file'], from: ReadonlyMap<string, Rule>, other: ReadonlyMap<string, Rule>): DeviceWrite[] =>
    [...from].flatMap(([key, rule]) => {
      const access = rule.access & ~(other.get(key)?.access ?? 0)
      return access === 0 ? [] : [{ file, value: ruleText({ ...rule, access }), pointer: rule.pointer }]
    })
  return [...change('devices.deny', listed, wanted), ...change('devices.allow', wanted, listed)]
}

/** undefined when everything is allowed by default; the kernel then lists no exceptions. */
function parseList(list: string): ReadonlyMap<string, Rule> | undefined {
  const rules = new Map<string, Rule>()
  for (const line of list.split('\n')) {
    const match = /^([abc]) (\d+|\*):(\d+|\*) ([rwm]+)$/.exec(line)
    if (match?.[1] === 'a') return undefined
    if (match === null) continue
    const [, type, major, minor, access] = match as unknown as [string, 'b' | 'c', string, string, string]
    const number = (text: string) => (text === '*' ? -1 : Number(text))
    const rule = { allow: true, type, major: number(major), minor: number(minor), access: accessBits(access), pointer: base }
    rules.set(keyOf(rule), rule)
  }
  return rules
}
