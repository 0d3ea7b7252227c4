/**
 * From `linux.seccomp` to a list of checked rules, each with its place in config.json. Pure.
 */
import type { Seccomp, SeccompAction, SeccompArg, SeccompSyscall } from '../config/types.ts'
import type { Problem } from '../errors/error.ts'
import * as wording from '../errors/wording.seccomp.ts'
import { actions, architectures, DEFAULT_ERRNO, flags, operators } from './names.ts'

/** One condition on an argument (struct scmp_arg_cmp). All comparisons are unsigned and 64 bits wide. */
export interface Comparison {
  /** 0 … 5. */
  readonly index: number
  /** SCMP_CMP_*. */
  readonly op: number
  /** The mask of MASKED_EQ, otherwise the value. */
  readonly a: bigint
  /** The value of MASKED_EQ. */
  readonly b: bigint
}

/** What happens at the system calls `names` when all of `args` hold. */
export interface Rule {
  readonly names: readonly string[]
  /** SECCOMP_RET_* with its data. */
  readonly action: number
  readonly args: readonly Comparison[]
  /** Index in `syscalls`. */
  readonly entry: number
}

export interface RuleSet {
  /** SECCOMP_RET_* with its data. */
  readonly defaultAction: number
  /** In the profile's order. */
  readonly rules: readonly Rule[]
  /** Everything that is wrong with the profile; when it is not empty, the rest means nothing. */
  readonly problems: readonly Problem[]
}

const ROOT = '/linux/seccomp'

/** Where name number `item` of `rule` comes from: `/linux/seccomp/syscalls/12/names/3`. */
export const pointerOf = ({ entry }: Rule, item: number): string => `${ROOT}/syscalls/${entry}/names/${item}`

/** Flattens and checks `profile`. Throws nothing: what is wrong is in `problems`. */
export function rulesOf(profile: Seccomp): RuleSet {
  const problems: Problem[] = []
  const refuse: Refuse = (pointer, message) => void problems.push({ pointer: `${ROOT}${pointer}`, message })
  checkNames(profile, refuse)
  checkListener(profile, refuse)
  const defaultAction = actionOf(profile.defaultAction, profile.defaultErrnoRet, '/defaultAction', '/defaultErrnoRet', refuse)
  if (profile.defaultAction === 'SCMP_ACT_NOTIFY') refuse('/defaultAction', wording.notifyAsDefault)
  const rules: Rule[] = []
  const syscalls = profile.syscalls ?? []
  for (let entry = 0; entry < syscalls.length; entry++) addRules(rules, syscalls[entry]!, entry, refuse)
  return { defaultAction, rules, problems }
}

type Refuse = (pointer: string, message: string) => void

function checkNames({ architectures: named = [], flags: flagged = [] }: Seccomp, refuse: Refuse): void {
  named.forEach((name, i) => {
    if (!Object.hasOwn(architectures, name)) refuse(`/architectures/${i}`, wording.oneOf(name, architectures))
  })
  flagged.forEach((name, i) => {
    if (!Object.hasOwn(flags, name)) refuse(`/flags/${i}`, wording.oneOf(name, flags))
  })
}

/** The listener and what it is for must come together. An empty string is as good as none. */
function checkListener({ listenerPath, listenerMetadata, syscalls = [], flags: flagged = [] }: Seccomp, refuse: Refuse): void {
  if (listenerMetadata && !listenerPath) refuse('/listenerMetadata', wording.metadataAlone)
  const notifies = syscalls.findIndex(({ action }) => action === 'SCMP_ACT_NOTIFY')
  if (notifies !== -1 && !listenerPath) refuse(`/syscalls/${notifies}/action`, wording.notifyWithoutListener)
  // The kernel refuses this flag on a filter that has no listener.
  const waits = flagged.indexOf('SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV')
  if (waits !== -1 && notifies === -1) refuse(`/flags/${waits}`, wording.waitWithoutNotify)
}

/** The largest errno that the kernel returns (MAX_ERRNO); it would quietly lower a larger one. */
const MAX_ERRNO = 4095
const MAX_DATA = 0xffff

function actionOf(action: SeccompAction, errno: number | undefined, pointer: string, errnoPointer: string, refuse: Refuse): number {
  if (!Object.hasOwn(actions, action)) {
    refuse(pointer, wording.oneOf(action, actions))
    return 0
  }
  if (action !== 'SCMP_ACT_ERRNO' && action !== 'SCMP_ACT_TRACE') {
    if (errno !== undefined) refuse(errnoPointer, wording.actionWithoutErrno(action))
    return actions[action]
  }
  const max = action === 'SCMP_ACT_ERRNO' ? MAX_ERRNO : MAX_DATA
  const data = errno ?? DEFAULT_ERRNO
  if (!Number.isInteger(data) || data < 0 || data > max) refuse(errnoPointer, wording.errnoRange(data, max))
  return actions[action] + data
}

function addRules(rules: Rule[], syscall: SeccompSyscall, entry: number, refuse: Refuse): void {
  const at = `/syscalls/${entry}`
  const action = actionOf(syscall.action, syscall.errnoRet, `${at}/action`, `${at}/errnoRet`, refuse)
  const { names } = syscall
  const conditions = conditionsOf(syscall.args, at, refuse)
  if (names.length === 0) refuse(`${at}/names`, wording.noNames)
  const empty = names.indexOf('')
  if (empty !== -1) refuse(`${at}/names/${empty}`, wording.emptyName)
  // The agent gets the listener through a message of the container, so the call that sends it cannot wait for the agent.
  const write = syscall.action === 'SCMP_ACT_NOTIFY' ? names.indexOf('write') : -1
  if (write !== -1) refuse(`${at}/names/${write}`, wording.notifyOnWrite)
  for (const args of conditions) rules.push({ names, action, args, entry })
}

const unconditional: readonly (readonly Comparison[])[] = [[]]

/**
 * The alternatives under which the rule holds. libseccomp cannot compare one argument twice in a rule; as in runc, conditions with a
 * repeated index are then alternatives, each a rule of its own.
 */
function conditionsOf(args: readonly SeccompArg[] | undefined, at: string, refuse: Refuse): readonly (readonly Comparison[])[] {
  if (args === undefined || args.length === 0) return unconditional
  const comparisons = args.map((arg, i) => comparisonOf(arg, `${at}/args/${i}`, refuse))
  const indexes = new Set(args.map(({ index }) => index))
  return indexes.size === args.length ? [comparisons] : comparisons.map((comparison) => [comparison])
}

function comparisonOf({ index, op, value, valueTwo = 0 }: SeccompArg, at: string, refuse: Refuse): Comparison {
  if (!Number.isInteger(index) || index < 0 || index > 5) refuse(`${at}/index`, wording.argumentIndex(index))
  if (!Object.hasOwn(operators, op)) refuse(`${at}/op`, wording.oneOf(op, operators))
  return { index, op: operators[op] ?? 0, a: word(value, `${at}/value`, refuse), b: word(valueTwo, `${at}/valueTwo`, refuse) }
}

function word(value: number | bigint, pointer: string, refuse: Refuse): bigint {
  const wide = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value) : -1n
  if (wide >= 0n && wide < 1n << 64n) return wide
  refuse(pointer, wording.notUint64(value))
  return 0n
}
