/**
 * `npm test`: everything that must hold before a change is merged, in one command, without questions.
 *
 * Checks (types, lint, generated files, the line of purity), then the unit tests (`x.test.ts` beside its source), then the container
 * tests (`test/`), which skip themselves, with a reason, where they cannot run. Root's container tests run again as ordinary users, beside
 * root's own; where `npm test` itself is an ordinary user's, they run as that one. The last line is
 * `N passed, N failed, N skipped`; the exit status is 1 when anything failed.
 *
 *     scripts/test.ts [--only checks|unit|container|user|NAME…]    user: container tests as ordinary users; NAME: part of a test file's path
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { removeSandboxesOf } from '../test/remove.ts'
import { type Ids, type OrdinaryUser, ordinaryUser } from './ordinary-user.ts'
import { prepare } from './prepare.ts'
import { type Outcome, report, summarize } from './report.ts'
import { parseTap } from './tap.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } })
const only = values.only ?? []

/** Time that one test file has; a file that needs more is two files. */
const FILE_TIMEOUT_MS = 240_000
const CHECK_TIMEOUT_MS = 300_000

interface Finished {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
  readonly timedOut: boolean
}

/** How long a file that takes too long has to end its containers, which are in sessions of their own (test/harness.ts). */
const GRACE_MS = 10_000

/** How to end what runs now, when this process is to end. */
const running = new Set<() => void>()
let interrupted = false

/** Ctrl-C and the like do not reach the tests, which have sessions of their own: they are ended as at a time-out, and their containers with them. */
for (const [name, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15]
] as const)
  process.once(name, () => {
    interrupted = true
    process.once('exit', () => (process.exitCode = 128 + number))
    for (const end of running) end()
  })

let files = 0

/** Runs a command with its output kept, no input, and everything that it started ended at a time-out. */
function run(command: string, args: readonly string[], timeoutMs: number): Promise<Finished> {
  const begun = performance.now()
  const mark = `${process.pid.toString(36)}x${(++files).toString(36)}`
  // A process group of its own, so that a time-out ends the containers' parents, too.
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, CI: 'true', TAP_TIMEOUT: String(FILE_TIMEOUT_MS / 1000 - 5), TSRUN_TEST_FILE: mark }
  })
  let stdout = ''
  let stderr = ''
  let timedOut = false
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const end = (): void => {
    clearTimeout(timer)
    signal('SIGTERM')
    timer = setTimeout(signal, GRACE_MS, 'SIGKILL')
  }
  let timer = setTimeout(() => {
    timedOut = true
    end()
  }, timeoutMs)
  running.add(end)
  const signal = (name: NodeJS.Signals): void => {
    if (child.pid !== undefined) process.kill(-child.pid, name)
  }
  return new Promise((resolve) => {
    const finish = (status: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(timer)
      running.delete(end)
      // Killed, or failed in some way that left no time for it.
      if (status !== 0) removeSandboxesOf(mark)
      resolve({ status, signal, stdout, stderr, ms: performance.now() - begun, timedOut })
    }
    child.on('error', (error) => {
      stderr += `${error.message}\n`
      finish(127, null)
    })
    // 'exit', not 'close': a process that a test left behind may hold the pipe open for ever.
    child.on('exit', (status, signal) => setTimeout(finish, 20, status, signal))
  })
}

/** A check passes or fails as a whole, by its exit status. */
async function check(name: string, command: string, args: readonly string[]): Promise<Outcome> {
  const { status, signal, stdout, stderr, ms, timedOut } = await run(command, args, CHECK_TIMEOUT_MS)
  if (status === 0) return { name, passed: 1, failures: [], skips: [], ms }
  const why = timedOut ? 'took too long' : signal ? `ended by ${signal}` : `exit status ${status}`
  return { name, passed: 0, failures: [{ path: [why], diagnostics: stdout + stderr }], skips: [], ms }
}

const node = process.env.NODE ?? 'node'

/** A test file is a program that prints TAP. */
async function testFile(path: string, user?: OrdinaryUser): Promise<Outcome> {
  const [command = node, ...args] = [...(user?.wrapper ?? []), node, '--enable-source-maps', relative(root, path)]
  const { status, signal, stdout, stderr, ms, timedOut } = await run(command, args, FILE_TIMEOUT_MS)
  const result = parseTap(stdout)
  const failures = [...result.failures]
  if (timedOut) failures.push({ path: [`took more than ${FILE_TIMEOUT_MS / 1000} s`], diagnostics: stderr })
  else if (signal) failures.push({ path: [`ended by ${signal}`], diagnostics: stderr })
  else if (status !== 0 && failures.length === 0) failures.push({ path: [`exit status ${status}`], diagnostics: stderr })
  const first = failures[0]
  // What was written to stderr often says why.
  if (first && stderr && !first.diagnostics.includes(stderr))
    failures[0] = { ...first, diagnostics: `${first.diagnostics}\n${stderr}`.trim() }
  const name = `${relative(join(root, 'build'), path).replace(/\.js$/, '.ts')}${user ? `, ${user.name}` : ''}`
  return { name, passed: result.passed, failures, skips: result.skips, ms }
}

/** Runs `jobs` at a time, reports each as it ends. */
async function all(tasks: readonly (() => Promise<Outcome>)[], jobs: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const queue = [...tasks]
  const worker = async (): Promise<void> => {
    for (let task = queue.shift(); task && !interrupted; task = queue.shift()) {
      const outcome = await task()
      report(outcome)
      outcomes.push(outcome)
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  return outcomes
}

/** All files under `directory` that end in `suffix`, sorted. */
function filesUnder(directory: string, suffix: string): string[] {
  if (!existsSync(join(root, directory))) return []
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(suffix))
    .map((path) => join(root, directory, path))
    .sort()
}

/** Compiled files whose source is gone would still be run, and pass. */
function removeStale(): void {
  for (const path of filesUnder('build', '.js')) {
    const source = join(root, relative(join(root, 'build'), path)).replace(/\.js$/, '.ts')
    if (!existsSync(source)) for (const ending of ['.js', '.js.map', '.d.ts']) rmSync(path.replace(/\.js$/, ending), { force: true })
  }
}

const bin = (name: string): string => join(root, 'node_modules/.bin', name)
const script = (name: string, ...args: string[]): readonly [string, readonly string[]] => [
  process.execPath,
  [join(root, 'scripts', name), ...args]
]
const exists = (name: string): boolean => existsSync(join(root, 'scripts', name))

/** tsc writes build/ as well, which all that follows runs. */
function compile(): Promise<Outcome> {
  removeStale()
  return check('types', bin('tsc'), ['--pretty', 'false'])
}

function checks(): (() => Promise<Outcome>)[] {
  const scripts = ['check-purity.ts', 'generate-config.ts', 'generate-docs.ts'].filter(exists)
  return [
    () => check('lint', bin('biome'), ['check', '--colors=off', '--error-on-warnings']),
    ...scripts.map((name) => () => check(name.replace(/\.ts$/, ''), ...script(name, '--check')))
  ]
}

/** The executable that the container tests run; without it they fall back on bin/tsrun. */
async function executable(): Promise<Outcome[]> {
  if (!exists('build.ts')) return []
  return all([() => check('build', ...script('build.ts'))], 1)
}

/** What depends on who makes the container; and the part of it that depends on how many ids there are. */
const USERS_FILES: Readonly<Record<Ids, RegExp>> = {
  range: /^build\/test\/(container|security)\/|^build\/test\/(commands|differential|examples|hints|leftovers|wording)\./,
  one: /^build\/test\/container\/|^build\/test\/security\/process\./
}

/** Root's container tests once more, as users who have none of root's rights. */
async function asUsers(files: readonly string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  if (process.getuid?.() !== 0) return outcomes
  for (const ids of ['range', 'one'] as const) {
    const chosen = files.filter((path) => USERS_FILES[ids].test(relative(root, path)))
    if (chosen.length === 0) continue
    const user = ordinaryUser(ids, root, node)
    if (typeof user === 'string') {
      outcomes.push({ name: 'container tests', passed: 0, failures: [], skips: [{ path: [], reason: user }], ms: 0 })
      continue
    }
    using _ = user
    outcomes.push(
      ...(await all(
        chosen.map((path) => () => testFile(path, user)),
        1
      ))
    )
  }
  return outcomes
}

/** One after another: they look at the whole machine for what was left behind. The users' have a machine of their own, as far as that goes. */
async function containerTests(files: readonly string[]): Promise<Outcome[]> {
  const own = only.includes('user') ? [] : files.map((path) => () => testFile(path))
  return (await Promise.all([all(own, 1), asUsers(files)])).flat()
}

const named = (path: string): boolean => names.length === 0 || names.some((name) => relative(join(root, 'build'), path).includes(name))
const names = only.filter((each) => !['checks', 'unit', 'container', 'user'].includes(each))
const wants = (stage: string): boolean => only.length === 0 || only.includes(stage) || (stage !== 'checks' && names.length > 0)

async function main(): Promise<number> {
  mkdirSync(join(root, 'build'), { recursive: true })
  const outcomes = await all([compile], 1)
  if (wants('checks')) outcomes.push(...(await all(checks(), availableParallelism())))
  if (wants('unit')) {
    const files = [...filesUnder('build/src', '.test.js'), ...filesUnder('build/scripts', '.test.js')].filter(named)
    const tests = files.map((path) => () => testFile(path))
    outcomes.push(...(await all(tests, availableParallelism())))
  }
  if (wants('container') || only.includes('user')) {
    const files = [...filesUnder('build/test', '.test.js'), ...filesUnder('build/conformance', '.test.js')].filter(named)
    if (files.length > 0) {
      prepare()
      outcomes.push(...(await executable()))
    }
    outcomes.push(...(await containerTests(files)))
  }
  writeFileSync(join(root, 'build/test-results.json'), `${JSON.stringify(outcomes, undefined, 1)}\n`)
  return summarize(outcomes)
}

process.exitCode = await main()
