/**
 * The program that becomes a hook (config.md#posix-platform-hooks): it joins the container's namespaces where the kind of hook asks for it, and
 * executes the hook. Pure, as the container's own plan.
 */
import { CLOSE_RANGE_CLOEXEC } from '../abi/fcntl.ts'
import { CLONE_PARENT, NAMESPACE_FLAGS, type NamespaceType } from '../abi/sched.ts'
import { signalNumbers } from '../abi/signals.ts'
import type { Architecture } from '../abi/syscalls.ts'
import type { Hook } from '../config/types.ts'
import { encodeNotice } from './protocol.ts'
import { bytes, type Plan, type Step, slot, text } from './step.ts'
import { stringArray } from './structs.ts'

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
}

const SYNC = 3
const INIT = 4

const hookPid = slot('hook pid')

/** Compiles one hook. Descriptors: `sync` for notices and failures, `init` (a pidfd) when namespaces are joined. */
export function compileHook(hook: Hook, facts: HookFacts): Plan {
  const report = slot('report')
  return Object.freeze({
    arch: facts.arch,
    steps: [...group(facts), ...join(facts), ...clone(facts), ...directory(facts), ...execute(hook, facts)],
    fds: [{ name: 'sync', fd: SYNC }, ...(facts.join.length === 0 ? [] : [{ name: 'init', fd: INIT }])],
    report,
    reportFd: SYNC
  })
}

/** A process group of its own: when its time is up, what the hook has started is killed with it. */
const group = ({ pointer }: HookFacts): Step[] => [{ call: 'setpgid', args: [0, 0], pointer, says: 'make a process group for the hook' }]

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
  { call: 'chdir', args: [text(directory)], on: { any: 'next' }, pointer, says: `change the working directory to "${directory}"` }
]

function execute(hook: Hook, { defaultEnv, pointer }: HookFacts): Step[] {
  const args = hook.args === undefined || hook.args.length === 0 ? [hook.path] : hook.args
  return [
    { call: 'close_range', args: [3, -1, CLOSE_RANGE_CLOEXEC], pointer, says: 'close the descriptors of the runtime at execve' },
    {
      call: 'execve',
      args: [text(hook.path), stringArray(args), stringArray(hook.env ?? defaultEnv)],
      pointer,
      says: `execute "${hook.path}"`
    }
  ]
}
