/** From a plan to an init that is ready: spawns the program, and does what only the runtime can do at each of its notices. */
import { readFileSync } from 'node:fs'
import { RLIMITS } from '../abi/prctl.ts'
import { type CgroupLocation, processes as processesOf } from '../cgroup/index.ts'
import type { Config } from '../config/types.ts'
import type { TsrunError } from '../errors/error.ts'
import { errnoNameOf, systemError } from '../errors/wording.ts'
import type { OwnedFd } from '../linux/fd.ts'
import { syscall } from '../linux/ffi.ts'
import { type EndedChild, prlimit, waitPid } from '../linux/process.ts'
import { poll, socketpairSeqpacket } from '../linux/socket.ts'
import type { ListenerSource } from '../seccomp/notify.ts'
import type { CgroupAdmission } from './cgroup.ts'
import type { Compiled } from './compiled.ts'
import { deathOf, stepFailure } from './failure.ts'
import { writeIdMaps } from './idmaps.ts'
import { uninterrupted } from './interrupt.ts'
import { type Child, hold, killChild, reap, untilGone } from './program.ts'
import { converse, type Handlers, nextMessage } from './protocol.ts'
import { startImage } from './spawn.ts'
import type { ContainerState } from './types.ts'
import type { Work } from './work.ts'

const POLLIN = 1
const SHUT_WR = 1

/** What a launch needs to know. */
export interface Launch {
  readonly config: Config
  readonly program: Compiled
  /** Our descriptor for each that the program names, except `sync`. */
  readonly named: Readonly<Record<string, number>>
  /** Number of descriptors from 3 on that are passed as they are. */
  readonly preserve: number
  /** The process outlives the command. */
  readonly detached: boolean
  /** The container's state directory. */
  readonly directory: string
  readonly bundle: string
  readonly rootfs: string
  /** The state so far, for hooks; its pid is not known yet. */
  readonly document: ContainerState
  /** That of the container, while nobody but init can be in it. */
  readonly cgroup: CgroupLocation | undefined
  /** For a program that waits to be let into its cgroup. */
  readonly admission?: CgroupAdmission | undefined
  /** The error for a program that has ended without a word; default: that of an init. */
  readonly died?: (child: EndedChild | undefined) => TsrunError
}

export interface Launched {
  readonly init: Child
  /** The runtime's end; init waits there for its last answer. */
  readonly sync: OwnedFd
}

/** The processes as they become known. */
interface Processes {
  readonly first: Child
  init: Child | undefined
  /** The first process may have cloned an init of which nobody has heard. */
  mayHaveCloned: boolean
}

/**
 * Starts the program and talks with it until it is ready. Its descriptors belong to `work`; ending it is on the undo stack.
 * @throws TsrunError for the step, hook, map or limit that failed
 */
export async function launch(what: Launch, work: Work): Promise<Launched> {
  const { program, config, cgroup, admission } = what
  const [ours, theirs] = socketpairSeqpacket()
  const sync = work.use(ours)
  const listener = program.fds.some(({ name }) => name === 'listener') ? socketpairSeqpacket().map((end) => work.use(end)) : undefined
  const first = start(what, theirs, listener?.[1])
  work.use(first.pidfd)
  const clones = program.lastClone >= 0
  const processes: Processes = { first, init: clones ? undefined : first, mayHaveCloned: clones }
  work.undo.add('end the program of the container', () =>
    endProcesses(processes, sync.fd, admission?.isOurs() === false ? undefined : cgroup)
  )
  const ending = await converse(sync.fd, handlers(what, processes, sync.fd, work, listener?.[0]), clones, work.interrupt)
  const command = config.process?.args?.[0] ?? ''
  if (ending.kind === 'failed') {
    processes.mayHaveCloned = ending.step > program.lastClone
    throw stepFailure((await program.steps())[ending.step], ending, command)
  }
  const init = processes.init
  if (ending.kind === 'died' || init === undefined) throw await death(init ?? first, what)
  return { init, sync }
}

/** The child's end is closed here once it was passed on: only then is the program's death the end of file. */
function start({ program, named, preserve, detached, directory }: Launch, theirs: OwnedFd, listener: OwnedFd | undefined): Child {
  using end = theirs
  using listenerEnd = listener
  const more = listenerEnd === undefined ? {} : { listener: listenerEnd.fd }
  const { image, fds } = program
  return startImage({ image, fds, named: { ...named, ...more, sync: end.fd }, preserve, fallbackDirectory: directory, detached })
}

async function death(child: Child, { cgroup, died = (ended) => deathOf(ended, cgroup) }: Launch): Promise<TsrunError> {
  await untilGone(child.pidfd.fd, 1000)
  return died(reap(child.pid))
}

/** @param listener where the process sends the descriptor of its seccomp notifications; absent when we take it */
function handlers(what: Launch, processes: Processes, sync: number, work: Work, listener: OwnedFd | undefined): Handlers {
  const { config, admission } = what
  const init = (): Child => processes.init ?? processes.first
  return {
    initPid(pid) {
      processes.init = hold(pid)
      work.use(processes.init.pidfd)
      // It leaves at once, and must not stay as a zombie.
      waitPid(processes.first.pid, { hang: true })
      return admission?.settle()
    },
    cgroup: () => admission?.admit(processes.first.pid),
    maps: () => mapIds(config, processes, sync),
    copyUp: (index) => copyUpMount(index, what, sync, work),
    hooks: () => runCreateHooks(what, init(), work),
    limits: () => setLimits(init().pid, config),
    network: async () => (await import('./net-devices.ts')).moveDevices(config.linux?.netDevices ?? {}, init().pid, work),
    listener: (number) => passListener(what, init(), listener === undefined ? { number } : { socket: listener.fd })
  }
}

/** How long a process that was killed takes from the loss of its memory, which makes its /proc files root's, to the end of the talk. */
const ENDING_MS = 20

async function mapIds(config: Config, processes: Processes, sync: number): Promise<void> {
  // The process waits for them, and clones afterwards: should they be refused, there is no init to look for.
  processes.mayHaveCloned = false
  try {
    await writeIdMaps(processes.first.pid, { uids: config.linux?.uidMappings ?? [], gids: config.linux?.gidMappings ?? [] })
  } catch (cause) {
    // It does not wait any more: what comes next in the talk says why.
    if (poll([{ fd: sync, events: POLLIN }], ENDING_MS)[0] === 0) throw cause
  }
  processes.mayHaveCloned = processes.init === undefined
}

/** What passes it on is imported only for filters that notify. */
async function passListener({ config, document }: Launch, process: Child, from: ListenerSource): Promise<void> {
  const [{ passOn }, { seccompOf }] = await Promise.all([import('../seccomp/notify.ts'), import('../config/annotations.ts')])
  const state = document.status === 'creating' ? { ...document, pid: process.pid } : document
  try {
    passOn(from, seccompOf(config) ?? {}, { pid: process.pid, pidfd: process.pidfd.fd, state })
  } catch (cause) {
    // It has died in the meantime: what comes next in the talk says why.
    if (errnoNameOf(cause) !== 'ESRCH') throw cause
  }
}

/** prestart, createRuntime, createContainer, in this order (runtime.md#lifecycle). What runs hooks is imported only for containers that have some. */
async function runCreateHooks({ config, document, bundle, rootfs }: Launch, init: Child, { interrupt }: Work): Promise<void> {
  const { prestart, createRuntime, createContainer } = config.hooks ?? {}
  const { hookOutput, hookState, runHooks } = await import('./hooks.ts')
  const output = hookOutput(config)
  const state = hookState({ ...document, pid: init.pid }, 'creating')
  await runHooks('prestart', prestart, state, { directory: bundle, output }, interrupt)
  await runHooks('createRuntime', createRuntime, state, { directory: bundle, output }, interrupt)
  const inside = { pid: init.pid, pidfd: init.pidfd.fd }
  await runHooks('createContainer', createContainer, state, { directory: rootfs, init: inside, output }, interrupt)
}

/** What copies is imported only for containers that want it. */
async function copyUpMount(index: number, { config }: Launch, sync: number, { interrupt, warn }: Work): Promise<void> {
  const { copyUp } = await import('./copy-up.ts')
  const { destination, options = [] } = config.mounts![index]!
  await copyUp({ destination, pointer: `/mounts/${index}/options/${options.indexOf('tmpcopyup')}`, sync, interrupt, warn })
}

function setLimits(pid: number, config: Config): void {
  for (const [index, { type, soft, hard }] of (config.process?.rlimits ?? []).entries()) {
    try {
      prlimit(pid, RLIMITS[type], BigInt.asUintN(64, BigInt(soft)), BigInt.asUintN(64, BigInt(hard)))
    } catch (cause) {
      const pointer = `/process/rlimits/${index}`
      throw systemError(`set ${type} to ${soft} (soft) and ${hard} (hard)`, cause, { pointer })
    }
  }
}

/** What waits for us sees the end of file and ends; the rest is killed. All of it is reaped, and an init that we have not heard of is found. */
async function endProcesses(processes: Processes, sync: number, cgroup: CgroupLocation | undefined): Promise<void> {
  const { first } = processes
  syscall('shutdown', sync, SHUT_WR)
  // It may be about to tell the pid of the init that it has cloned, so it gets the time to end by itself.
  if (processes.init === undefined) await untilGone(first.pidfd.fd, 1000)
  await killChild(first)
  processes.init ??= await strayInit(sync)
  const others =
    processes.init === undefined
      ? [...members(cgroup), ...(processes.mayHaveCloned ? await strayChildren(first.pid) : [])]
      : [processes.init]
  for (const child of others) {
    if (child !== first) await killChild(child)
    child.pidfd[Symbol.dispose]()
  }
}

/** An init that was cloned while nobody listened any more has told its pid all the same. */
async function strayInit(sync: number): Promise<Child | undefined> {
  while (poll([{ fd: sync, events: POLLIN }], 0)[0] !== 0) {
    const message = await nextMessage(sync, uninterrupted)
    if (message === undefined) return undefined
    if (message.kind === 'initPid') return hold(message.value)
  }
  return undefined
}

/** How long an init without a runtime takes to see that and to end. */
const STRAY_MS = 5000

/**
 * And one that is not in its cgroup: it ends by itself, and is then a zombie of ours, younger than the first process, with the name that
 * execve(2) gives to a program at /proc/self/fd/N (proc_pid_comm(5)).
 */
async function strayChildren(first: number): Promise<Child[]> {
  const isStray = (pid: number): boolean => pid > first && /^\d+ \(\d+\) Z/.test(statOf(pid))
  for (const end = performance.now() + STRAY_MS; performance.now() < end; ) {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').trim().split(' ').map(Number)
    const strays = children.filter(isStray)
    if (strays.length > 0) return strays.map(hold)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return []
}

/** Empty for a process that is gone. */
function statOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return ''
  }
}

/** The first process was killed between the clone and the telling: the container's cgroup holds nobody but init. */
const members = (cgroup: CgroupLocation | undefined): Child[] => (cgroup === undefined ? [] : processesOf(cgroup).map(hold))
