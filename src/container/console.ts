/** Who gets the container's terminal: a console socket. */
import { TsrunError } from '../errors/error.ts'
import { connectUnix } from '../linux/socket.ts'
import type { Work } from './work.ts'

/** Connects to the console socket when the container has a terminal; init sends the master there itself (cli protocol of runc: one message, one descriptor). */
export function connectConsole(path: string | undefined): (work: Work) => number {
  return (work) => {
    if (path === undefined) throw new TsrunError('bug', 'a terminal without a console socket')
    return work.use(connectUnix(path)).fd
  }
}
