/** `exec`: another process in a container that was created. */
import { constants, openSync, rmSync } from 'node:fs'
import { shellStatus } from '../abi/structs.ts'
import type { Config } from '../config/types.ts'
import { cannotExec, processDied } from '../errors/wording.exec.ts'
import { errnoNameOf } from '../errors/wording.ts'
import { type OwnedFd, own } from '../linux/fd.ts'
import { pidfdOpen } from '../linux/process.ts'
import { compileExec } from '../plan/exec.ts'
import { sendPidfd, writePidFile } from './announce.ts'
import { type Compiled, compiledFrom } from './compiled.ts'
import { checkTerminal, connectConsole } from './console.ts'
import { loadCopy } from './copy.ts'
import { readSubCgroups } from './exec-cgroup.ts'
import { movedBySystemd, readExecFacts, refuseEnded } from './exec-facts.ts'
import { processOf } from './exec-process.ts'
import { checkId } from './ids.ts'
import { checkPreserved } from './inherited.ts'
import { type Launched, launch } from './launch.ts'
import { type Child, howItEnded } from './program.ts'
import { answer } from './protocol.ts'
import { untilInitEnds } from './reaper.ts'
import type { ContainerRecord } from './record.ts'
import { letGo } from './release.ts'
import { rootDirectory } from './root.ts'
import { holdSignals } from './signals.ts'
import { stateDocument, statusOf } from './status.ts'
import { readRecord, type StateDirectory, stateDirectory } from './store.ts'
import { openTerminal } from './terminal.ts'
import type { ExecOptions, RunResult, Status } from './types.ts'
import { type Work, withUndo } from './work.ts'

const O_PATH = 0o10000000

/**
 * Executes a process in a container that is created or running. Detached, it returns when the process runs. Otherwise signals go to the process,
 * its terminal or standard streams are the caller's, and it returns when the process has ended.
 *
 * Who reaps a detached process is not decided here: the end of the command line's is its parent's to see, be it as soon as it may.
 *
 * The process is described by the config of `create`, which is kept with the state: later edits in the bundle change nothing.
 * @throws TsrunError `not-found`; `bad-state`; `usage`; `config`; for a command that cannot be executed; for the step that failed
 */
export async function exec(options: ExecOptions): Promise<RunResult> {
  checkId(options.id)
  if (options.detach === true) {
    const { pid } = await withUndo(options, (work) => begin(options, connectConsole(options.consoleSocket), () => {}, work))
    return { exitStatus: 0, pid }
  }
  using terminal = openTerminal()
  const running = await withUndo(options, async (work) => {
    const console = options.consoleSocket === undefined ? () => terminal.socket(work) : connectConsole(options.consoleSocket)
    const signals = holdSignals(work)
    const { pid, pidfd } = await begin(options, console, () => terminal.receive(), work)
    // Before the listener for interrupts goes: what comes in this moment is forwarded.
    return { pid, forwarding: signals.forward(pidfd.fd), pidfd: own(pidfd.release()) }
  })
  using pidfd = running.pidfd
  using _ = running.forwarding
  const relayed = terminal.relay(pidfd.fd)
  const child = await untilInitEnds(running.pid, pidfd.fd, false)
  await relayed
  return { exitStatus: child === undefined ? 0 : shellStatus(child), pid: running.pid }
}

/** Until the command is executed. `prepared` is called when all is ready for it. */
async function begin(options: ExecOptions, console: (work: Work) => number, prepared: () => void, work: Work): Promise<Child> {
  const target = openTarget(options, work)
  const config: Config = { ...target.config, process: processOf(options, target.config) }
  checkTerminal(config, options, options.detach === true)
  checkPreserved(3, options.preserveFds ?? 0)
  const program = await programOf(options, target, config)
  const { init: child, sync } = await enter(options, target, { config, program, console }, work)
  const { intelRdt } = target.record
  if (intelRdt !== undefined) (await import('./resctrl.ts')).joinGroup(intelRdt, child.pid)
  announce(child, options, work)
  prepared()
  work.interrupt.check()
  const record = { init_process_pid: child.pid, steps: program.afterReady }
  // The process itself cannot be looked at before execve, but by root of the host.
  const rootOf = target.record.init_process_pid
  await letGo({ record, config, pidfd: child.pidfd.fd, interrupt: work.interrupt, rootOf }, () => {
    answer(sync.fd)
    return sync.fd
  })
  return child
}

/** The container, held by the pidfd of its init: whatever becomes of the pid, no other process is entered. */
interface Target {
  readonly directory: StateDirectory
  readonly record: ContainerRecord
  readonly pidfd: OwnedFd
  readonly config: Config
  readonly status: Status
}

function openTarget({ id, ignorePaused, ...options }: ExecOptions, work: Work): Target {
  const directory = stateDirectory(rootDirectory(options).path, id)
  const record = readRecord(directory)
  const pidfd = openInit(record)
  if (pidfd !== undefined) work.use(pidfd)
  // It compares the start time, and so comes after the pid is held.
  const status = statusOf(directory, record)
  const isFit = status === 'created' || status === 'running' || (status === 'paused' && ignorePaused === true)
  if (!isFit) throw cannotExec(status)
  if (pidfd === undefined) throw cannotExec('stopped')
  return { directory, record, pidfd, config: loadCopy(directory), status }
}

function openInit({ init_process_pid: pid }: ContainerRecord): OwnedFd | undefined {
  if (pid <= 0) return undefined
  try {
    return pidfdOpen(pid)
  } catch (cause) {
    if (errnoNameOf(cause) === 'ESRCH') return undefined
    throw cause
  }
}

async function programOf(options: ExecOptions, { record, pidfd }: Target, config: Config): Promise<Compiled> {
  const subCgroups = readSubCgroups(options.cgroups ?? [])
  const facts = await readExecFacts({ record, pidfd: pidfd.fd, config, subCgroups, options })
  const plan = compileExec(config.process!, config, facts, {
    id: options.id,
    noNewKeyring: record.noNewKeyring === true,
    preserveFds: options.preserveFds ?? 0,
    consoleSocket: config.process?.terminal === true,
    extraEnv: []
  })
  return compiledFrom(plan)
}

interface Entrance {
  readonly config: Config
  readonly program: Compiled
  readonly console: (work: Work) => number
}

async function enter(options: ExecOptions, target: Target, { config, program, console }: Entrance, work: Work): Promise<Launched> {
  const { directory, record, pidfd, status } = target
  const named: Record<string, number> = { init: pidfd.fd }
  for (const { name } of program.fds) {
    if (name === 'root') named[name] = openRoot(target, work)
    if (name === 'console') named[name] = console(work)
  }
  const { bundle, rootfs } = record
  const context = {
    config,
    program,
    named,
    preserve: options.preserveFds ?? 0,
    detached: options.detach === true,
    directory: directory.path,
    bundle,
    rootfs
  }
  const admission = movedBySystemd(record) ? (await import('./cgroup-unit.ts')).attachment(record.cgroup!, work) : undefined
  const document = stateDocument(record, status)
  return launch({ ...context, document, cgroup: undefined, admission, died: (child) => processDied(howItEnded(child)) }, work)
}

function openRoot({ record, pidfd }: Target, work: Work): number {
  const root = work.use(own(openSync(`/proc/${record.init_process_pid}/root`, O_PATH | constants.O_DIRECTORY)))
  refuseEnded(pidfd.fd)
  return root.fd
}

function announce(child: Child, { pidFile, pidfdSocket }: ExecOptions, work: Work): void {
  if (pidfdSocket !== undefined) sendPidfd(pidfdSocket, child.pidfd.fd, 'setns')
  if (pidFile === undefined) return
  writePidFile(pidFile, child.pid)
  work.undo.add(`remove the pid file ${JSON.stringify(pidFile)}`, () => rmSync(pidFile, { force: true }))
}
