/**
 * Starting programs with posix_spawn(3): a child that shares nothing of the engine's signal handling, and holds no descriptor
 * but those it was given.
 */
import { constants, readdirSync } from 'node:fs'
import { AT_FDCWD, F_DUPFD_CLOEXEC, O_CLOEXEC, O_RDONLY, O_RDWR } from '../abi/fcntl.ts'
import { signalNumbers } from '../abi/signals.ts'
import { packSignalSet } from '../abi/structs.ts'
import {
  EACCES,
  EINVAL,
  F_ADD_SEALS,
  F_GETFD,
  F_SEAL_EXEC,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  O_TMPFILE_BIT,
  POSIX_SPAWN_SETSIGDEF,
  POSIX_SPAWN_SETSIGMASK
} from './constants.ts'
import { type OwnedFd, ownResult } from './fd.ts'
import { addressOf, check, keepAlive, libc, libcOptional, syscall, systemError } from './ffi.ts'
import { writeAll } from './socket.ts'

/** A descriptor that the program gets: our `from` becomes its `to`. `from` stays ours. */
export interface PassedFd {
  readonly from: number
  readonly to: number
}

/** How a program takes signals when it begins. Those that are named nowhere are ignored there if they are ignored here (execve(2)). */
export interface Dispositions {
  /** Signals whose disposition becomes the default: engines ignore SIGPIPE and SIGXFSZ. */
  readonly resetSignals: readonly number[]
  /** Signals that are ignored there, whatever we do with them. We ignore them, too, for the moment that it takes. */
  readonly ignoreSignals?: readonly number[]
  /** The program's signal mask; default `empty`. */
  readonly mask?: 'empty' | 'inherit'
}

interface Common extends Dispositions {
  /** All that the program has beside 0, 1 and 2, which are ours unless named here. One that is closed here is /dev/null there. */
  readonly fds: readonly PassedFd[]
}

export interface SpawnRequest extends Common {
  /** A whole ELF executable. */
  readonly image: Uint8Array
  readonly arg0: string
  /** Where an unnamed file is made when the kernel forbids to execute a memfd (vm.memfd_noexec); must not be mounted noexec. */
  readonly fallbackDirectory?: string
}

export interface ProgramRequest extends Common {
  /** Absolute path. */
  readonly path: string
  readonly args: readonly string[]
  readonly env: readonly string[]
}

/**
 * Starts `image` with an empty environment; returns its pid, a child of ours.
 * Throws TsrunError `system` with the errno of memfd_create(2), write(2) or execve(2).
 */
export function spawnImage(request: SpawnRequest): number {
  using file = imageFile(request.image, request.fallbackDirectory ?? '/run')
  const firstFree = 1 + Math.max(2, ...request.fds.map(({ to }) => to))
  // The descriptor of the program itself must be open until execve(2) has read it, so it lies above all that the program wants.
  using executable = ownResult(syscall('fcntl', file.fd, F_DUPFD_CLOEXEC, firstFree), 'duplicate a file descriptor')
  return spawn({ ...request, path: `/proc/self/fd/${executable.fd}`, args: [request.arg0], env: [] }, executable.fd)
}

/** Starts the program at `path`; returns its pid, a child of ours. Throws TsrunError `system` with the errno of execve(2). */
export function spawnProgram(request: ProgramRequest): number {
  return spawn(request, undefined)
}

/** A sealed memfd that holds `image`. */
function imageFile(image: Uint8Array, fallbackDirectory: string): OwnedFd {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING
  const allSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
  let seals = allSeals | F_SEAL_EXEC
  let fd = syscall('memfd_create', 'tsrun', flags | MFD_EXEC)
  if (fd === -EINVAL) {
    // Before Linux 6.3 neither the flag nor the seal is known, and every memfd can be executed.
    seals = allSeals
    fd = syscall('memfd_create', 'tsrun', flags)
  }
  if (fd === -EACCES) return unnamedFile(image, fallbackDirectory)
  const file = ownResult(fd, 'create a memfd')
  writeAll(file.fd, image)
  check(syscall('fcntl', file.fd, F_ADD_SEALS, seals), 'seal a memfd')
  return file
}

/** For hosts with vm.memfd_noexec=2: a file without a name, which nobody else can open, opened anew for reading since a writer forbids execve(2). */
function unnamedFile(image: Uint8Array, directory: string): OwnedFd {
  const flags = O_TMPFILE_BIT | constants.O_DIRECTORY | O_RDWR | O_CLOEXEC
  using writable = ownResult(syscall('openat', AT_FDCWD, directory, flags, 0o700), `create an unnamed file in "${directory}"`)
  writeAll(writable.fd, image)
  return ownResult(syscall('openat', AT_FDCWD, `/proc/self/fd/${writable.fd}`, O_RDONLY | O_CLOEXEC), 'open an unnamed file again')
}

/** Both libcs reserve 80 bytes for the actions and 336 for the attributes; they must not grow without a new symbol version. */
const ACTIONS_SIZE = 256
const ATTRIBUTES_SIZE = 512

function spawn(request: ProgramRequest, executableFd: number | undefined): number {
  const functions = bind()
  heedChildren()
  using _ = ignoring(request.ignoreSignals ?? [])
  const actions = new Uint8Array(ACTIONS_SIZE)
  const attributes = new Uint8Array(ATTRIBUTES_SIZE)
  const moved: OwnedFd[] = []
  functions.actionsInit(actions)
  functions.attributesInit(attributes)
  try {
    fillActions(functions, actions, request.fds, executableFd, moved)
    fillAttributes(functions, attributes, request)
    const pid = new Int32Array(1)
    const args = stringVector(request.args)
    const env = stringVector(request.env)
    const errno: number = functions.spawn(new Uint8Array(pid.buffer), request.path, actions, attributes, args.vector, env.vector)
    if (errno !== 0) throw systemError(errno, `execute "${request.args[0] ?? request.path}"`)
    // Nothing else refers to the strings, of which the vectors hold the addresses only.
    keepAlive(args, env)
    return pid[0]!
  } finally {
    functions.actionsDestroy(actions)
    functions.attributesDestroy(attributes)
    for (const fd of moved) fd[Symbol.dispose]()
  }
}

/** `struct sigaction` of the kernel: handler, flags, restorer, mask; the same on both architectures. */
const SIGACTION_SIZE = 32
const SIG_DFL = 0
const SIG_IGN = 1
const SIGSET_SIZE = 8

/** Sets what happens at `signal` and returns what happened before: a whole sigaction, or a handler without flags. */
function exchangeAction(signal: number, action: Uint8Array | typeof SIG_DFL | typeof SIG_IGN): Uint8Array {
  const bytes = typeof action === 'number' ? new Uint8Array(SIGACTION_SIZE) : action
  if (typeof action === 'number') bytes[0] = action
  const before = new Uint8Array(SIGACTION_SIZE)
  check(syscall('rt_sigaction', signal, bytes, before, SIGSET_SIZE), `set the action of signal ${signal}`)
  return before
}

/** Ignores `signals` until it is disposed of: posix_spawn(3) can set defaults, and nothing else. */
function ignoring(signals: readonly number[]): Disposable {
  const before = signals.map((signal) => [signal, exchangeAction(signal, SIG_IGN)] as const)
  return {
    [Symbol.dispose]() {
      for (const [signal, action] of before) exchangeAction(signal, action)
    }
  }
}

let heeding = false

/** To ignore SIGCHLD, which is inherited as well, means not to be told how children end (wait(2)). Bun leaves it at that; Node does not. */
function heedChildren(): void {
  if (heeding) return
  heeding = true
  const before = exchangeAction(signalNumbers.SIGCHLD, SIG_DFL)
  if (before[0] !== SIG_IGN) exchangeAction(signalNumbers.SIGCHLD, before)
}

let bound: ReturnType<typeof bindAll> | undefined

function bind(): ReturnType<typeof bindAll> {
  bound ??= bindAll()
  return bound
}

const bindAll = () => ({
  spawn: libc('posix_spawn', 'int', 6),
  actionsInit: libc('posix_spawn_file_actions_init', 'int', 1),
  actionsDestroy: libc('posix_spawn_file_actions_destroy', 'int', 1),
  dup2: libc('posix_spawn_file_actions_adddup2', 'int', 3),
  close: libc('posix_spawn_file_actions_addclose', 'int', 2),
  open: libc('posix_spawn_file_actions_addopen', 'int', 5),
  /** Since glibc 2.34; musl has none. */
  closeFrom: libcOptional('posix_spawn_file_actions_addclosefrom_np', 'int', 2),
  attributesInit: libc('posix_spawnattr_init', 'int', 1),
  attributesDestroy: libc('posix_spawnattr_destroy', 'int', 1),
  setFlags: libc('posix_spawnattr_setflags', 'int', 2),
  setDefault: libc('posix_spawnattr_setsigdefault', 'int', 2),
  setMask: libc('posix_spawnattr_setsigmask', 'int', 2)
})

type Functions = ReturnType<typeof bindAll>

/** Those that libc keeps to itself (nptl(7)): glibc's posix_spawn sets them to be ignored, unless they are named here. */
const LIBC_SIGNALS = [32, 33]

function fillAttributes(functions: Functions, attributes: Uint8Array, { resetSignals, mask = 'empty' }: Common): void {
  functions.setFlags(attributes, POSIX_SPAWN_SETSIGDEF | (mask === 'empty' ? POSIX_SPAWN_SETSIGMASK : 0))
  functions.setDefault(attributes, packSignalSet([...resetSignals, ...LIBC_SIGNALS]))
  functions.setMask(attributes, packSignalSet([]))
}

/**
 * The child's descriptors: each wanted one, then nothing else. Sources that lie among the targets are moved above all of them first,
 * so that no dup2 overwrites a source that is still to come; `moved` receives them and the caller closes them.
 */
function fillActions(
  functions: Functions,
  actions: Uint8Array,
  fds: readonly PassedFd[],
  executableFd: number | undefined,
  moved: OwnedFd[]
): void {
  const wanted = withStandardStreams(fds)
  const highest = Math.max(...wanted.map(({ to }) => to))
  for (const { from, to } of wanted) {
    if (from === 'null') continue
    let source = from
    if (from !== to && from <= highest) {
      const copy = ownResult(syscall('fcntl', from, F_DUPFD_CLOEXEC, highest + 1), `pass on file descriptor ${from}`)
      moved.push(copy)
      source = copy.fd
    }
    // Onto itself as well: that clears FD_CLOEXEC, which engines set on what they inherit (POSIX.1-2024; glibc 2.29).
    functions.dup2(actions, source, to)
  }
  // Last, since open(2) would take a free number that is a source or a target.
  for (const { from, to } of wanted) if (from === 'null') functions.open(actions, to, '/dev/null', O_RDWR, 0)
  closeRest(functions, actions, new Set(wanted.map(({ to }) => to)), highest, executableFd)
}

function withStandardStreams(fds: readonly PassedFd[]): { from: number | 'null'; to: number }[] {
  const given = new Set(fds.map(({ to }) => to))
  const streams = [0, 1, 2].filter((fd) => !given.has(fd))
  return [...streams.map((fd) => ({ from: isOpen(fd) ? fd : ('null' as const), to: fd })), ...fds]
}

const isOpen = (fd: number): boolean => syscall('fcntl', fd, F_GETFD) >= 0

/** Closes in the child what is neither wanted nor the program itself, also what some library opened without O_CLOEXEC. */
function closeRest(
  functions: Functions,
  actions: Uint8Array,
  wanted: ReadonlySet<number>,
  highest: number,
  executableFd: number | undefined
): void {
  const last = executableFd ?? highest
  for (let fd = 0; fd < last; fd++) if (!wanted.has(fd)) functions.close(actions, fd)
  if (functions.closeFrom) {
    functions.closeFrom(actions, last + 1)
    return
  }
  for (const name of readdirSync('/proc/self/fd')) if (Number(name) > last) functions.close(actions, Number(name))
}

/** A NULL-terminated vector of strings, and the strings. */
function stringVector(strings: readonly string[]): { vector: BigUint64Array; keep: readonly Uint8Array[] } {
  const encoder = new TextEncoder()
  const keep = strings.map((text) => encoder.encode(`${text}\0`))
  return { vector: new BigUint64Array([...keep.map(addressOf), 0n]), keep }
}
