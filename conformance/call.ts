/** Runs a program with its output going to files: a created container goes on writing to the runtime's standard output. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'

/** How a program ended. */
export interface Result {
  /** Exit status; -1 when it did not end by itself: a signal, or it took too long. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface CallOptions {
  readonly cwd?: string
  /** Beside PATH; nothing else of the suite's environment is passed on. */
  readonly env?: Readonly<Record<string, string>>
  /** Descriptors from 3 on. */
  readonly fds?: readonly number[]
}

const TIMEOUT_MS = Number(process.env.CONFORMANCE_TIMEOUT_MS ?? 30_000)

/**
 * Runs a command to its end.
 *
 * @param out path without ending: standard output goes to `OUT.out`, standard error to `OUT.err`
 */
export function call(out: string, command: readonly string[], options: CallOptions = {}): Promise<Result> {
  const fds = [openSync(`${out}.out`, 'a'), openSync(`${out}.err`, 'a')] as const
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    stdio: ['ignore', ...fds, ...(options.fds ?? [])],
    env: { PATH: process.env.PATH, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd })
  })
  for (const fd of fds) closeSync(fd)
  return new Promise((resolve) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, TIMEOUT_MS)
    const end = (status: number, note = ''): void => {
      clearTimeout(timer)
      resolve({ status, stdout: readFileSync(`${out}.out`, 'utf8'), stderr: readFileSync(`${out}.err`, 'utf8') + note })
    }
    child.on('error', (error) => end(-1, error.message))
    child.on('exit', (status, signal) =>
      late ? end(-1, `took more than ${TIMEOUT_MS} ms`) : end(status ?? -1, status === null ? `ended by ${signal}` : '')
    )
  })
}
