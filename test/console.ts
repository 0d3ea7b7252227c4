/** The other end of a console socket: like conmon and containerd's shim, it keeps the terminal, which would otherwise hang up. */
import { type OwnedFd, own } from '../src/linux/fd.ts'
import { accept, listenUnix, poll, receiveFd } from '../src/linux/socket.ts'

const POLLIN = 1
const WAIT_MS = 20_000

export interface Console extends Disposable {
  /** What came with the terminal's master. */
  readonly name: string
  /** True once the runtime and the container have closed their ends of the connection. */
  isClosed(): boolean
}

/** Listens at `path`. Throws a TsrunError when it cannot. */
export const consoleSocket = (path: string): OwnedFd => listenUnix(path, 0o600)

/** Waits, blocking, for whoever connects, and takes the terminal. Throws when nobody comes. */
export function takeConsole(listener: OwnedFd): Console {
  if (poll([{ fd: listener.fd, events: POLLIN }], WAIT_MS)[0] === 0) throw new Error('nobody has connected to the console socket')
  const connection = accept(listener.fd)
  const { fd, data } = receiveFd(connection.fd)
  const master = own(fd.release())
  return {
    name: new TextDecoder().decode(data),
    isClosed: () => poll([{ fd: connection.fd, events: POLLIN }], 0)[0] !== 0,
    [Symbol.dispose]() {
      master[Symbol.dispose]()
      connection[Symbol.dispose]()
      listener[Symbol.dispose]()
    }
  }
}
