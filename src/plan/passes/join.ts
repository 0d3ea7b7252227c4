/** Into a container that exists: its namespaces, its root, and the clone that is born in its pid namespace. */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from '../../abi/fcntl.ts'
import { PR_SET_DUMPABLE } from '../../abi/prctl.ts'
import { CLONE_INTO_CGROUP, CLONE_PARENT, NAMESPACE_FLAGS, type NamespaceType } from '../../abi/sched.ts'
import { signalNumbers } from '../../abi/signals.ts'
import { isAnnotated, KEEP_ORIGINAL_GROUPS } from '../../config/annotations.ts'
import type { ExecInput, ExecPass } from '../exec.ts'
import { fdNumber, type ProcessPass, slots } from '../input.ts'
import { encodeNotice } from '../protocol.ts'
import { bytes, type Slot, type Step, slot, text, to } from '../step.ts'
import { CLONE_ARGS_SIZE, cloneArgs } from '../structs.ts'
import { close } from './files.ts'
import { hasHostRights, moveUnified, unifiedDirectories, unifiedProcs } from './join-cgroup.ts'
import { becomeRoot } from './namespaces.ts'
import { tellRuntime } from './sync.ts'
import { wantsTerminal } from './terminal.ts'

const AT = '/linux/namespaces'

/** The process can be neither traced nor read through /proc until execve (CVE-2016-9962). Nobody outside needs to read it either. */
export const undumpable: ProcessPass = () => [
  { call: 'prctl', args: [PR_SET_DUMPABLE, 0, 0, 0, 0], pointer: '', says: 'become undumpable' }
]

// ---------------------------------------------------------------- namespaces

/**
 * What is joined before the clone, and what after it.
 *
 * The cgroup namespace comes after: from inside, a cgroup outside of it may not be left. With the host's rights so does the user namespace, whose
 * root may not write into the host's cgroups; whoever lacks those rights gets some in the user namespace, and so joins it first.
 */
function stages(input: ExecInput): { readonly before: readonly NamespaceType[]; readonly after: readonly NamespaceType[] } {
  const { join } = input.facts
  const isLater = (type: NamespaceType): boolean => type === 'cgroup' || (type === 'user' && hasHostRights(input))
  return { before: join.filter((type) => !isLater(type)), after: join.filter(isLater) }
}

/** All at once through the pidfd of init (Linux 5.8): no other process can have taken its pid, and a user namespace among them is joined first. */
function setns(input: ExecInput, types: readonly NamespaceType[]): Step[] {
  if (types.length === 0) return []
  const flags = types.reduce((all, type) => all | NAMESPACE_FLAGS[type], 0)
  const says = `join the container's namespaces (${types.join(', ')})`
  const join: Step = { call: 'setns', args: [fdNumber(input, 'init'), flags], pointer: AT, says }
  if (!types.includes('user')) return [join]
  const pointer = input.namespaces.user?.pointer ?? AT
  // The runtime's own groups mean nothing in the container; afterwards they may be beyond reach (a user namespace without setgroups).
  const dropGroups: Step = { call: 'setgroups', args: [0, 0], on: { EPERM: 'next' }, pointer, says: 'drop the supplementary groups' }
  const keeps = isAnnotated(input.config, KEEP_ORIGINAL_GROUPS)
  return [...(keeps ? [] : [dropGroups]), join, ...becomeRoot(pointer)]
}

export const joinNamespaces: ExecPass = (input) => setns(input, stages(input).before)

/** The process needs init's descriptor no longer. */
export const joinOtherNamespaces: ExecPass = (input) => [
  ...setns(input, stages(input).after),
  { call: 'close', args: [fdNumber(input, 'init')], pointer: '', says: 'let go of init' }
]

// ---------------------------------------------------------------- root

/** A container without a mount namespace of its own has merely changed its root. */
export const changeRoot: ExecPass = (input) => {
  if (!input.facts.ownRoot) return []
  const root = fdNumber(input, 'root')
  const pointer = '/root/path'
  return [
    { call: 'fchdir', args: [root], pointer, says: "enter the container's root" },
    { call: 'chroot', args: [text('.')], pointer, says: 'change the root' },
    { call: 'close', args: [root], pointer, says: "close the container's root" }
  ]
}

/** For the terminal, which is looked up below it. */
export const openRoot: ProcessPass = (input) =>
  wantsTerminal(input)
    ? [
        {
          call: 'openat',
          args: [AT_FDCWD, text('/'), O_PATH | O_CLOEXEC | O_DIRECTORY[input.facts.arch], 0],
          save: slots.root,
          pointer: '/process/terminal',
          says: 'open "/"'
        }
      ]
    : []

// ---------------------------------------------------------------- clone

const pid = slot('pid')
const LEAVE = 'leave'
const BORN = 'in the cgroup'

/**
 * A pid namespace holds only children of whoever joins it, so the process is cloned: as a sibling, and so the runtime's own child.
 *
 * It is born in its v2 cgroup, because a move would wait for every processor (see CgroupJoin). When the kernel refuses that, whatever the reason
 * (clone3 forbidden; a cgroup that has children with controllers, or is at its pids.max), it tries init's own cgroup, and then moves.
 */
export const cloneProcess: ExecPass = (input) => {
  const directories = unifiedDirectories(input)
  const procs = unifiedProcs(input)
  const closes = directories.map((directory) => close(directory, '/linux/cgroupsPath'))
  return [
    ...directories.map(cloneInto),
    ...closes,
    {
      call: 'clone',
      args: [CLONE_PARENT | signalNumbers.SIGCHLD, 0, 0, 0, 0],
      save: pid,
      // One that need not be moved also skips what only a process has to close that was born in its cgroup.
      zero: { skip: procs.length === 0 ? 2 + closes.length : 2 },
      pointer: AT,
      says: 'clone the process'
    },
    { ...tellRuntime(input, pidNotice(), '', 'tell the pid of the process'), label: LEAVE },
    { call: 'exit_group', args: [0], pointer: '', says: 'leave the process alone' },
    ...moveUnified(input, closes.length),
    ...closes.map((step, i) => (i === 0 ? { ...step, label: BORN } : step)),
    ...procs.map((file) => close(file, '/linux/cgroupsPath'))
  ]
}

const pidNotice = () => ({ ...bytes('{initPid}', encodeNotice('initPid')), slots: [{ offset: 4, slot: pid }] })

const cloneInto = (directory: Slot): Step => ({
  call: 'clone3',
  args: [
    cloneArgs(BigInt(CLONE_PARENT) | CLONE_INTO_CGROUP, directory, `{flags=CLONE_PARENT|CLONE_INTO_CGROUP, cgroup=<${directory.name}>}`),
    CLONE_ARGS_SIZE
  ],
  save: pid,
  on: { any: 'next' },
  zero: to(BORN),
  then: to(LEAVE),
  pointer: AT,
  says: 'clone the process into its cgroup'
})
