/** Runs the commands of checks. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Step } from '../../test/engines/check.ts'

/** Functions that all commands may use. */
const PRELUDE = `
# With a terminal for standard input and output, whatever they are.
tty() { script -qec "$*" /dev/null; }
# Until a command succeeds, for ten seconds.
wait_for() { for _ in $(seq 100); do if (eval "$1") >/dev/null 2>&1; then return 0; fi; sleep 0.1; done; echo "in vain: $1" >&2; return 1; }
# A call of the container runtime interface.
cri() { timeout -s KILL 60 "$BUN" "$CRI_CLIENT" "$@"; }
`

/** Emulation makes everything this much slower. */
export const SLOWNESS = Number(process.env.TSRUN_SLOWNESS ?? 1)

const STEP_TIMEOUT_MS = 90_000

/** How a command ended. */
export interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a shell command. Its output goes to files: a daemon that it has started would hold a pipe open.
 *
 * @returns 124 as the status of what took too long
 */
export function shell(command: string, env: NodeJS.ProcessEnv, timeoutMs = STEP_TIMEOUT_MS): Ended {
  const directory = mkdtempSync('/run/tmp/step-')
  const [out, err] = [join(directory, 'out'), join(directory, 'err')]
  const [outFd, errFd] = [openSync(out, 'w'), openSync(err, 'w')]
  const { status, error } = spawnSync('sh', ['-c', PRELUDE + command], {
    stdio: ['ignore', outFd, errFd],
    // conmon leaves a file in its working directory when a container runs out of memory.
    cwd: '/run/tmp',
    env,
    timeout: timeoutMs,
    killSignal: 'SIGKILL'
  })
  closeSync(outFd)
  closeSync(errFd)
  const ended = { stdout: readFileSync(out, 'utf8'), stderr: readFileSync(err, 'utf8') + (error ? `${error.message}\n` : '') }
  rmSync(directory, { recursive: true })
  return { status: status ?? 124, ...ended }
}

/** Without the carriage returns of terminals, and the white space around it. */
const plain = (text: string): string => text.replaceAll('\r', '').trim()

const matches = (text: string, wanted: string | RegExp | undefined): boolean =>
  wanted === undefined || (typeof wanted === 'string' ? plain(text) === wanted : wanted.test(plain(text)))

/** Lines of output that are shown of a failure. */
const SHOWN = 25

const shortened = (text: string): string => {
  const lines = text.trimEnd().split('\n')
  return lines.length <= SHOWN ? lines.join('\n') : [...lines.slice(0, SHOWN), `… ${lines.length - SHOWN} lines …`].join('\n')
}

function problem({ status = 0, out, err }: Step, ended: Ended): string | undefined {
  if (ended.status !== status) return `exit status ${ended.status}, not ${status}`
  if (!matches(ended.stdout, out)) return `standard output is not ${out}`
  if (!matches(ended.stderr, err)) return `standard error is not ${err}`
  return undefined
}

/** Takes one step; returns what is wrong, with all that was seen. */
export function take(step: Step, env: NodeJS.ProcessEnv): string | undefined {
  const until = performance.now() + (step.withinS ?? 0) * SLOWNESS * 1000
  for (;;) {
    const ended = shell(step.run, env, step.timeoutS === undefined ? STEP_TIMEOUT_MS : step.timeoutS * 1000)
    const wrong = problem(step, ended)
    if (wrong === undefined) return undefined
    if (performance.now() > until) return `${wrong}\n$ ${step.run}\n${shortened(ended.stdout + ended.stderr)}`
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
}
