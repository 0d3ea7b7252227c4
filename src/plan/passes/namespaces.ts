/** Namespaces: joined by path, made anew, owned by the right user namespace; and init, which is cloned into them. */
import { errnoNumber } from '../../abi/errno.ts'
import { AT_FDCWD, O_CLOEXEC, O_RDONLY, O_WRONLY } from '../../abi/fcntl.ts'
import { PR_SET_DUMPABLE } from '../../abi/prctl.ts'
import {
  CLONE_INTO_CGROUP,
  CLONE_NEWCGROUP,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_PARENT,
  NAMESPACE_FLAGS,
  type NamespaceType
} from '../../abi/sched.ts'
import { signalNumbers } from '../../abi/signals.ts'
import { annotatedOffsets, TIMENS_OFFSET } from '../../config/annotations.ts'
import type { IdMapping } from '../../config/types.ts'
import { cgroupRefusals, namespaceRefusals } from '../../errors/wording.plan.ts'
import { clones, type Input, isNew, isOwn, JOIN_ORDER, namespacePointer, newNamespaceFlags, type Pass } from '../input.ts'
import { encodeNotice } from '../protocol.ts'
import { bytes, type Step, slot, text } from '../step.ts'
import { CLONE_ARGS_SIZE, cloneArgs, flag } from '../structs.ts'
import { close } from './files.ts'
import { unifiedFd, unifiedJoin } from './host.ts'
import { askRuntime, tellRuntime } from './sync.ts'

const namespaceFd = (type: NamespaceType) => slot(`${type} namespace`)
const notJoined = (type: NamespaceType) => slot(`${type} not joined`)

const joined = (input: Input): NamespaceType[] =>
  ([...JOIN_ORDER, 'user'] as const).filter((type) => isOwn(input, type) && !isNew(input, type))

/** All paths are looked up on the host, before any of the namespaces changes what a path means. */
export const openNamespaces: Pass = (input) =>
  joined(input).map((type) => ({
    call: 'openat',
    args: [AT_FDCWD, text(input.namespaces[type]!.path!), O_RDONLY | O_CLOEXEC, 0],
    save: namespaceFd(type),
    pointer: `${namespacePointer(input, type)}/path`,
    says: `open the ${type} namespace "${input.namespaces[type]!.path}"`
  }))

// The type argument makes setns(2) fail with EINVAL on a namespace of another type.
const setns = (input: Input, type: NamespaceType): Step => ({
  call: 'setns',
  args: [namespaceFd(type), NAMESPACE_FLAGS[type]],
  pointer: `${namespacePointer(input, type)}/path`,
  says: `join the ${type} namespace "${input.namespaces[type]!.path}"`
})

/**
 * Joining needs CAP_SYS_ADMIN over the namespace's owner. Root has it before it enters a user namespace, an ordinary user only after:
 * so each is tried before, and what was refused is joined after.
 */
export const joinNamespaces: Pass = (input) => {
  const others = joined(input).filter((type) => type !== 'user')
  return isOwn(input, 'user')
    ? others.map((type) => tryBefore(input, type))
    : others.flatMap((type) => [setns(input, type), close(namespaceFd(type))])
}

const tryBefore = (input: Input, type: NamespaceType): Step => ({ ...setns(input, type), save: notJoined(type), on: { EPERM: 'next' } })

/** The ones that were refused before the user namespace was entered. */
export const joinOwnedNamespaces: Pass = (input) => {
  if (!isOwn(input, 'user')) return []
  return joined(input)
    .filter((type) => type !== 'user')
    .flatMap((type) => [
      {
        call: 'compare',
        args: [flag(notJoined(type), 1), bytes('[0]', new Uint8Array(4)), 0, 4, errnoNumber('EAGAIN')],
        on: { EAGAIN: 'next' },
        then: { skip: 1 },
        pointer: `${namespacePointer(input, type)}/path`,
        says: `see whether the ${type} namespace is joined`
      },
      setns(input, type),
      close(namespaceFd(type))
    ])
}

/** Whoever is not uid 0 of the user namespace would lose its capabilities there at execve(2). */
export const becomeRoot = (pointer: string): Step[] => [
  { call: 'setresgid', args: [0, 0, 0], pointer, says: 'become gid 0 of the user namespace' },
  { call: 'setresuid', args: [0, 0, 0], pointer, says: 'become uid 0 of the user namespace' }
]

/** The user namespace comes first: it then owns all the others that are made after it (user_namespaces(7)). */
export const userNamespace: Pass = (input) => {
  if (!isOwn(input, 'user')) return []
  const pointer = namespacePointer(input, 'user')
  if (!isNew(input, 'user')) return [setns(input, 'user'), close(namespaceFd('user')), ...becomeRoot(pointer)]
  return [
    { call: 'unshare', args: [CLONE_NEWUSER], pointer, says: 'make a user namespace' },
    ...askRuntime(input, 'maps', '/linux/uidMappings', 'wait for the id mappings'),
    ...becomeRoot(pointer)
  ]
}

const offsetsFile = slot('timens_offsets')

/** Offsets can be written only while no process is in the new time namespace (time_namespaces(7)); it takes effect in children. */
export const timeNamespace: Pass = (input) => {
  if (!isNew(input, 'time')) return []
  const pointer = namespacePointer(input, 'time')
  const unshare: Step = { call: 'unshare', args: [CLONE_NEWTIME], pointer, says: 'make a time namespace' }
  const lines = offsetLines(input)
  if (lines === '') return [unshare]
  const says = 'write the clock offsets'
  const at = input.config.linux?.timeOffsets === undefined ? `/annotations/${TIMENS_OFFSET}` : '/linux/timeOffsets'
  return [
    unshare,
    // Becoming uid 0 has made the process undumpable, and its /proc files root's.
    { call: 'prctl', args: [PR_SET_DUMPABLE, 1, 0, 0, 0], pointer: at, says: 'become dumpable' },
    { call: 'openat', args: [AT_FDCWD, text('/proc/self/timens_offsets'), O_WRONLY | O_CLOEXEC, 0], save: offsetsFile, pointer: at, says },
    { call: 'write', args: [offsetsFile, text(lines), lines.length], pointer: at, says },
    close(offsetsFile, at)
  ]
}

function offsetLines(input: Input): string {
  const offsets = input.config.linux?.timeOffsets
  if (offsets === undefined) return annotatedOffsets(input.config)
  return (['monotonic', 'boottime'] as const)
    .filter((clock) => offsets[clock] !== undefined)
    .map((clock) => `${clock} ${offsets[clock]?.secs ?? 0} ${offsets[clock]?.nanosecs ?? 0}\n`)
    .join('')
}

const initPid = slot('init pid')

/**
 * Makes the remaining namespaces. A new pid or time namespace holds only children, so init is cloned, as a sibling (CLONE_PARENT):
 * it becomes the runtime's own child, and the spawned process tells its pid and goes.
 */
export const cloneInit: Pass = (input) => {
  const flags = newNamespaceFlags(input)
  if (!clones(input))
    return flags === 0 ? [] : [{ call: 'unshare', args: [flags], pointer: AT, ...whyNot(input), says: 'make the namespaces' }]
  const notice = { ...bytes('{initPid}', encodeNotice('initPid')), slots: [{ offset: 4, slot: initPid }] }
  const leave: Step[] = [
    tellRuntime(input, notice, '', 'tell the pid of init'),
    { call: 'exit_group', args: [0], pointer: '', says: 'leave init alone' }
  ]
  return [...(unifiedFd(input) === undefined ? [plainClone(input, flags)] : cloneIntoCgroup(input, flags)), ...leave]
}

const AT = '/linux/namespaces'

/** Without a user namespace that owns them they take the host's CAP_SYS_ADMIN. */
const whyNot = (input: Input): Pick<Step, 'why'> => (input.facts.rootless && !isOwn(input, 'user') ? { why: namespaceRefusals } : {})

const plainClone = (input: Input, flags: number): Step => ({
  call: 'clone',
  args: [flags | CLONE_PARENT | signalNumbers.SIGCHLD, 0, 0, 0, 0],
  save: initPid,
  zero: { skip: 2 },
  pointer: AT,
  ...whyNot(input),
  says: 'clone init into its namespaces'
})

/**
 * Init is born in its v2 cgroup: moving it there would wait for every processor (a write to cgroup.procs takes 10 ms now and then).
 * Where clone3 is forbidden (older seccomp profiles around us) the spawned process moves itself; a cgroup that may be refused is left alone then.
 */
function cloneIntoCgroup(input: Input, flags: number): Step[] {
  const directory = unifiedFd(input)!
  const pointer = '/linux/cgroupsPath'
  const optional = unifiedJoin(input)!.optional
  const move: Step[] = optional
    ? [plainClone(input, flags)]
    : [
        {
          call: 'openat',
          args: [directory, text('cgroup.procs'), O_WRONLY | O_CLOEXEC, 0],
          save: procs,
          pointer,
          says: 'open "cgroup.procs"'
        },
        { call: 'write', args: [procs, text('0'), 1], pointer, says: 'join the cgroup', why: cgroupRefusals },
        close(procs, pointer),
        plainClone(input, flags)
      ]
  const args = cloneArgs(
    BigInt(flags | CLONE_PARENT) | CLONE_INTO_CGROUP,
    directory,
    `{flags=…|CLONE_PARENT|CLONE_INTO_CGROUP, cgroup=<${directory.name}>}`
  )
  return [
    {
      call: 'clone3',
      args: [args, CLONE_ARGS_SIZE],
      save: initPid,
      on: optional ? { any: 'next' } : { ENOSYS: 'next' },
      zero: { skip: move.length + 2 },
      then: { skip: move.length },
      pointer: AT,
      says: 'clone init into its namespaces and cgroup',
      why: { ...cgroupRefusals, ...whyNot(input).why }
    },
    ...move
  ]
}

const procs = slot('cgroup.procs')

/** When init is in its cgroup: the namespace's root is the cgroup that its maker is in (cgroup_namespaces(7)). */
export const cgroupNamespace: Pass = (input) =>
  isNew(input, 'cgroup')
    ? [{ call: 'unshare', args: [CLONE_NEWCGROUP], pointer: namespacePointer(input, 'cgroup'), says: 'make a cgroup namespace' }]
    : []

/**
 * Init can be neither traced nor read through /proc from now until execve (CVE-2016-9962). An unprivileged runtime must still read it, which it may
 * where nobody but the runtime's own user can see it.
 */
export const undumpable: Pass = (input) => {
  if (!mustBeRead(input)) return [{ call: 'prctl', args: [PR_SET_DUMPABLE, 0, 0, 0, 0], pointer: '', says: 'become undumpable' }]
  return becameAnother(input) ? [stayDumpable] : []
}

const mustBeRead = (input: Input): boolean => input.facts.rootless && !(isOwn(input, 'pid') && !isNew(input, 'pid'))

const stayDumpable: Step = { call: 'prctl', args: [PR_SET_DUMPABLE, 1, 0, 0, 0], pointer: '', says: 'stay dumpable' }

/**
 * True when root of the new user namespace is one of the user's subordinate ids: becoming it has made the process undumpable, too, and hooks could
 * not join it. In a namespace that is joined there are others, who might look.
 */
function becameAnother(input: Input): boolean {
  const { uidMappings = [], gidMappings = [] } = input.config.linux ?? {}
  const isRoot = (maps: readonly IdMapping[], id: number): boolean =>
    maps.some(({ containerID, hostID }) => containerID === 0 && hostID === id)
  return isNew(input, 'user') && !(isRoot(uidMappings, input.facts.euid) && isRoot(gidMappings, input.facts.egid))
}

/** Another uid or gid has made it undumpable (prctl(2)): hooks and `exec` could not join it before `start`. */
export const staysDumpable: Pass = (input) => {
  const { uid = 0, gid = 0 } = input.config.process?.user ?? {}
  return mustBeRead(input) && (uid !== 0 || gid !== 0) ? [stayDumpable] : []
}
