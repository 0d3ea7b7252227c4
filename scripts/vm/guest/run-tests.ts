/**
 * Runs test files in the machine, one after the other, and writes one line of JSON at the beginning and at the end of each.
 *
 *     bun run-tests.js SECONDS FILE…    SECONDS: the time that each file has
 */
import { spawn } from 'node:child_process'

/** What is written. `stdout` is TAP. */
export type TestEvent =
  | { readonly event: 'started'; readonly file: string }
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
  write({ event: 'started', file })
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

const [seconds, ...files] = process.argv.slice(2)
for (const file of files) await run(file, Number(seconds) * 1000)
process.exit(0)
