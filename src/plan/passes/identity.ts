/** Who the process is: limits, ids, capabilities. Rights are given up in the order in which each is needed to give up the next. */

import { CAPABILITIES, capabilityNumber } from '../../abi/capability.ts'
import { errnoNumber } from '../../abi/errno.ts'
import { AT_EMPTY_PATH } from '../../abi/fcntl.ts'
import {
  PER_LINUX,
  PER_LINUX32,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  RLIMITS
} from '../../abi/prctl.ts'
import { isAnnotated, KEEP_ORIGINAL_GROUPS } from '../../config/annotations.ts'
import type { Rlimit } from '../../config/types.ts'
import { capabilitySet, members } from '../capabilities.ts'
import { isOwn, type ProcessInput, type ProcessPass } from '../input.ts'
import { bytes, type Step, text } from '../step.ts'
import { capData, capHeader, gidArray, rlimit } from '../structs.ts'
import { STX_RDEV, statxBuffer } from './files.ts'
import { askRuntime } from './sync.ts'

const AT = '/process/capabilities'

// ---------------------------------------------------------------- limits

/** Below this many descriptors the program itself could not go on; such a limit is set when it needs no more of them. */
const ENOUGH_FILES = 64n

const isTight = (limit: Rlimit): boolean => limit.type === 'RLIMIT_NOFILE' && BigInt(limit.soft) < ENOUGH_FILES

const setLimit = (limit: Rlimit, pointer: string): Step => ({
  call: 'prlimit64',
  args: [0, RLIMITS[limit.type], rlimit(BigInt.asUintN(64, BigInt(limit.soft)), BigInt.asUintN(64, BigInt(limit.hard))), 0],
  pointer,
  says: `set ${limit.type} to ${limit.soft} (soft) and ${limit.hard} (hard)`
})

const limits = (input: ProcessInput, tight: boolean): Step[] =>
  (input.config.process?.rlimits ?? []).flatMap((limit, i) => (isTight(limit) === tight ? [setLimit(limit, `/process/rlimits/${i}`)] : []))

/** The engine under the runtime raises the soft limit of open files; a container without a limit of its own gets the caller's. */
function callerNofile({ config, facts }: ProcessInput): Step[] {
  const own = config.process?.rlimits?.some((limit) => limit.type === 'RLIMIT_NOFILE')
  if (own || facts.callerNofile === undefined) return []
  const { soft, hard } = facts.callerNofile
  return [setLimit({ type: 'RLIMIT_NOFILE', soft, hard }, '')]
}

/** A hard limit may be raised with CAP_SYS_RESOURCE of the initial user namespace only: from another one, the runtime does it. */
export const resourceLimits: ProcessPass = (input) => {
  if (!isOwn(input, 'user')) return [...callerNofile(input), ...limits(input, false)]
  const some = (input.config.process?.rlimits ?? []).length > 0
  return [...callerNofile(input), ...(some ? askRuntime(input, 'limits', '/process/rlimits', 'wait for the resource limits') : [])]
}

/** After the last descriptor is opened. */
export const tightLimits: ProcessPass = (input) => (isOwn(input, 'user') ? [] : limits(input, true))

// ---------------------------------------------------------------- standard streams

const stat = statxBuffer()
const NULL_DEVICE = bytes('1:3', new Uint8Array([1, 0, 0, 0, 3, 0, 0, 0]))
const EXDEV = errnoNumber('EXDEV')

/** /dev/stdout must be openable by the user who writes to it. The null device belongs to everyone and is left alone. */
export const ownStreams: ProcessPass = ({ config }) => {
  const uid = config.process?.user?.uid ?? 0
  if (uid === 0 || config.process?.terminal) return []
  return [0, 1, 2].flatMap((fd): Step[] => {
    const says = `give descriptor ${fd} to the user`
    const pointer = '/process/user/uid'
    return [
      {
        call: 'statx',
        args: [fd, text(''), AT_EMPTY_PATH, 1, stat],
        on: { EBADF: { skip: 2 } },
        pointer,
        says: `look at descriptor ${fd}`
      },
      {
        call: 'compare',
        args: [{ kind: 'inside', of: stat, offset: STX_RDEV }, NULL_DEVICE, 0, 8, EXDEV],
        on: { EXDEV: 'next' },
        then: { skip: 1 },
        pointer,
        says: `see whether descriptor ${fd} is the null device`
      },
      { call: 'fchown', args: [fd, uid, -1], on: { EINVAL: 'next', EPERM: 'next', EROFS: 'next' }, pointer, says }
    ]
  })
}

// ---------------------------------------------------------------- ids and capabilities

/** umask(2); 0022 when the config has none, as in runc and crun. */
export const umask: ProcessPass = ({ config }) => {
  const mask = config.process?.user?.umask ?? 0o022
  return [{ call: 'umask', args: [mask], pointer: '/process/user/umask', says: `set the umask to 0${mask.toString(8)}` }]
}

/** personality(2). */
export const personality: ProcessPass = ({ config }) => {
  const domain = config.linux?.personality?.domain
  if (domain === undefined) return []
  const number = domain === 'LINUX32' ? PER_LINUX32 : PER_LINUX
  return [{ call: 'personality', args: [number], pointer: '/linux/personality/domain', says: `set the personality ${domain}` }]
}

/** Capabilities that exist here and may be given: those the runtime lacks cannot be, which config.md wants warned about and not refused. */
function available({ facts, namespaces }: ProcessInput): bigint {
  const known = (1n << BigInt(facts.lastCapability + 1)) - 1n
  return namespaces.user === undefined ? known & facts.permittedCapabilities : known
}

/** Names in the config that this kernel or this runtime's caller does not have; for a warning. */
export function unavailableCapabilities(input: ProcessInput): string[] {
  const wanted = new Set(Object.values(input.config.process?.capabilities ?? {}).flatMap((names: readonly string[]) => names))
  const missing = capabilitySet([...wanted]) & ~available(input)
  return members(missing).map((number) => CAPABILITIES[number] ?? String(number))
}

const drop = (capability: number): Step => ({
  call: 'prctl',
  args: [PR_CAPBSET_DROP, capability, 0, 0, 0],
  pointer: `${AT}/bounding`,
  says: `drop ${CAPABILITIES[capability] ?? `capability ${capability}`} from the bounding set`
})

/**
 * First, while CAP_SETPCAP is still there. What the bounding set lacks, no program can ever gain (capabilities(7)).
 * A process without `capabilities` has none, as in runc and crun: what is left out must not be more than what is written down.
 */
export const boundingSet: ProcessPass = (input) => {
  const keep = capabilitySet(input.config.process?.capabilities?.bounding)
  // What the runtime itself lacks may still be in its bounding set, so every known one is dropped.
  const known = (1n << BigInt(input.facts.lastCapability + 1)) - 1n
  return members(known & ~keep).map(drop)
}

/** setgroups(2) before setresgid(2) before setresuid(2): each takes away the right to the one before. KEEPCAPS lets the new uid keep what is then cut down. */
export const ids: ProcessPass = (input) => {
  const { config, facts, namespaces } = input
  const { uid = 0, gid = 0, additionalGids = [] } = config.process?.user ?? {}
  const steps: Step[] = [
    { call: 'prctl', args: [PR_SET_KEEPCAPS, 1, 0, 0, 0], pointer: AT, says: 'keep the capabilities across the change of the uid' }
  ]
  const keeps = isAnnotated(config, KEEP_ORIGINAL_GROUPS)
  if (!keeps && (!facts.setgroupsDenied || additionalGids.length > 0)) {
    const pointer = '/process/user/additionalGids'
    steps.push({
      call: 'setgroups',
      args: [additionalGids.length, gidArray(additionalGids)],
      // Whether a user namespace that is joined forbids it (user_namespaces(7)) is seen now; who asks for no group then keeps what he has.
      ...(namespaces.user?.path && additionalGids.length === 0 ? { on: { EPERM: 'next' } as const } : {}),
      pointer,
      says: `set the additional groups [${additionalGids.join(', ')}]`
    })
  }
  steps.push({ call: 'setresgid', args: [gid | 0, gid | 0, gid | 0], pointer: '/process/user/gid', says: `become gid ${gid}` })
  steps.push({ call: 'setresuid', args: [uid | 0, uid | 0, uid | 0], pointer: '/process/user/uid', says: `become uid ${uid}` })
  return steps
}

export const CAP_SYS_ADMIN = 1n << BigInt(capabilityNumber('CAP_SYS_ADMIN')!)

/** Without no_new_privs, loading a seccomp filter takes CAP_SYS_ADMIN (seccomp(2)); it is kept, permitted but not effective, until then. */
export const keepsAdmin = ({ config, facts }: ProcessInput): boolean =>
  facts.seccomp !== undefined && config.process?.noNewPrivileges !== true

/** The sets that the command starts with; nothing that cannot be given is in them. */
export function capabilitySets(input: ProcessInput): { effective: bigint; permitted: bigint; inheritable: bigint; ambient: bigint } {
  const wanted = input.config.process?.capabilities
  const may = available(input)
  const set = (names: readonly string[] | undefined): bigint => capabilitySet(names) & may
  const permitted = set(wanted?.permitted)
  const inheritable = set(wanted?.inheritable)
  return { effective: set(wanted?.effective) & permitted, permitted, inheritable, ambient: set(wanted?.ambient) & permitted & inheritable }
}

/** The other four sets. Nothing is inheritable or ambient that the config does not name (CVE-2022-24769). */
export const capabilities: ProcessPass = (input) => {
  const { effective, permitted, inheritable, ambient } = capabilitySets(input)
  const kept = keepsAdmin(input) ? permitted | (CAP_SYS_ADMIN & available(input)) : permitted
  return [
    { call: 'capset', args: [capHeader(), capData(effective, kept, inheritable)], pointer: AT, says: 'set the capabilities' },
    { call: 'prctl', args: [PR_SET_KEEPCAPS, 0, 0, 0, 0], pointer: AT, says: 'keep the capabilities no longer' },
    {
      call: 'prctl',
      args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0],
      pointer: `${AT}/ambient`,
      says: 'clear the ambient capabilities'
    },
    ...members(ambient).map(
      (number): Step => ({
        call: 'prctl',
        args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0],
        // Not fatal in runc either: a capability that cannot be raised is missing, and the rest holds.
        on: { EPERM: 'next' },
        pointer: `${AT}/ambient`,
        says: `raise ${CAPABILITIES[number]} in the ambient set`
      })
    )
  ]
}

/** No program that is executed from here on gains rights (prctl(2)). */
export const noNewPrivileges: ProcessPass = ({ config }) =>
  config.process?.noNewPrivileges
    ? [{ call: 'prctl', args: [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], pointer: '/process/noNewPrivileges', says: 'set no_new_privs' }]
    : []
