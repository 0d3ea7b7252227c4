/**
 * Runs test files in the machine, one after the other, and writes lines of JSON: when it wants the next file, and when one has ended.
 *
 *     bun run-tests.js SECONDS    SECONDS: the time that each file has. Standard input: paths, one a line; an empty line ends it
 */
import { spawn } from 'node:child_process'
import { readSync } from 'node:fs'

/** What is written. `stdout` is TAP. */
export type TestEvent =
  | { readonly event: 'idle' }
  | {
      readonly event: 'finished'
      readonly file: string
      readonly status: number | null
      readonly signal: string | null
      readonly timedOut: boolean
      readonly ms: number
      readonly stdout: string
      readonly stderr: string
    }

const write = (event: TestEvent): void => console.log(JSON.stringify(event))

function run(file: string, timeoutMs: number): Promise<void> {
  const begun = performance.now()
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
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
        write({ event: 'finished', file, status, signal, timedOut, ms: Math.round(performance.now() - begun), stdout, stderr })
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
  const file = readLine()
  if (file === '') process.exit(0)
  await run(file, Number(process.argv[2]) * 1000)
}
