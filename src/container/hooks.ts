/**
 * Hooks (config.md#posix-platform-hooks): the state on stdin, in order, each with its time limit.
 *
 * A hook gets its state from a memfd, not from a pipe: nothing has to be fed, and a hook that does not read it loses nothing.
 * A hook is over when its process has ended; what it left running in the background may keep its output open.
 */
import { constants, openSync, writeSync } from 'node:fs'
import { errnoName, errnoText } from '../abi/errno.ts'
import { signalName, signalNumbers } from '../abi/signals.ts'
import { annotatedPath, HOOKS_STDERR, HOOKS_STDOUT } from '../config/annotations.ts'
import { pointer } from '../config/pointer.ts'
import type { Config, Hook, Hooks } from '../config/types.ts'
import { hookFailed, noHookOutput, ranPastTimeout } from '../errors/wording.hooks.ts'
import { encode } from '../image/encode.ts'
import { type OwnedFd, own, ownResult } from '../linux/fd.ts'
import { architecture, check, syscall } from '../linux/ffi.ts'
import { type EndedChild, killPid, pidfdOpen, waitPid } from '../linux/process.ts'
import { poll, pollAsync, readMessage, socketpairSeqpacket } from '../linux/socket.ts'
import { spawnImage } from '../linux/spawn.ts'
import { compileHook, type HookFacts, type HookProcess } from '../plan/hook.ts'
import { listens } from '../plan/listener.ts'
import type { Message } from '../plan/protocol.ts'
import type { Plan } from '../plan/step.ts'
import type { NotifyingProcess } from '../seccomp/notify.ts'
import { type Interrupt, uninterrupted } from './interrupt.ts'
import { foreignNamespaces } from './namespaces.ts'
import { answer, nextMessage } from './protocol.ts'
import { inheritedSignals } from './signals.ts'
import { type Tail, tail } from './tail.ts'
import type { ContainerState, Status } from './types.ts'

export type HookKind = keyof Hooks

const POLLIN = 1
const O_CLOEXEC = 0o2000000
const MFD_CLOEXEC = 1

/** Where hooks run. */
export interface HookPlace {
  /** Init of the container whose namespaces the hook joins; absent for hooks of the runtime's namespaces. */
  readonly init?: { readonly pid: number; readonly pidfd: number }
  readonly directory: string
  /** Environment of hooks that have none. */
  readonly defaultEnv?: readonly string[]
  /** Files that hooks write to instead of into error messages. */
  readonly output?: HookOutput | undefined
  /** Whose rights they get. */
  readonly as?: HookProcess
}

/** Absolute paths of the host's. */
export interface HookOutput {
  readonly stdout?: string | undefined
  readonly stderr?: string | undefined
}

/** What the annotations say about it. */
export const hookOutput = (config: Pick<Config, 'annotations'>): HookOutput => ({
  stdout: annotatedPath(config, HOOKS_STDOUT),
  stderr: annotatedPath(config, HOOKS_STDERR)
})

/** The state document for hooks: the spec's fields, without runc's additions. */
export function hookState(state: ContainerState, status: Status): string {
  const { ociVersion, id, pid, bundle, annotations } = state
  const known = status === 'stopped' ? {} : { pid }
  return JSON.stringify({ ociVersion, id, status, ...known, bundle, ...(annotations === undefined ? {} : { annotations }) })
}

/**
 * Runs the hooks of one kind, one after the other, until one fails.
 * @throws TsrunError `hook`
 */
export async function runHooks(
  kind: HookKind,
  hooks: readonly Hook[] | undefined,
  state: string,
  place: HookPlace,
  interrupt: Interrupt
): Promise<void> {
  for (const [index, hook] of (hooks ?? []).entries()) await runHook(kind, index, hook, state, place, interrupt)
}

/**
 * Runs one hook.
 * @throws TsrunError `hook`
 */
export async function runHook(
  kind: HookKind,
  index: number,
  hook: Hook,
  state: string,
  place: HookPlace,
  interrupt: Interrupt
): Promise<void> {
  const plan = compileHook(hook, hookFacts(kind, index, place))
  using out = openOutput(place.output?.stdout, HOOKS_STDOUT)
  using err = openOutput(place.output?.stderr, HOOKS_STDERR)
  using started = await startHook(plan, state, place, [out, err]).catch((cause: Error) => {
    throw hookFailed({ kind, index, how: cause.message })
  })
  const finished = await untilEnd(started, hook.timeout, interrupt)
  interrupt.check()
  const unstarted = await startFailure(started, plan)
  if (unstarted !== undefined && !finished.timedOut) throw hookFailed({ kind, index, how: unstarted })
  const how = howItFailed(finished, hook)
  if (how !== undefined) throw hookFailed({ kind, index, how, output: finished.output })
}

function howItFailed({ child, timedOut }: FinishedHook, hook: Hook): string | undefined {
  if (timedOut) return ranPastTimeout(hook.timeout ?? 0)
  if (child.signal !== undefined) return `signal: ${signalName(child.signal)}`
  return child.exitCode === 0 ? undefined : `exit status ${child.exitCode}`
}

function hookFacts(kind: HookKind, index: number, place: HookPlace): HookFacts {
  const { init, directory, defaultEnv = [], as } = place
  return {
    arch: architecture,
    join: as?.facts.join ?? (init === undefined ? [] : foreignNamespaces(init.pid)),
    directory,
    defaultEnv,
    as,
    pointer: `/hooks/${kind}/${index}`
  }
}

interface StartedHook extends Disposable {
  readonly pid: number
  readonly pidfd: OwnedFd
  readonly sync: OwnedFd
  /** What it has said already. */
  readonly early: Message[]
  readonly stdout: OwnedFd
  readonly stderr: OwnedFd
}

/** @param output where it writes instead of into our pipes; stays the caller's */
async function startHook(
  plan: Plan,
  state: string,
  place: HookPlace,
  [out, err]: readonly [OwnedFd | undefined, OwnedFd | undefined]
): Promise<StartedHook> {
  using stdin = stateFile(state)
  const [stdout, stdoutEnd] = pipe()
  const [stderr, stderrEnd] = pipe()
  const [sync, syncEnd] = socketpairSeqpacket()
  const [listener, listenerEnd] = plan.fds.some(({ name }) => name === 'listener') ? socketpairSeqpacket() : []
  const ours = [stdout, stderr, sync, ...(listener === undefined ? [] : [listener])]
  const close = (): void => {
    for (const fd of ours) fd[Symbol.dispose]()
  }
  try {
    let spawned: number
    try {
      const named = { sync: syncEnd.fd, init: place.init?.pidfd, listener: listenerEnd?.fd }
      spawned = spawnHook(plan, [stdin.fd, (out ?? stdoutEnd).fd, (err ?? stderrEnd).fd], named)
    } finally {
      for (const fd of [stdoutEnd, stderrEnd, syncEnd, listenerEnd]) fd?.[Symbol.dispose]()
    }
    const { pid, early } = await hookOf(spawned, plan, sync.fd)
    const pidfd = pidfdOpen(pid)
    ours.push(pidfd)
    const started = { pid, pidfd, sync, early, stdout, stderr, [Symbol.dispose]: close }
    if (place.as !== undefined && listens(place.as.facts)) {
      await passListener({ pid, pidfd: pidfd.fd, state: JSON.parse(state) }, place.as.config, plan, started, listener?.fd)
    }
    return started
  } catch (cause) {
    close()
    throw cause
  }
}

/** @param key of the annotation that names it */
function openOutput(path: string | undefined, key: string): OwnedFd | undefined {
  if (path === undefined) return undefined
  try {
    return own(openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600))
  } catch (cause) {
    throw noHookOutput(path, cause, pointer('annotations', key))
  }
}

function spawnHook(plan: Plan, streams: readonly number[], named: Readonly<Record<string, number | undefined>>): number {
  const passed = plan.fds.map(({ name, fd }) => ({ from: named[name]!, to: fd }))
  return spawnImage({
    image: encode(plan),
    arg0: 'tsrun-hook',
    fds: [...streams.map((from, to) => ({ from, to })), ...passed],
    ...inheritedSignals({ detached: true })
  })
}

/**
 * A hook that joins a pid namespace is cloned by the spawned process, which tells its pid and ends. The hook runs at once and may be faster: what it
 * says before its pid is known is kept, and not taken for the word of the spawned process. Without a pid it would stay our zombie, and with it init,
 * which the kernel lets end after all others of its namespace.
 */
async function hookOf(spawned: number, plan: Plan, sync: number): Promise<Pick<StartedHook, 'pid' | 'early'>> {
  const cloned = plan.steps.findIndex(({ call }) => call === 'clone')
  const early: Message[] = []
  if (cloned < 0) return { pid: spawned, early }
  for (;;) {
    const message = await nextMessage(sync, uninterrupted)
    if (message === undefined || message.kind === 'initPid' || (message.kind === 'failed' && message.step <= cloned)) {
      waitPid(spawned, { hang: true })
      if (message?.kind === 'initPid') return { pid: message.value, early }
      throw unborn(message, plan)
    }
    early.push(message)
  }
}

const unborn = (message: Message | undefined, plan: Plan): Error =>
  new Error(message?.kind === 'failed' ? describe(plan, message.step, message.errno) : 'the program of the hook was killed')

const nextOf = async ({ early, sync }: Pick<StartedHook, 'early' | 'sync'>): Promise<Message | undefined> =>
  early.shift() ?? (await nextMessage(sync.fd, uninterrupted))

/** The filter of the container's process notifies: of the hook, too. */
async function passListener(
  process: NotifyingProcess & { readonly pidfd: number },
  config: Config,
  plan: Plan,
  hook: Pick<StartedHook, 'early' | 'sync'>,
  socket: number | undefined
): Promise<void> {
  const message = await nextOf(hook)
  try {
    if (message?.kind !== 'listener') throw unborn(message, plan)
    const [{ passOn }, { seccompOf }] = await Promise.all([import('../seccomp/notify.ts'), import('../config/annotations.ts')])
    passOn(socket === undefined ? { number: message.value } : { socket }, seccompOf(config) ?? {}, process)
  } catch (cause) {
    killGroup(process.pid)
    waitPid(process.pid, { hang: true })
    throw cause
  }
  answer(hook.sync.fd)
}

const describe = (plan: Plan, step: number, errno: number): string =>
  `cannot ${plan.steps[step]?.says ?? `do step ${step}`}: ${errnoText(errno)} (${errnoName(errno)})`

interface FinishedHook {
  readonly child: EndedChild
  readonly timedOut: boolean
  readonly output: { readonly stdout: string; readonly stderr: string }
}

/** Reads what the hook writes until it has ended, its time is up, or we are interrupted. */
async function untilEnd(hook: StartedHook, timeout: number | undefined, interrupt: Interrupt): Promise<FinishedHook> {
  const stdout = tail()
  const stderr = tail()
  let timedOut = false
  const kill = (): void => killGroup(hook.pid)
  const timer =
    timeout === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true
          kill()
        }, timeout * 1000)
  const forget = interrupt.on(kill)
  try {
    await copyUntilEnd(hook, stdout, stderr)
  } finally {
    clearTimeout(timer)
    forget()
  }
  const child = waitPid(hook.pid, { hang: true })!
  return { child, timedOut, output: { stdout: stdout.text(), stderr: stderr.text() } }
}

async function copyUntilEnd(hook: StartedHook, stdout: Tail, stderr: Tail): Promise<void> {
  const open = [
    { fd: hook.stdout.fd, into: stdout },
    { fd: hook.stderr.fd, into: stderr }
  ]
  for (let ended = false; !ended; ) {
    const [end, ...events] = await pollAsync([{ fd: hook.pidfd.fd, events: POLLIN }, ...open.map(({ fd }) => ({ fd, events: POLLIN }))], -1)
    ended = end !== 0
    // An end of file stays ready for ever, so it is not asked about again.
    const closed = open.filter(({ fd, into }, i) => events[i] !== 0 && !into.add(readMessage(fd, 65536)))
    for (const stream of closed) open.splice(open.indexOf(stream), 1)
  }
  for (const { fd, into } of open) drain(fd, into)
}

/** Takes what is left in the pipe; bounded, for a process in the background may go on writing. */
function drain(fd: number, into: Tail): void {
  for (let i = 0; i < 16 && poll([{ fd, events: POLLIN }], 0)[0] !== 0; i++) if (!into.add(readMessage(fd, 65536))) return
}

/** The hook and all that it has started. */
function killGroup(pid: number): void {
  killPid(-pid, signalNumbers.SIGKILL)
  killPid(pid, signalNumbers.SIGKILL)
}

/** Why the hook was not executed; undefined when it was. */
async function startFailure(hook: StartedHook, plan: Plan): Promise<string | undefined> {
  const message = await nextOf(hook)
  return message?.kind === 'failed' ? describe(plan, message.step, message.errno) : undefined
}

function stateFile(state: string): OwnedFd {
  const file = ownResult(syscall('memfd_create', 'state', MFD_CLOEXEC), 'make a file for the state')
  const bytes = Buffer.from(state)
  // At a position: the hook reads from the file's own offset, which stays 0. Without a length Bun does not see the position.
  writeSync(file.fd, bytes, 0, bytes.length, 0)
  return file
}

function pipe(): [OwnedFd, OwnedFd] {
  const ends = new Int32Array(2)
  check(syscall('pipe2', new Uint8Array(ends.buffer), O_CLOEXEC), 'make a pipe')
  return [own(ends[0]!), own(ends[1]!)]
}
