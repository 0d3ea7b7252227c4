/**
 * The program that becomes a hook (config.md#posix-platform-hooks): it joins the container's namespaces where the kind of hook asks for it, and
 * executes the hook. Pure, as the container's own plan.
 */
import { AT_FDCWD, CLOSE_RANGE_CLOEXEC, O_CLOEXEC, O_WRONLY } from '../abi/fcntl.ts'
import { PR_SET_DUMPABLE, PR_SET_PDEATHSIG } from '../abi/prctl.ts'
import { CLONE_PARENT, NAMESPACE_FLAGS, type NamespaceType } from '../abi/sched.ts'
import { signalNumbers } from '../abi/signals.ts'
import type { Architecture } from '../abi/syscalls.ts'
import type { Config, Hook } from '../config/types.ts'
import type { ExecFacts } from './exec.ts'
import type { ProcessOptions } from './facts.ts'
import type { ProcessInput } from './input.ts'
import { listens, sendsListener } from './listener.ts'
import { writeFile } from './passes/host.ts'
import * as identity from './passes/identity.ts'
import { labels } from './passes/labels.ts'
import { listeningSeccomp, seccomp } from './passes/seccomp.ts'
import * as session from './passes/session.ts'
import { orphaned } from './passes/sync.ts'
import { encodeNotice } from './protocol.ts'
import { bytes, type Plan, type ProgramFd, type Slot, type Step, slot, text } from './step.ts'
import { stringArray } from './structs.ts'

/** Whose rights a hook gets that is a file of the container: those of the container's process, and no more. */
export interface HookProcess {
  readonly config: Config
  readonly facts: ExecFacts
  readonly options: Pick<ProcessOptions, 'id' | 'noNewKeyring'>
}

export interface HookFacts {
  readonly arch: Architecture
  /** Types of the container's namespaces that differ from the runtime's; empty for hooks of the runtime's namespaces. */
  readonly join: readonly NamespaceType[]
  /** Working directory, looked up after joining; one that is gone does not keep the hook from running. */
  readonly directory: string
  /** Environment when the hook has none. */
  readonly defaultEnv: readonly string[]
  /** JSON pointer to the hook. */
  readonly pointer: string
  /** Absent: the hook is a file of the host, and has the runtime's rights. */
  readonly as?: HookProcess | undefined
}

const SYNC = 3
const INIT = 4

const hookPid = slot('hook pid')

/** Compiles one hook. Descriptors: `sync` for notices and failures, `init` (a pidfd) when namespaces are joined. */
export function compileHook(hook: Hook, facts: HookFacts): Plan {
  const report = slot('report')
  return Object.freeze({
    arch: facts.arch,
    steps: [
      ...label(facts),
      ...undumpable(facts),
      ...enterable(facts),
      ...join(facts),
      ...clone(facts),
      ...enter(facts),
      ...group(facts),
      ...directory(facts),
      ...execute(hook, facts),
      ...(waitsForListener(facts) ? orphaned() : [])
    ],
    fds: programFds(facts),
    report,
    reportFd: SYNC
  })
}

const waitsForListener = ({ as }: HookFacts): boolean => as !== undefined && listens(as.facts)

function programFds({ join, as }: HookFacts): readonly ProgramFd[] {
  const names = ['sync', ...(join.length === 0 ? [] : ['init']), ...(as !== undefined && sendsListener(as.facts) ? ['listener'] : [])]
  return names.map((name, i) => ({ name, fd: SYNC + i }))
}

const label = (facts: HookFacts): readonly Step[] => {
  const input = processInput(facts)
  return input === undefined ? [] : labels(input)
}

/** Whoever else is in the container cannot trace it while it has more rights than they have. */
const undumpable = ({ join, pointer }: HookFacts): Step[] =>
  join.length === 0 ? [] : [{ call: 'prctl', args: [PR_SET_DUMPABLE, 0, 0, 0, 0], pointer, says: 'become undumpable' }]

/**
 * A process group of its own: when its time is up, what the hook has started is killed with it. A file of the container's gets a session of its own,
 * for the caller's terminal is no business of it.
 */
const group = ({ as, pointer }: HookFacts): Step[] =>
  as === undefined
    ? [{ call: 'setpgid', args: [0, 0], pointer, says: 'make a process group for the hook' }]
    : [{ call: 'setsid', args: [], pointer, says: 'start a session for the hook' }]

/** All at once through the pidfd of init, as setns(2) can since Linux 5.8. */
function join({ join, pointer }: HookFacts): Step[] {
  if (join.length === 0) return []
  const flags = join.reduce((all, type) => all | NAMESPACE_FLAGS[type], 0)
  const steps: Step[] = [{ call: 'setns', args: [INIT, flags], pointer, says: "join the container's namespaces" }]
  if (!join.includes('user')) return steps
  // Whoever is not uid 0 of the user namespace would lose all capabilities at execve(2).
  return [
    ...steps,
    { call: 'setgroups', args: [0, 0], on: { EPERM: 'next' }, pointer, says: 'drop the supplementary groups' },
    { call: 'setresgid', args: [0, 0, 0], on: { EINVAL: 'next' }, pointer, says: "become gid 0 of the container's user namespace" },
    { call: 'setresuid', args: [0, 0, 0], on: { EINVAL: 'next' }, pointer, says: "become uid 0 of the container's user namespace" }
  ]
}

/** A pid or time namespace that was joined holds children only, so the hook is cloned, as the runtime's own child. */
function clone({ join, pointer }: HookFacts): Step[] {
  if (!join.includes('pid') && !join.includes('time')) return []
  const notice = { ...bytes('{initPid}', encodeNotice('initPid')), slots: [{ offset: 4, slot: hookPid }] }
  return [
    {
      call: 'clone',
      args: [CLONE_PARENT | signalNumbers.SIGCHLD, 0, 0, 0, 0],
      save: hookPid,
      zero: { skip: 2 },
      pointer,
      says: 'clone the hook'
    },
    { call: 'write', args: [SYNC, notice, 8], pointer, says: 'tell the pid of the hook' },
    { call: 'exit_group', args: [0], pointer, says: 'leave the hook alone' }
  ]
}

const directory = ({ directory, pointer }: HookFacts): Step[] => [
  {
    call: 'chdir',
    args: [text(directory)],
    on: { any: 'next' },
    pointer,
    says: `change the working directory to ${JSON.stringify(directory)}`
  }
]

const cgroupFile = (directory: string): Slot => slot(`cgroup "${directory}"`)

/** The files by which the cgroups are joined, opened with the host's rights and paths; those that may be refused are joined at once. */
function enterable({ as, pointer }: HookFacts): Step[] {
  return (as?.facts.cgroups ?? []).flatMap(({ directory, file = 'cgroup.procs', optional }): Step[] => {
    const path = `${directory}/${file}`
    const says = `join the cgroup ${JSON.stringify(directory)}`
    if (optional) return writeFile(path, '0', pointer, says, { EACCES: 'next', EPERM: 'next', ENOENT: 'next', EROFS: 'next' })
    return [{ call: 'openat', args: [AT_FDCWD, text(path), O_WRONLY | O_CLOEXEC, 0], save: cgroupFile(directory), pointer, says }]
  })
}

/** The limits and the devices of the container hold for the hook, too. */
const enter = ({ as, pointer }: HookFacts): Step[] =>
  (as?.facts.cgroups ?? [])
    .filter(({ optional }) => !optional)
    .map(({ directory }) => ({
      call: 'write',
      args: [cgroupFile(directory), text('0'), 1],
      pointer,
      says: `join the cgroup ${JSON.stringify(directory)}`
    }))

/** What the passes of a process see; undefined for a file of the host. */
function processInput(facts: HookFacts): ProcessInput | undefined {
  const { as, join } = facts
  if (as === undefined) return undefined
  const { config, options } = as
  const namespaces = Object.fromEntries(join.map((type) => [type, { type, path: 'init', pointer: '' }]))
  return {
    config,
    facts: as.facts,
    options: { ...options, preserveFds: 0, consoleSocket: false, extraEnv: [] },
    namespaces,
    candidates: [],
    fds: programFds(facts)
  }
}

/** As for the container's process: ids and capabilities before, the filter after the last thing that it may forbid. */
function rights(facts: HookFacts): { readonly before: readonly Step[]; readonly after: readonly Step[] } {
  const input = processInput(facts)
  if (input === undefined) return { before: [], after: [] }
  const before = [
    session.sessionKeyring,
    identity.boundingSet,
    identity.ids,
    identity.capabilities,
    identity.noNewPrivileges,
    identity.umask
  ]
  return { before: before.flatMap((pass) => pass(input)), after: [...listeningSeccomp(input), ...seccomp(input)] }
}

function execute(hook: Hook, facts: HookFacts): Step[] {
  const { defaultEnv, pointer } = facts
  const args = hook.args === undefined || hook.args.length === 0 ? [hook.path] : hook.args
  const { before, after } = rights(facts)
  return [
    ...before,
    // A hook whose runtime is gone works for a container that nobody is making any more. A change of ids would undo this.
    { call: 'prctl', args: [PR_SET_PDEATHSIG, signalNumbers.SIGKILL, 0, 0, 0], pointer, says: 'end with the runtime' },
    { call: 'close_range', args: [3, -1, CLOSE_RANGE_CLOEXEC], pointer, says: 'close the descriptors of the runtime at execve' },
    ...after,
    {
      call: 'execve',
      args: [text(hook.path), stringArray(args), stringArray(hook.env ?? defaultEnv)],
      pointer,
      says: `execute ${JSON.stringify(hook.path)}`
    }
  ]
}
