/** `run`: create and start in one, and in the foreground the container's whole life. */
import { shellStatus } from '../abi/structs.ts'
import type { Config } from '../config/types.ts'
import { type OwnedFd, own } from '../linux/fd.ts'
import { setSubreaper } from '../linux/process.ts'
import { announce } from './announce.ts'
import { connectConsole } from './console.ts'
import { type Constructed, construct } from './construct.ts'
import { destroy } from './destroy.ts'
import { lock } from './lock.ts'
import type { Relay } from './notify.ts'
import { answer } from './protocol.ts'
import { untilInitEnds } from './reaper.ts'
import type { ContainerRecord } from './record.ts'
import { letGo, runPoststartHooks, runStartContainerHooks } from './release.ts'
import { holdSignals } from './signals.ts'
import { directoryExists, type StateDirectory } from './store.ts'
import { openTerminal, type Terminal } from './terminal.ts'
import type { RunOptions, RunResult } from './types.ts'
import { type Work, withUndo } from './work.ts'

/** Somebody else in this process has reaped init, and knows its status. */
const UNKNOWN_STATUS = 255

/** A container whose process runs, in the foreground. */
export interface Running {
  readonly directory: StateDirectory
  readonly record: ContainerRecord
  readonly config: Config
  readonly pidfd: OwnedFd
  readonly forwarding: Disposable
  /** Of its word that it is ready, to whoever waits for that. */
  readonly relay: Relay | undefined
}

/**
 * Creates and starts a container. Detached, it returns when the process runs. Otherwise signals go to the container, its terminal or standard
 * streams are the caller's, and when it has ended it is deleted, unless `keep`.
 * @throws TsrunError
 */
export async function run(options: RunOptions): Promise<RunResult> {
  const detached = options.detach === true
  if (detached) {
    const { init, relay } = await withUndo(options, (work) => begin(options, connectConsole(options.consoleSocket), () => {}, work))
    await relay?.untilReady(init.pid)
    return { exitStatus: 0, pid: init.pid }
  }
  // A wish that has to be spoken out: it changes the whole process, which in a library is somebody else's.
  const subreaper = options.noSubreaper === false
  if (subreaper) setSubreaper()
  using terminal = openTerminal()
  const running = await withUndo(options, async (work) => beginForeground(options, terminal, work))
  return await stay(running, terminal, subreaper, options)
}

/** Until the user's process runs. `prepared` is called when all is ready for it. The relay is the caller's from then on. */
async function begin(
  options: RunOptions,
  console: (work: Work) => number,
  prepared: () => void,
  work: Work
): Promise<Constructed & Pick<Running, 'relay'>> {
  const made = await construct(options, { release: 'sync', detached: options.detach === true, console }, work)
  const { init, record, config, sync } = made
  announce(made, options, work)
  const notify = options.notifySocket ? await import('./notify.ts') : undefined
  const relay = notify?.openRelay(made.directory, options.notifySocket!, init.pid, options)
  if (relay !== undefined) work.undo.add('close the socket for its readiness', () => relay[Symbol.dispose]())
  const release = { record, config, pidfd: init.pidfd.fd, interrupt: work.interrupt }
  await runStartContainerHooks(release)
  prepared()
  await letGo(release, () => {
    answer(sync.fd)
    return sync.fd
  })
  await runPoststartHooks(release)
  made.keepProgram()
  return { ...made, relay }
}

async function beginForeground(options: RunOptions, terminal: Terminal, work: Work): Promise<Running> {
  const console = options.consoleSocket === undefined ? () => terminal.socket(work) : connectConsole(options.consoleSocket)
  const signals = holdSignals(work)
  // The process finds its terminal in the right size.
  const { directory, record, config, init, relay } = await begin(options, console, () => terminal.receive(), work)
  // Before the listener for interrupts goes: what comes in this moment is forwarded.
  const forwarding = signals.forward(init.pidfd.fd)
  return { directory, record, config, pidfd: own(init.pidfd.release()), forwarding, relay }
}

/** The rest of its life; the terminal, its signals and its end are those of the caller. */
export async function stay(
  running: Running,
  terminal: Terminal,
  subreaper: boolean,
  options: Pick<RunOptions, 'keep' | 'log'>
): Promise<RunResult> {
  using _ = running.pidfd
  using __ = running.forwarding
  const pid = running.record.init_process_pid
  try {
    const relayed = terminal.relay(running.pidfd.fd)
    // What the service manager has started is this process, and it ends as the container does.
    const told = running.relay?.untilReady(process.pid)
    const child = await untilInitEnds(pid, running.pidfd.fd, subreaper)
    await relayed
    await told
    return { exitStatus: child === undefined ? UNKNOWN_STATUS : shellStatus(child), pid }
  } finally {
    if (options.keep !== true) await remove(running, options)
  }
}

/** Init has ended. Somebody may have deleted the container already. */
async function remove({ directory, record, config }: Running, { log }: Pick<RunOptions, 'log'>): Promise<void> {
  if (!directoryExists(directory)) return
  using _ = await lock(directory, 'delete')
  // Its pid may be somebody else's by now.
  const dead = { ...record, init_process_pid: 0 }
  await destroy(directory, dead, config, (message) => log?.('warning', message))
}
