/**
 * A running CRIU, and the talk with it: `criu swrk FD` serves requests on a SOCK_SEQPACKET pair (criu.org/RPC), each answered by a response, before which
 * it may tell, with notifications that are answered, how far it is.
 */
import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Interrupt, uninterrupted } from '../container/interrupt.ts'
import { type Child, reap, untilGone } from '../container/program.ts'
import { nextMessage, untilReadable } from '../container/protocol.ts'
import { spawnPlan } from '../container/spawn-plan.ts'
import type { Work } from '../container/work.ts'
import * as wording from '../errors/wording.criu.ts'
import { errnoNameOf, stepFailed } from '../errors/wording.ts'
import { type OwnedFd, ownResult } from '../linux/fd.ts'
import { architecture, syscall } from '../linux/ffi.ts'
import { pidfdSendSignal } from '../linux/process.ts'
import { poll, receiveMessage, socketpairSeqpacket, writeAll } from '../linux/socket.ts'
import { type CriuFeature, type CriuRequest, type CriuResponse, decodeResponse, encodeRequest, REQUESTS } from './messages.ts'
import { compileCriu, idMapFd, type MappedTree } from './program.ts'

/** More than any response: its largest part is an error message. */
const MESSAGE_MAX = 1 << 16
const MFD_CLOEXEC = 1
const SIGKILL = 9
const O_RDWR_CLOEXEC = constants.O_RDWR | 0o2000000
const END_MS = 10_000
const LEAVE_MS = 200
const POLLIN = 1
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** The RPC can tell its own version since then, and restores below a process that asks for it. */
const OLDEST = 30000

/** Something that CRIU tells on its way. */
export interface Notification {
  /** `post-dump`, `setup-namespaces`, `post-restore`, `orphan-pts-master`, … */
  readonly script: string
  /** Of the restored init; 0 when it is not told. */
  readonly pid: number
  /** Belongs to the one who is told. */
  readonly fd: OwnedFd | undefined
}

export interface Criu {
  readonly pid: number
  /** 40100 is 4.1.0. */
  readonly version: number
  /** Throws TsrunError `unsupported` when the kernel or this CRIU lacks it. */
  need(feature: CriuFeature): Promise<void>
  /** Throws TsrunError `unsupported` when this CRIU is older than `version`. */
  needVersion(version: number, what: string): void
  /**
   * Makes a request and waits for its end.
   * @param onNotify what it throws ends the request, and is thrown on
   * @throws TsrunError `system` when CRIU has failed
   */
  request(request: CriuRequest, onNotify: (notification: Notification) => Promise<void>, interrupt: Interrupt): Promise<CriuResponse>
  /** What it has written to its standard streams. */
  output(): string
}

/** How CRIU is started. */
export interface CriuStart {
  /** Root file system that it shall find to be a mount. */
  readonly root?: string
  /** It gets our standard streams, for processes that use the caller's terminal. */
  readonly terminal?: boolean
  /** Our descriptors that it gets from FIRST_EXTRA on. */
  readonly extra?: readonly number[]
  /** Mounted for it, each with our descriptor of the user namespace that maps it. */
  readonly mapped?: readonly (MappedTree & { readonly fd: number })[]
  /** Where the program is written when the kernel forbids to execute a memfd. */
  readonly directory: string
}

/**
 * Starts CRIU; it ends with `work`.
 * @throws TsrunError `unsupported` when there is none, or one that is too old
 */
export async function startCriu({ root, extra = [], mapped = [], directory, terminal = false }: CriuStart, work: Work): Promise<Criu> {
  const names = extra.map((_, index) => `extra ${index}`)
  const env = [`PATH=${searchPath()}`, `HOME=${process.env.HOME ?? '/'}`]
  const plan = compileCriu({
    arch: architecture,
    path: findCriu(),
    env,
    terminal,
    extra: names,
    mapped,
    ...(root === undefined ? {} : { root })
  })
  const [rpc, theirRpc] = socketpairSeqpacket()
  work.use(rpc)
  const [sync, theirSync] = socketpairSeqpacket()
  using _ = sync
  const output = work.use(ownResult(syscall('memfd_create', 'criu', MFD_CLOEXEC), 'make a file for the output of criu'))
  using nothing = ownResult(syscall('openat', -100, '/dev/null', O_RDWR_CLOEXEC), 'open /dev/null')
  const named = { null: nothing.fd, output: output.fd, rpc: theirRpc.fd, sync: theirSync.fd }
  const maps = mapped.map(({ fd }, index) => [idMapFd(index), fd] as const)
  const fds = { ...named, ...Object.fromEntries([...names.map((name, index) => [name, extra[index]!] as const), ...maps]) }
  const child = spawnPlan(plan, { named: fds, preserve: 0, fallbackDirectory: directory, detached: true })
  work.use({ [Symbol.dispose]: () => end(child) })
  // Its end of file is to tell that CRIU has ended.
  theirRpc[Symbol.dispose]()
  theirSync[Symbol.dispose]()
  const failed = await nextMessage(sync.fd, uninterrupted)
  if (failed?.kind === 'failed') throw stepFailed(plan.steps[failed.step]!, failed.errno)
  return connect(child, rpc.fd, () => readFileSync(`/proc/self/fd/${output.fd}`, 'utf8').trim())
}

/** It leaves by itself after its work; one that is not needed any more, or hangs, is killed. */
function end({ pid, pidfd }: Child): void {
  const gone = (timeoutMs: number): boolean => poll([{ fd: pidfd.fd, events: POLLIN }], timeoutMs)[0] !== 0
  if (!gone(LEAVE_MS)) pidfdSendSignal(pidfd.fd, SIGKILL)
  if (gone(END_MS)) reap(pid)
  pidfd[Symbol.dispose]()
}

const searchPath = (): string => `${process.env.PATH ? `${process.env.PATH}:` : ''}${DEFAULT_PATH}`

function findCriu(): string {
  for (const directory of searchPath().split(':')) {
    const path = join(directory, 'criu')
    if (directory.startsWith('/') && isExecutable(path)) return path
  }
  throw wording.noCriu()
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function connect(child: Child, rpc: number, output: () => string): Promise<Criu> {
  const talk = (request: CriuRequest, onNotify: (notification: Notification) => Promise<void>, interrupt: Interrupt) =>
    converse(rpc, request, onNotify, interrupt)
  const version = await versionOf(talk, output)
  if (version < OLDEST) throw wording.criuTooOld(version, OLDEST, 'checkpoint and restore')
  return {
    pid: child.pid,
    version,
    async need(feature) {
      const answer = await talk({ type: REQUESTS.FEATURE_CHECK, keep_open: true, features: { [feature]: true } }, silent, uninterrupted)
      if (answer?.success !== true || answer.features?.[feature] !== true) throw wording.noFeature(feature)
    },
    needVersion(needed, what) {
      if (version < needed) throw wording.criuTooOld(version, needed, what)
    },
    async request(request, onNotify, interrupt) {
      const answer = await talk(request, onNotify, interrupt)
      // At its death nothing may have come.
      if (answer === undefined) await untilGone(child.pidfd.fd, END_MS)
      return answer ?? { success: false }
    },
    output
  }
}

const silent = async (): Promise<void> => {}

type Talk = (
  request: CriuRequest,
  onNotify: (notification: Notification) => Promise<void>,
  interrupt: Interrupt
) => Promise<CriuResponse | undefined>

async function versionOf(talk: Talk, output: () => string): Promise<number> {
  const answer = await talk({ type: REQUESTS.VERSION, keep_open: true }, silent, uninterrupted)
  const { major_number: major, minor_number: minor, sublevel = 0 } = answer?.version ?? {}
  if (major === undefined || minor === undefined) throw wording.notServing(output())
  return major * 10_000 + minor * 100 + sublevel
}

/** Undefined when CRIU has ended without an answer. A notification that fails is told to CRIU, which then undoes what it has done. */
async function converse(rpc: number, request: CriuRequest, ...[onNotify, interrupt]: [Parameters<Talk>[1], Interrupt]): ReturnType<Talk> {
  let failure: { readonly cause: unknown } | undefined
  send(rpc, request)
  for (;;) {
    await untilReadable(rpc, interrupt)
    const { data, fds } = receiveOrEnd(rpc)
    const [fd, ...others] = fds
    for (const other of others) other[Symbol.dispose]()
    const response = data.length === 0 ? undefined : decodeResponse(data)
    if (response?.type !== REQUESTS.NOTIFY) {
      if (failure !== undefined) throw failure.cause
      return response
    }
    const { script = '', pid = 0 } = response.notify ?? {}
    await onNotify({ script, pid, fd }).catch((cause: unknown) => {
      failure ??= { cause }
    })
    send(rpc, { type: REQUESTS.NOTIFY, notify_success: failure === undefined })
  }
}

/** One that has ended is noticed at the next look. */
function send(rpc: number, request: CriuRequest): void {
  try {
    writeAll(rpc, encodeRequest(request))
  } catch (cause) {
    if (errnoNameOf(cause) !== 'EPIPE') throw cause
  }
}

function receiveOrEnd(rpc: number): ReturnType<typeof receiveMessage> {
  try {
    return receiveMessage(rpc, MESSAGE_MAX)
  } catch (cause) {
    if (errnoNameOf(cause) === 'ECONNRESET') return { data: new Uint8Array(), fds: [] }
    throw cause
  }
}
