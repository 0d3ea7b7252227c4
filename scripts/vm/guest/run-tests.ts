/**
 * Runs test files in the machine, one after the other, and writes lines of JSON: when it wants the next file, and when one has ended.
 *
 *     bun run-tests.js SECONDS    SECONDS: the time that each file has. Standard input: paths, one a line; an empty line ends it
 *
 * A path with "user " before it runs as the machine's ordinary user, in a cgroup that systemd has delegated to it.
 */
import { spawn } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, readSync } from 'node:fs'

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

/** Of the recipe's user. */
const [, uid = '', gid = ''] = /^user:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []

/** A service of the user's with a cgroup of its own; the tests are in one below it, and containers beside that (systemd.exec(5)). */
function asUser(file: string, timeoutMs: number): readonly string[] {
  const runtime = '/run/tsrun-test-user'
  mkdirSync(runtime, { recursive: true, mode: 0o700 })
  chownSync(runtime, Number(uid), Number(gid))
  const properties = ['Delegate=yes', 'DelegateSubgroup=tests', `RuntimeMaxSec=${timeoutMs / 1000}`, 'WorkingDirectory=/tsrun']
  const variables = ['PATH', 'CI', 'TSRUN_SLOWNESS', 'TSRUN_RUNTIME'].map((name) => `${name}=${process.env[name] ?? ''}`)
  return [
    ...['systemd-run', '--quiet', '--wait', '--pipe', '--collect', '--uid=user'],
    ...properties.map((property) => `--property=${property}`),
    ...[...variables, `XDG_RUNTIME_DIR=${runtime}`].map((variable) => `--setenv=${variable}`),
    process.execPath,
    file
  ]
}

function run(file: string, timeoutMs: number): Promise<void> {
  const begun = performance.now()
  const [command = '', ...args] = file.startsWith('user ') ? asUser(file.slice('user '.length), timeoutMs) : [process.execPath, file]
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
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
