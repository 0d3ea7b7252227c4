/**
 * The compiler of `exec`: a process that joins a container. Pure, and made of the passes that a container's init is made of wherever both do the same.
 *
 * The spawned process does on the host what needs the host's rights, joins the namespaces, and clones the process into the pid namespace.
 */
import type { NamespaceType } from '../abi/sched.ts'
import type { Config, Namespace, Process } from '../config/types.ts'
import { commandCandidates } from './environment.ts'
import type { CgroupJoin, ProcessFacts, ProcessOptions } from './facts.ts'
import { fdNumber, type ProcessInput, slots } from './input.ts'
import { sendsListener } from './listener.ts'
import * as affinity from './passes/affinity.ts'
import * as command from './passes/command.ts'
import * as host from './passes/host.ts'
import * as identity from './passes/identity.ts'
import * as join from './passes/join.ts'
import * as joinCgroup from './passes/join-cgroup.ts'
import { labels } from './passes/labels.ts'
import * as priority from './passes/priority.ts'
import { listeningSeccomp, seccomp } from './passes/seccomp.ts'
import * as session from './passes/session.ts'
import { orphaned } from './passes/sync.ts'
import * as terminal from './passes/terminal.ts'
import type { Plan, ProgramFd, Step } from './step.ts'

/** A cgroup of the container, for a process that joins it. */
export interface ExecCgroup extends CgroupJoin {
  /** Init's own cgroup in this hierarchy, when init is not in `directory` any more: taken when the kernel refuses `directory`. */
  readonly instead?: string
}

export interface ExecFacts extends ProcessFacts {
  /** Types of init's namespaces that are not the runtime's. */
  readonly join: readonly NamespaceType[]
  readonly cgroups: readonly ExecCgroup[]
  /** systemd moves the spawned process into the container's unit, which waits for that. */
  readonly unit?: true
  /** Init's root is not that of its mount namespace: it is passed as descriptor `root`. */
  readonly ownRoot: boolean
}

/** What the passes of `exec` see. */
export interface ExecInput extends ProcessInput {
  readonly facts: ExecFacts
}

export type ExecPass = (input: ExecInput) => readonly Step[]

/** The way of a process into a container. Order is the product: where it matters, the reason stands on the line. */
const passes: readonly (readonly [name: string, pass: ExecPass])[] = [
  // The spawned process, on the host.
  ['oom score', host.oomScoreAdj], // needs the host's rights and the host's /proc
  ['security labels', labels], // by the host's /proc; before no_new_privs, which would forbid it
  ['undumpable', join.undumpable], // before anything of the container can look at it (CVE-2016-9962)
  ['initial affinity', affinity.initialAffinity], // before the container's cpuset narrows it
  ['unit', joinCgroup.waitForUnit], // it may be what gives the right to join the cgroups below it
  ['optional cgroups', joinCgroup.joinOptionalCgroups],
  ['cgroup files', joinCgroup.openCgroups], // before the mount namespace changes what a path means
  ['namespaces', join.joinNamespaces],
  ['root', join.changeRoot], // before the clone: who can be seen in the container has its root
  ['clone', join.cloneProcess], // before the cgroup namespace is joined, beyond whose root the cgroup may not be left (nsdelegate)

  // The process, in the container's pid namespace.
  ['cgroups', joinCgroup.joinCgroups], // before the first thing that a limit counts
  ['affinity', affinity.finalAffinity], // when the cpuset is the container's
  ['other namespaces', join.joinOtherNamespaces],
  ['session', session.newSession],
  ['keyring', session.sessionKeyring], // found by name among those of the user namespace
  ['root descriptor', join.openRoot],
  ['terminal', terminal.openTerminal],
  ['standard streams', terminal.useTerminal], // while the master is ours: one that has been closed gives no terminal (EIO)
  ['master', terminal.sendMaster],
  ['stream owner', identity.ownStreams],
  ['descriptors', command.closeDescriptors], // before the first path that the container can bend (CVE-2024-21626)
  ['limits', identity.resourceLimits], // needs CAP_SYS_RESOURCE
  ['scheduler', priority.scheduler], // needs CAP_SYS_NICE
  ['I/O priority', priority.ioPriority],
  ['memory policy', priority.memoryPolicy], // in the cpuset that its nodes must be in
  ['personality', identity.personality],
  ['directory, as root', command.enterWorkingDirectory],
  ['bounding set', identity.boundingSet], // needs CAP_SETPCAP
  ['ids', identity.ids],
  ['capabilities', identity.capabilities],
  ['no new privileges', identity.noNewPrivileges],
  ['directory, as the user', command.reenterWorkingDirectory],
  ['lookup', command.findCommand], // as the user
  ['file mode mask', identity.umask],
  ['seccomp, with a listener', listeningSeccomp], // the last before ready: the runtime passes the listener on
  ['ready', command.ready],
  ['tight limits', identity.tightLimits], // no descriptor is opened from here on
  ['seccomp', seccomp], // the last: a strict filter lets nothing else through
  ['execve', command.execute],
  ['orphaned', orphaned]
]

/** Names of the passes, in order; for the documentation. */
export const execPassNames = (): readonly string[] => passes.map(([name]) => name)

/**
 * Compiles a process that joins a container.
 *
 * @param process valid, and complete: what it takes over from the container's own process is in it
 * @param config the container's
 * @throws TsrunError `config` for a list of CPUs that is none
 */
export function compileExec(process: Process, config: Config, facts: ExecFacts, options: ProcessOptions): Plan {
  const input: ExecInput = {
    config: { ...config, process },
    facts,
    options,
    namespaces: joinedNamespaces(facts.join, config),
    candidates: commandCandidates(process),
    fds: programFds(facts, options)
  }
  const steps = passes.flatMap(([, pass]) => pass(input))
  return Object.freeze({ arch: facts.arch, steps, fds: input.fds, report: slots.report, reportFd: fdNumber(input, 'sync') })
}

/** As the passes know namespaces: all of them exist. */
function joinedNamespaces(types: readonly NamespaceType[], config: Config): ExecInput['namespaces'] {
  const all = config.linux?.namespaces ?? []
  const entry = (type: NamespaceType): Namespace & { pointer: string } => {
    const index = all.findIndex((namespace) => namespace.type === type)
    return { type, path: 'init', pointer: index < 0 ? '' : `/linux/namespaces/${index}` }
  }
  return Object.fromEntries(types.map((type) => [type, entry(type)]))
}

function programFds(facts: ExecFacts, { preserveFds, consoleSocket }: ProcessOptions): readonly ProgramFd[] {
  const names = ['sync', 'init']
  if (facts.ownRoot) names.push('root')
  if (consoleSocket) names.push('console')
  if (sendsListener(facts)) names.push('listener')
  return names.map((name, i) => ({ name, fd: 3 + preserveFds + i }))
}
