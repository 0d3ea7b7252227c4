/**
 * `npm run test:vm`: the container tests in a machine with cgroup v2, systemd as process 1, AppArmor and Debian's kernel.
 *
 * The machine is built once, started under QEMU, and gets the build and the tests on a second disk; no network is needed in it.
 * The last line is `N passed, N failed, N skipped`. Where no machine can be built it is one skip, with the reason.
 *
 *     scripts/vm/test.ts [--only NAME…] [--minutes N]    NAME: part of a test file's path; N: the most that all of it may take, 15 if not given
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Outcome, report, summarize } from '../report.ts'
import { parseTap, type TapFailure } from '../tap.ts'
import { carry } from './carry.ts'
import type { TestEvent } from './guest/run-tests.ts'
import { type Image, machineImage, NoMachine } from './image.ts'
import { boot, consoleTail } from './machine.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({ options: { only: { type: 'string', multiple: true }, minutes: { type: 'string', default: '15' } } })

/** What the machines' consoles have said is kept for those who look for a cause. */
const LOGS = join(root, 'build/vm')

/** A machine under emulation keeps little more than one processor busy. */
const MACHINES = Math.max(1, Math.min(3, availableParallelism(), Math.floor(totalmem() / 4e9)))

/** Time of everything (the build, the machine's image where there is none yet, and its life), and of one file. */
const TIMEOUT_MS = 60_000 * Number(values.minutes)
const FILE_TIMEOUT_S = Math.round(TIMEOUT_MS / 2000)

/**
 * Test files that run in the machine, for what they see depends on cgroup v2, systemd, AppArmor, mounts that are shared, or the kernel. The others find
 * on the host what they would find here, and under emulation each would take a minute or more.
 */
const WANTED: readonly RegExp[] = [
  /^test\/(differential|leftovers)\./,
  /^test\/container\/(lifecycle|run|exec|exec-differential|hooks|leaks|mounts|namespaces|ps|rootless|sockets)\./,
  /^test\/container\/(devices|events|notify|pause|priority|update)\./,
  /^test\/security\/host\./,
  /^src\/.*\/live\./
]

/** Whatever cannot run anywhere else is wanted, too: a new file need not be entered above. */
const ONLY_HERE = /cgroup: 'v2'|'\/run\/systemd\/system'|'apparmor_parser'/

/** Those that run once more as the machine's ordinary user, who has ranges of ids and a cgroup of v2 with all controllers. */
const USERS: readonly RegExp[] = [/^test\/container\/(events|exec|lifecycle|pause|ps|run|update)\./]

const isWanted = (path: string): boolean =>
  WANTED.some((each) => each.test(path)) || (path.startsWith('test/') && ONLY_HERE.test(sourceOf(path)))

function sourceOf(path: string): string {
  const source = join(root, path.replace(/\.js$/, '.ts'))
  return existsSync(source) ? readFileSync(source, 'utf8') : ''
}

function testFiles(): string[] {
  const all = readdirSync(join(root, 'build'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.test.js'))
  const only = values.only
  const chosen = only ? all.filter((path) => only.some((name) => path.replace(/\.js$/, '.ts').includes(name))) : all.filter(isWanted)
  const size = (path: string): number => statSync(join(root, 'build', path)).size
  // The long ones first, so that no machine waits for another at the end.
  const files = chosen.filter((path) => existsSync(join(root, path.replace(/\.js$/, '.ts')))).sort((a, b) => size(b) - size(a))
  const users = files.filter((path) => USERS.some((each) => each.test(path)))
  return [...files.map((path) => `build/${path}`), ...users.map((path) => `user build/${path}`)]
}

/** tsc writes its output whatever it finds; that the types are right, `npm test` says. */
function compile(): void {
  spawnSync(join(root, 'node_modules/.bin/tsc'), { cwd: root, stdio: 'ignore' })
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the build failed:\n${stderr}`)
}

/** What a finished file means. */
function outcomeOf(finished: Extract<TestEvent, { event: 'finished' }>): Outcome {
  const { file, status, signal, timedOut, ms, stdout, stderr } = finished
  const { passed, failures, skips } = parseTap(stdout)
  const why = timedOut ? `took more than ${FILE_TIMEOUT_S} s` : signal ? `ended by ${signal}` : status ? `exit status ${status}` : ''
  const all = why && (timedOut || signal || failures.length === 0) ? [...failures, { path: [why], diagnostics: '' }] : failures
  const [first, ...rest] = all
  const told = first && stderr ? [{ ...first, diagnostics: `${first.diagnostics}\n${stderr}`.trim() }, ...rest] : all
  return { name: nameOf(file), passed, failures: told, skips, ms }
}

const nameOf = (file: string): string =>
  `${file.replace(/^(user )?build\//, '').replace(/\.js$/, '.ts')}${file.startsWith('user ') ? ', a user with a delegated cgroup' : ''}`

/** One machine: it asks for files, runs them, and tells how they ended. */
class Worker {
  readonly outcomes: Outcome[] = []
  private readonly queue: string[]
  private readonly name: string
  private running: string | undefined
  /** Lines that are no events: what the shell or Bun says when something is wrong. */
  private other = ''

  constructor(queue: string[], name: string) {
    this.queue = queue
    this.name = name
  }

  async work(image: Image, carried: string): Promise<void> {
    const log = join(LOGS, `${this.name}.log`)
    const output = (line: string, input: (text: string) => void): void => this.read(line, input)
    const { status, why, ms } = await boot({ image, carried, console: log, timeoutMs: TIMEOUT_MS - performance.now(), output })
    console.log(`${this.name}: ${(ms / 1000).toFixed(0)} s`)
    if (status === 0) return
    const where = this.running ? `, in ${nameOf(this.running)}` : ''
    const failure = {
      path: [(why || `its command ended with status ${status}`) + where],
      diagnostics: `${this.other}\n${consoleTail(log)}`
    }
    this.outcomes.push({ name: this.name, passed: 0, failures: [failure], skips: [], ms })
  }

  private read(line: string, input: (text: string) => void): void {
    if (!line.startsWith('{"event":')) {
      this.other += line
      return
    }
    const event = JSON.parse(line) as TestEvent
    this.running = undefined
    if (event.event === 'idle') {
      this.running = this.queue.shift()
      input(`${this.running ?? ''}\n`)
    } else {
      const outcome = outcomeOf(event)
      report(outcome)
      this.outcomes.push(outcome)
    }
  }
}

async function main(): Promise<number> {
  compile()
  const queue = testFiles()
  const image = machineImage()
  using carried = carry(`exec bun guest/run-tests.js ${FILE_TIMEOUT_S}`)
  const workers = Array.from({ length: Math.min(MACHINES, queue.length) }, (_, i) => new Worker(queue, `test machine ${i + 1}`))
  console.log(`${queue.length} test files on ${workers.length} test machines`)
  await Promise.all(workers.map((worker) => worker.work(image, carried.disk)))
  const outcomes = workers.flatMap((worker) => worker.outcomes)
  if (queue.length > 0) outcomes.push({ name: 'test machines', passed: 0, failures: queue.map(notRun), skips: [], ms: 0 })
  writeFileSync(join(LOGS, 'test-results.json'), `${JSON.stringify(outcomes, undefined, 1)}\n`)
  return summarize(outcomes)
}

const notRun = (file: string): TapFailure => ({ path: [nameOf(file)], diagnostics: 'not run: no machine was left for it' })

async function orSkip(): Promise<number> {
  try {
    return await main()
  } catch (error) {
    if (!(error instanceof NoMachine)) throw error
    console.log(`no test machine here: ${error.message}`)
    console.log('0 passed, 0 failed, 1 skipped')
    return 0
  }
}

process.exitCode = await orSkip()
