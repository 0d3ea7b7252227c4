/** Who gets the container's terminal: a console socket. */
import type { Config } from '../config/types.ts'
import { TsrunError } from '../errors/error.ts'
import { socketWithoutTty, ttyWithoutSocket } from '../errors/wording.ts'
import { connectUnix } from '../linux/socket.ts'
import type { Work } from './work.ts'

/** Connects to the console socket when the container has a terminal; init sends the master there itself (cli protocol of runc: one message, one descriptor). */
export function connectConsole(path: string | undefined): (work: Work) => number {
  return (work) => {
    if (path === undefined) throw new TsrunError('bug', 'a terminal without a console socket')
    return work.use(connectUnix(path)).fd
  }
}

/**
 * runc's rules, which engines know: a terminal goes to a socket, or stays in the foreground; without a terminal nobody would ever connect to the socket.
 * A terminal of the foreground may go to a socket, too, as in crun.
 */
export function checkTerminal(config: Config, { consoleSocket }: { readonly consoleSocket?: string }, detached: boolean): void {
  const terminal = config.process?.terminal === true
  if (detached && terminal && consoleSocket === undefined) throw ttyWithoutSocket()
  if (!terminal && consoleSocket !== undefined) throw socketWithoutTty()
}
