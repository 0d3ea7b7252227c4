/**
 * Readiness of the container's process, told to the service manager that runs us (sd_notify(3)).
 *
 * The container gets a socket of its own, and never the manager's: what comes in there is the container's word, so only a line that begins with
 * `READY=` is passed on, and with the pid that we know. `create` makes a directory and shows it to the container; `start` puts the socket into it.
 */
import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { O_CLOEXEC } from '../abi/fcntl.ts'
import { SOCK_DGRAM } from '../abi/socket.ts'
import type { Mount } from '../config/types.ts'
import { noAcknowledgement, nobodyListens, notOffered, notTold, unknownAddress } from '../errors/wording.notify.ts'
import { type OwnedFd, own } from '../linux/fd.ts'
import { check, syscall } from '../linux/ffi.ts'
import { pidfdOpen } from '../linux/process.ts'
import { bindUnix, connectAbstract, connectUnix, pollAsync, readMessage, sendFd, writeAll } from '../linux/socket.ts'
import type { StateDirectory } from './store.ts'
import type { RuntimeOptions } from './types.ts'

/** Where the container finds it; runc's paths. */
const INSIDE = '/run/notify'
const NAME = 'notify.sock'

const POLLIN = 1
const SLICE_MS = 1000
const BARRIER_SECONDS = 30
/** systemd takes no more either (PIPE_BUF, src/core/manager.c). */
const MAX_MESSAGE = 4096

/** What a container needs to be able to tell that it is ready. */
export interface Offer {
  readonly mounts: readonly Mount[]
  readonly env: readonly string[]
}

const directoryOf = (directory: StateDirectory): string => join(directory.path, 'notify')

/**
 * Checks $NOTIFY_SOCKET before anything is made.
 * @throws TsrunError `usage` for an address of another kind
 */
export function checkAddress(address: string): void {
  if (!/^[/@]./s.test(address)) throw unknownAddress(address)
}

/** Makes the directory that the container will see. */
export function offer(directory: StateDirectory): Offer {
  const source = directoryOf(directory)
  mkdirSync(source)
  // Whatever the umask is.
  chmodSync(source, 0o755)
  return {
    mounts: [{ destination: INSIDE, source, type: 'bind', options: ['bind', 'ro', 'nosuid', 'noexec', 'nodev'] }],
    env: [`NOTIFY_SOCKET=${INSIDE}/${NAME}`]
  }
}

/** The container's socket, and the way to the service manager. */
export interface Relay extends Disposable {
  /**
   * Waits until the container says that it is ready, and passes that on; or until init is gone. Never throws: the container runs by now. Afterwards
   * nobody listens to the container any more.
   * @param pid the process that the service manager is to watch
   */
  untilReady(pid: number): Promise<void>
}

/** Everything that a relay holds. */
interface Ends {
  /** The container's socket. */
  readonly container: OwnedFd
  readonly manager: OwnedFd
  /** Of init. */
  readonly pidfd: OwnedFd
  readonly address: string
  readonly warn: (message: string) => void
}

/**
 * Opens both sockets, before init is let go. What it holds is closed by disposing of it.
 * @param init pid of init, which waits
 * @returns undefined for a container that was created without the offer
 * @throws TsrunError `usage`, `system` when nobody listens at `address`
 */
export function openRelay(directory: StateDirectory, address: string, init: number, { log }: RuntimeOptions): Relay | undefined {
  checkAddress(address)
  const warn = (message: string): void => log?.('warning', message)
  if (!existsSync(directoryOf(directory))) {
    warn(notOffered(directory.id))
    return undefined
  }
  const manager = reach(address)
  const ends = { container: listen(directory), manager, pidfd: pidfdOpen(init), address, warn }
  const close = (): void => {
    for (const end of [ends.container, ends.manager, ends.pidfd]) end[Symbol.dispose]()
  }
  return { untilReady: (pid) => passOn(ends, pid).finally(close), [Symbol.dispose]: close }
}

function reach(address: string): OwnedFd {
  try {
    return address.startsWith('@') ? connectAbstract(address.slice(1), SOCK_DGRAM) : connectUnix(address, SOCK_DGRAM)
  } catch (cause) {
    throw nobodyListens(address, (cause as Error).message, cause)
  }
}

/** A `start` that was interrupted has left one. */
function listen(directory: StateDirectory): OwnedFd {
  const path = join(directoryOf(directory), NAME)
  rmSync(path, { force: true })
  const socket = bindUnix(path, 0o777, SOCK_DGRAM, `make the socket ${JSON.stringify(path)}`)
  // bind(2) takes the umask off, and the container's user may be any.
  chmodSync(path, 0o777)
  return socket
}

async function passOn(ends: Ends, pid: number): Promise<void> {
  try {
    const line = await readyLine(ends)
    if (line !== undefined) await tell(ends, line, pid)
  } catch (cause) {
    ends.warn(notTold(ends.address, (cause as Error).message))
  }
}

/** The first line that says so; undefined when init has ended without it. */
async function readyLine({ container, pidfd }: Ends): Promise<string | undefined> {
  for (;;) {
    const question = [container.fd, pidfd.fd].map((fd) => ({ fd, events: POLLIN }))
    const [said, ended] = await pollAsync(question, SLICE_MS)
    if (said) {
      const lines = Buffer.from(readMessage(container.fd, MAX_MESSAGE)).toString('utf8').split('\n')
      const ready = lines.find((line) => line.startsWith('READY='))
      if (ready !== undefined) return ready
    } else if (ended) return undefined
  }
}

/** Two messages as runc sends them, and then we stay until they have been handled: systemd asks which unit the sender belongs to. */
async function tell({ manager, address, warn }: Ends, line: string, pid: number): Promise<void> {
  for (const message of [line, `MAINPID=${pid}`]) writeAll(manager.fd, Buffer.from(`${message}\n`))
  const [ours, theirs] = pipe()
  using end = ours
  sendFd(manager.fd, theirs.fd, Buffer.from('BARRIER=1'))
  theirs[Symbol.dispose]()
  // The other side closes its end once it has handled all that came before (sd_notify_barrier(3)).
  const [closed] = await pollAsync([{ fd: end.fd, events: 0 }], BARRIER_SECONDS * 1000)
  if (!closed) warn(noAcknowledgement(address, BARRIER_SECONDS))
}

function pipe(): [OwnedFd, OwnedFd] {
  const ends = new Int32Array(2)
  check(syscall('pipe2', new Uint8Array(ends.buffer), O_CLOEXEC), 'make a pipe')
  return [own(ends[0]!), own(ends[1]!)]
}
