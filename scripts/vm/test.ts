/**
 * `npm run test:vm`: the container tests in a machine with cgroup v2, systemd as process 1, AppArmor and Debian's kernel.
 *
 * The machine is built once, started under QEMU, and gets the build and the tests on a second disk; no network is needed in it.
 * The last line is `N passed, N failed, N skipped`. Where no machine can be built it is one skip, with the reason.
 *
 *     scripts/vm/test.ts [--only NAME…]    NAME: part of a test file's path
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Outcome, report, summarize } from '../report.ts'
import { parseTap } from '../tap.ts'
import { carry } from './carry.ts'
import type { TestEvent } from './guest/run-tests.ts'
import { machineImage, NoMachine } from './image.ts'
import { boot, consoleTail } from './machine.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } })

/** Kept for those who look for a cause. */
const CONSOLE = join(root, 'build/vm/console.log')

/** Time of one file in the machine, and of everything. */
const FILE_TIMEOUT_S = 300
const MACHINE_TIMEOUT_MS = 870_000

/** Test files that run in the machine. */
const WANTED = [/^test\//, /^conformance\//, /^src\/.*live\.test\.js$/]

/** What is not run in there, and why. */
const UNWANTED: readonly { readonly file: RegExp; readonly because: string }[] = []

function testFiles(): string[] {
  const all = readdirSync(join(root, 'build'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.test.js'))
  const only = values.only
  const chosen = only
    ? all.filter((path) => only.some((name) => path.replace(/\.js$/, '.ts').includes(name)))
    : all.filter((path) => WANTED.some((each) => each.test(path)) && !UNWANTED.some(({ file }) => file.test(path)))
  return chosen.filter((path) => existsSync(join(root, path.replace(/\.js$/, '.ts')))).sort()
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

const nameOf = (file: string): string => file.replace(/^build\//, '').replace(/\.js$/, '.ts')

/** Reads the machine's lines, and reports each file as it ends. */
class Reader {
  readonly outcomes: Outcome[] = []
  running: string | undefined
  /** Lines that are no events: what the shell or Bun says when something is wrong. */
  other = ''
  private rest = ''

  read(text: string): void {
    const lines = (this.rest + text).split('\n')
    this.rest = lines.pop() ?? ''
    for (const line of lines) this.line(line)
  }

  line(line: string): void {
    if (!line.startsWith('{"event":')) {
      this.other += `${line}\n`
      return
    }
    const event = JSON.parse(line) as TestEvent
    this.running = event.event === 'started' ? event.file : undefined
    if (event.event === 'started') return
    const outcome = outcomeOf(event)
    report(outcome)
    this.outcomes.push(outcome)
  }

  end(): void {
    if (this.rest) this.line(this.rest)
    this.rest = ''
  }
}

async function main(): Promise<number> {
  compile()
  const files = testFiles()
  const image = machineImage()
  using carried = carry(`exec bun guest/run-tests.js ${FILE_TIMEOUT_S} ${files.map((path) => `build/${path}`).join(' ')}`)
  console.log(`starting the test machine for ${files.length} files`)
  const reader = new Reader()
  const ended = await boot({
    image,
    carried: carried.disk,
    console: CONSOLE,
    timeoutMs: MACHINE_TIMEOUT_MS,
    output: (text) => reader.read(text)
  })
  reader.end()
  const { outcomes } = reader
  if (ended.status !== 0) outcomes.push(broken(ended.why || `its command ended with status ${ended.status}`, reader, ended.ms))
  writeFileSync(join(root, 'build/vm/test-results.json'), `${JSON.stringify(outcomes, undefined, 1)}\n`)
  console.log(`machine: ${(ended.ms / 1000).toFixed(0)} s`)
  return summarize(outcomes)
}

/** The machine itself has failed. */
function broken(why: string, { running, other }: Reader, ms: number): Outcome {
  const where = running ? `, in ${nameOf(running)}` : ''
  return {
    name: 'test machine',
    passed: 0,
    failures: [{ path: [why + where], diagnostics: `${other}\n${consoleTail(CONSOLE)}` }],
    skips: [],
    ms
  }
}

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
