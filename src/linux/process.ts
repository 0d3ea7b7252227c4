/** Processes: pidfds, signals, waiting, what /proc tells about them, limits. */
import { readFileSync } from 'node:fs'
import { RLIMITS } from '../abi/prctl.ts'
import { packRlimit, unpackRlimit, type WaitStatus, waitStatus } from '../abi/structs.ts'
import { readStubValue, signalsOf } from '../image/stub-value.ts'
import { AT_FLAGS, ECHILD, EINTR, PR_SET_CHILD_SUBREAPER, WNOHANG } from './constants.ts'
import { type OwnedFd, ownResult } from './fd.ts'
import { auxiliaryValue, check, syscall } from './ffi.ts'

export type { WaitStatus } from '../abi/structs.ts'

/** A child that has ended. */
export interface EndedChild extends WaitStatus {
  readonly pid: number
}

/** A pidfd for process `pid` (pidfd_open(2)); CLOEXEC. Throws TsrunError `system`, ESRCH when there is no such process. */
export const pidfdOpen = (pid: number): OwnedFd => ownResult(syscall('pidfd_open', pid, 0), `open process ${pid}`)

/** Sends `signal` (0 only checks) to the very process that `pidfd` refers to; returns 0 or -errno, -ESRCH when it has been reaped. */
export const pidfdSendSignal = (pidfd: number, signal: number): number => syscall('pidfd_send_signal', pidfd, signal, null, 0)

/**
 * kill(2); returns 0 or -errno; a negative pid is a process group. The pid may by now be another process's: use a pidfd wherever the process is not our own child.
 * Throws a RangeError for -1, 0 and 1, which mean everything, our own group, and the host's init.
 */
export function killPid(pid: number, signal: number): number {
  if (!Number.isInteger(pid) || Math.abs(pid) < 2) throw new RangeError(`kill(${pid})`)
  return syscall('kill', pid, signal)
}

/**
 * Reaps child `pid` (wait4(2)). With `hang` it waits for its end; without, it returns undefined while the child runs.
 * Throws TsrunError `system`, ECHILD when it is not a child of ours or was reaped.
 */
export function waitPid(pid: number, { hang }: { hang: boolean }): EndedChild | undefined {
  const { result, status } = wait4(pid, hang)
  return check(result, `wait for process ${pid}`) === 0 ? undefined : { pid: result, ...waitStatus(status) }
}

/**
 * Reaps any child; undefined when none has ended (with `hang`: when there is none at all).
 * It also takes the children of node:child_process from the engine: only for a process that is ours alone.
 */
export function waitAnyChild({ hang }: { hang: boolean }): EndedChild | undefined {
  const { result, status } = wait4(-1, hang)
  if (result === -ECHILD || check(result, 'wait for a child') === 0) return undefined
  return { pid: result, ...waitStatus(status) }
}

function wait4(pid: number, hang: boolean): { result: number; status: number } {
  const status = new Int32Array(1)
  for (;;) {
    const result = syscall('wait4', pid, new Uint8Array(status.buffer), hang ? 0 : WNOHANG, null)
    if (result !== -EINTR) return { result, status: status[0]! }
  }
}

const waiting = new Map<number, { resolve(child: EndedChild): void; reject(error: unknown): void }>()

/**
 * Waits for the end of child `pid` while the event loop goes on, and reaps it. One caller for each child.
 * SIGCHLD wakes it: no thread is held, so any number of children can be waited for.
 */
export function waitPidAsync(pid: number): Promise<EndedChild> {
  return new Promise((resolve, reject) => {
    if (waiting.size === 0) startListening()
    waiting.set(pid, { resolve, reject })
    // The child may have ended before we listened.
    reapOne(pid)
  })
}

let keepRunning: ReturnType<typeof setInterval> | undefined

function startListening(): void {
  process.on('SIGCHLD', reapWaiting)
  // A signal listener alone does not keep the event loop alive. The period is a safety net, should another listener's signalfd eat a signal.
  keepRunning = setInterval(reapWaiting, 1000)
}

function reapWaiting(): void {
  for (const pid of [...waiting.keys()]) reapOne(pid)
}

function reapOne(pid: number): void {
  const waiter = waiting.get(pid)
  if (waiter === undefined) return
  try {
    const child = waitPid(pid, { hang: false })
    if (child === undefined) return
    waiter.resolve(child)
  } catch (error) {
    waiter.reject(error)
  }
  waiting.delete(pid)
  if (waiting.size > 0) return
  process.off('SIGCHLD', reapWaiting)
  clearInterval(keepRunning)
}

const background = new Set<number>()

/**
 * Reaps child `pid` whenever it ends, in a program that still runs by then. It keeps no program running, and how the child ended is not told.
 */
export function reapInBackground(pid: number): void {
  if (background.size === 0) process.on('SIGCHLD', reapEnded)
  background.add(pid)
  // The child may have ended before we listened.
  reapEnded()
}

function reapEnded(): void {
  for (const pid of background) {
    const { result } = wait4(pid, false)
    // ECHILD: somebody else has reaped it.
    if (result !== 0) background.delete(pid)
  }
  if (background.size === 0) process.off('SIGCHLD', reapEnded)
}

/** Makes orphaned descendants our children (PR_SET_CHILD_SUBREAPER, prctl(2)). */
export function setSubreaper(): void {
  check(syscall('prctl', PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 'become a subreaper')
}

/**
 * When process `pid` started, in clock ticks since boot (field 22 of /proc/PID/stat); undefined when there is no such process.
 * Together with the pid it names a process for ever.
 */
export function startTime(pid: number): number | undefined {
  const field = stat(pid)?.[19]
  return field === undefined ? undefined : Number(field)
}

/** Its state, `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I` (proc_pid_stat(5)), and when it started, from one look; undefined when there is no such process. */
export function processStatus(pid: number): { state: string; startTime: number } | undefined {
  const fields = stat(pid)
  return fields === undefined ? undefined : { state: fields[0]!, startTime: Number(fields[19]) }
}

/** The fields from the third on. The second is the name, which may hold blanks and parentheses: the last one closes it. */
function stat(pid: number): string[] | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Sets the file mode creation mask; returns the old one. */
export const umask = (mask: number): number => syscall('umask', mask)

/** Sets limit `resource` (RLIMIT_*) of process `pid`, 0 for ourselves (prlimit(2)). Throws TsrunError `system`. */
export function prlimit(pid: number, resource: number, soft: number | bigint, hard: number | bigint): void {
  check(syscall('prlimit64', pid, resource, packRlimit(soft, hard), null), `set the resource limits of process ${pid}`)
}

/** Limit `resource` of process `pid`; RLIM_INFINITY is 2^64-1. */
export function getLimit(pid: number, resource: number): { soft: bigint; hard: bigint } {
  const limit = new Uint8Array(16)
  check(syscall('prlimit64', pid, resource, null, limit), `get the resource limits of process ${pid}`)
  return unpackRlimit(limit)
}

/** How this process was started, before the engine changed it. */
interface Caller {
  /** False when nobody has recorded it: the rest then says nothing. */
  readonly present: boolean
  /** Soft limit of open files. */
  readonly softNofile?: number | undefined
  readonly ignored: readonly number[]
  readonly cwdGone: boolean
}

/**
 * The limits of open files that our caller had; undefined when the engine has not changed them, or nobody has recorded them.
 * Engines raise the soft limit to the hard one when they start.
 */
export function callerLimits(): { nofile?: { readonly soft: number; readonly hard: number } } {
  const soft = caller().softNofile
  const now = getLimit(0, RLIMITS.RLIMIT_NOFILE)
  return soft === undefined || soft === Number(now.soft) ? {} : { nofile: { soft, hard: Number(now.hard) } }
}

/** The standard signals that our caller ignored, before the engine ignored some and handled others; undefined when nobody has recorded them. */
export function ignoredByCaller(): readonly number[] | undefined {
  const { present, ignored } = caller()
  return present ? ignored : undefined
}

/** True when we were started in a directory that was removed, or is out of reach: no engine starts there, so we are in `/` instead. */
export const workingDirectoryGone = (): boolean => process.cwd() === '/' && caller().cwdGone

/** In the executable, what its entry stub has kept; on Node, what bin/tsrun has recorded. */
function caller(): Caller {
  const kept = readStubValue(auxiliaryValue(AT_FLAGS))
  return kept.present ? kept : recordedCaller()
}

/** `PID:LIMIT:MASK:DIRECTORY`. The pid is ours, since exec keeps it: a record that some other process has left in the environment is not mistaken for it. */
function recordedCaller(): Caller {
  const pattern = /^(\d+):(\d{1,10}|unlimited):[0-9a-f]{8}([0-9a-f]{8}):(gone)?$/
  const [, pid, limit, mask, gone] = pattern.exec(process.env.TSRUN_CALLER ?? '') ?? []
  if (Number(pid) !== process.pid || mask === undefined) return { present: false, ignored: [], cwdGone: false }
  return {
    present: true,
    softNofile: limit === 'unlimited' ? undefined : Number(limit),
    ignored: signalsOf(Number.parseInt(mask, 16)),
    cwdGone: gone !== undefined
  }
}
