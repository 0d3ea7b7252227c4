/** The compiler: config and facts in, a program of system calls out. Pure: the same input gives the same plan. */
import type { Config } from '../config/types.ts'
import type { HostFacts, PlanOptions } from './facts.ts'
import { fdNumber, type Input, isOwn, makeInput, type Pass, slots } from './input.ts'
import * as affinity from './passes/affinity.ts'
import { bindSources } from './passes/binds.ts'
import * as command from './passes/command.ts'
import * as devices from './passes/devices.ts'
import { readonlyMounts } from './passes/file-systems.ts'
import * as host from './passes/host.ts'
import * as identity from './passes/identity.ts'
import { labels } from './passes/labels.ts'
import * as masked from './passes/masked.ts'
import { mounts } from './passes/mounts.ts'
import * as namespaces from './passes/namespaces.ts'
import * as priority from './passes/priority.ts'
import * as rootfs from './passes/rootfs.ts'
import { listeningSeccomp, seccomp } from './passes/seccomp.ts'
import * as session from './passes/session.ts'
import { askRuntime, orphaned } from './passes/sync.ts'
import { sysctls } from './passes/sysctl.ts'
import * as terminal from './passes/terminal.ts'
import type { Plan, Step } from './step.ts'

const always = (): boolean => true
const ownMounts = (input: Input): boolean => isOwn(input, 'mount')

/** The hooks that run between the mounts and pivot_root (runtime.md#lifecycle); without any, nothing is asked. */
const hooks: Pass = (input) => {
  const { prestart, createRuntime, createContainer } = input.config.hooks ?? {}
  const some = [prestart, createRuntime, createContainer].some((list) => (list ?? []).length > 0)
  return some ? askRuntime(input, 'hooks', '/hooks', 'wait for the hooks') : []
}

/** A container's life, from top to bottom. Order is the product: where it matters, the reason stands on the line. */
const passes: readonly (readonly [name: string, pass: Pass, when: (input: Input) => boolean])[] = [
  // The spawned process, on the host.
  ['umask', host.clearUmask, always], // modes of devices and directories are exact
  ['oom score', host.oomScoreAdj, always], // needs the host's rights and the host's /proc
  ['security labels', labels, always], // by the host's /proc; before no_new_privs, which would forbid it
  ['namespace paths', namespaces.openNamespaces, always], // before any of them changes what a path means
  ['unit', host.waitForUnit, always], // before its cgroups are looked for
  ['optional cgroups', host.joinOptionalCgroups, always],
  ['cgroup files', host.openCgroups, always], // with the host's rights
  ['bind sources', bindSources, ownMounts], // before a user namespace takes the right to reach them
  ['joined namespaces', namespaces.joinNamespaces, always], // with the caller's rights
  ['user namespace', namespaces.userNamespace, always], // before all others that are new: it owns them
  ['owned namespaces', namespaces.joinOwnedNamespaces, always], // what only the user namespace's root may join
  ['time namespace', namespaces.timeNamespace, always], // before init, the first process in it
  ['undumpable', namespaces.undumpable, always], // before anybody in a shared pid namespace can see it; after the id maps, which only a dumpable process can be given
  ['init', namespaces.cloneInit, always],

  // Init.
  ['cgroups', host.joinCgroups, always], // before the first thing that a limit counts
  ['affinity', affinity.wholeCpuset, always], // when the cpuset is the container's
  ['cgroup namespace', namespaces.cgroupNamespace, always], // after the cgroup is joined: it becomes the namespace's root
  ['session', session.newSession, always],
  ['keyring', session.sessionKeyring, always],
  ['loopback', session.loopback, always],
  ['network devices', session.networkDevices, always], // before the hooks, which may set up more
  ['names', session.names, always],
  ['propagation', rootfs.propagation, ownMounts], // before the first mount, none of which may reach the host
  ['root', rootfs.bindRoot, ownMounts],
  ['root descriptor', rootfs.openRoot, always],
  ['mounts', mounts, ownMounts],
  ['/dev', devices.openDev, ownMounts], // after a mount on /dev
  ['devices', devices.defaultDevices, ownMounts],
  ['configured devices', devices.configuredDevices, ownMounts],
  ['device links', devices.deviceLinks, ownMounts],
  ['ptmx', devices.ptmx, ownMounts],
  ['terminal', terminal.openTerminal, always], // after devpts
  ['console', terminal.mountConsole, ownMounts],
  ['hooks', hooks, always], // everything is mounted, the host's paths are still there
  ['working directory', command.makeWorkingDirectory, always], // while the root can be written
  ['sysctls', sysctls, always], // before /proc/sys becomes read-only; while the runtime's /proc is there
  ['read-only paths', masked.readonlyPaths, ownMounts],
  ['masked paths', masked.maskedPaths, ownMounts], // after the read-only ones, which a masked one may lie below
  ['read-only mounts', readonlyMounts, ownMounts], // when everything is in them
  ['read-only root', rootfs.readonlyRoot, ownMounts],
  ['pivot', rootfs.enterRoot, always],
  ['root propagation', rootfs.rootPropagation, ownMounts],
  ['standard streams', terminal.useTerminal, always], // while the master is ours: one that has been closed gives no terminal (EIO)
  ['master', terminal.sendMaster, always],
  ['stream owner', identity.ownStreams, always],
  ['descriptors', command.closeDescriptors, always], // before the first path that the container can bend: some lead to the host (CVE-2024-21626)
  ['limits', identity.resourceLimits, always], // needs CAP_SYS_RESOURCE
  ['scheduler', priority.scheduler, always], // needs CAP_SYS_NICE
  ['I/O priority', priority.ioPriority, always],
  ['memory policy', priority.memoryPolicy, always], // in the cpuset that its nodes must be in
  ['personality', identity.personality, always],
  ['directory, as root', command.enterWorkingDirectory, always],
  ['bounding set', identity.boundingSet, always], // needs CAP_SETPCAP
  ['ids', identity.ids, always],
  ['capabilities', identity.capabilities, always],
  ['dumpable', namespaces.staysDumpable, always], // an ordinary user's runtime must still read it; the ids have taken that away
  ['no new privileges', identity.noNewPrivileges, always],
  ['directory, as the user', command.reenterWorkingDirectory, always],
  ['lookup', command.findCommand, always], // as the user, and before ready: create tells what is missing
  ['file mode mask', identity.umask, always],
  ['seccomp, with a listener', listeningSeccomp, always], // the last before ready: the runtime passes the listener on
  ['ready', command.ready, always],
  ['start', command.waitForStart, always],
  ['tight limits', identity.tightLimits, always], // no descriptor is opened from here on
  ['seccomp', seccomp, always], // the last: a strict filter lets nothing else through
  ['execve', command.execute, always],
  ['orphaned', orphaned, always]
]

/** Names of the passes, in order; for the documentation. */
export const passNames = (): readonly string[] => passes.map(([name]) => name)

/**
 * Compiles a container.
 *
 * @param config valid (config/load.ts)
 * @throws TsrunError `config` for what only the compiler sees, such as file system data on a bind mount
 */
export function compile(config: Config, facts: HostFacts, options: PlanOptions): Plan {
  const input = makeInput(config, facts, options)
  const steps: Step[] = []
  for (const [, pass, when] of passes) if (when(input)) steps.push(...pass(input))
  return Object.freeze({ arch: facts.arch, steps, fds: input.fds, report: slots.report, reportFd: fdNumber(input, 'sync') })
}
