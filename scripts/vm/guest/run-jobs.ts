/**
 * Runs commands in the machine, one after the other, and writes lines of JSON: when it wants the next one, and when one has ended.
 *
 *     bun run-jobs.js SECONDS    SECONDS: the time that each has. Standard input: an array of arguments, one a line; an empty line ends it
 */
import { spawn } from 'node:child_process'
import { readSync } from 'node:fs'

/** What is written. */
export type JobEvent =
  | { readonly event: 'idle' }
  | {
      readonly event: 'finished'
      readonly status: number | null
      readonly signal: string | null
      readonly timedOut: boolean
      readonly ms: number
      readonly stdout: string
      readonly stderr: string
    }

const write = (event: JobEvent): void => console.log(JSON.stringify(event))

function run([program = '', ...args]: readonly string[], timeoutMs: number): Promise<void> {
  const begun = performance.now()
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let [stdout, stderr, timedOut] = ['', '', false]
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const timer = setTimeout(() => {
    timedOut = true
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, timeoutMs)
  return new Promise((resolve) => {
    // 'exit', not 'close': a process that a test left behind may hold the pipe open for ever.
    child.on('exit', (status, signal) => {
      clearTimeout(timer)
      const finish = (): void => {
        write({ event: 'finished', status, signal, timedOut, ms: Math.round(performance.now() - begun), stdout, stderr })
        resolve()
      }
      setTimeout(finish, 50)
    })
  })
}

/** Byte by byte: what comes after the line is for later. */
function readLine(): string {
  const byte = Buffer.alloc(1)
  let line = ''
  while (readSync(0, byte) === 1 && byte[0] !== 10) line += byte.toString('latin1')
  return line
}

for (;;) {
  write({ event: 'idle' })
  const line = readLine()
  if (line === '') process.exit(0)
  await run(JSON.parse(line) as string[], Number(process.argv[2]) * 1000)
}
