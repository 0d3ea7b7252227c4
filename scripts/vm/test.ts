/**
 * `npm run test:vm`: the container tests in a machine with cgroup v2, systemd as process 1, AppArmor and Debian's kernel.
 *
 * The machine is built once, started under QEMU, and gets the build and the tests on a second disk; no network is needed in it.
 * The last line is `N passed, N failed, N skipped`. Where no machine can be built it is one skip, with the reason; files for which a slow host leaves no
 * time are skips as well, each with its name.
 *
 *     scripts/vm/test.ts [--only NAME…] [--minutes N]    NAME: part of a test file's path; N: the most that all of it may take, 15 if not given
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Outcome, report, summarize } from '../report.ts'
import { parseTap } from '../tap.ts'
import { compile } from './carry.ts'
import { machineImage, NoMachine } from './image.ts'
import { type Finished, type Job, runJobs } from './workers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({ options: { only: { type: 'string', multiple: true }, minutes: { type: 'string', default: '15' } } })

/** What the machines' consoles have said is kept for those who look for a cause. */
const LOGS = join(root, 'build/vm')

/** Time of everything (the build, the machine's image where there is none yet, and its life), and of one file. */
const TIMEOUT_MS = 60_000 * Number(values.minutes)
const FILE_TIMEOUT_MS = Math.round(TIMEOUT_MS / 2)

/**
 * Test files that run in the machine, for what they see depends on cgroup v2, systemd, AppArmor, mounts that are shared, or the kernel. The others find
 * on the host what they would find here, and under emulation each would take a minute or more.
 */
const WANTED: readonly RegExp[] = [
  /^test\/(differential|leftovers)\./,
  /^test\/container\/(lifecycle|run|exec|exec-differential|hooks|leaks|mounts|namespaces|ps|rootless|sockets)\./,
  /^test\/container\/(devices|events|notify|pause|priority|update)\./,
  /^test\/conformance\/resources\./,
  /^test\/security\/host\./,
  /^src\/.*\/live\./
]

/** Whatever cannot run anywhere else is wanted, too: a new file need not be entered above. */
const ONLY_HERE = /cgroup: 'v2'|'\.\.\/systemd\.ts'|'\/run\/systemd\/system'|'apparmor_parser'/

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
  // The long ones first, so that no machine waits for another at the end. Those of conformance are short files, and take long.
  const size = (path: string): number =>
    path.startsWith('test/conformance/') ? Number.POSITIVE_INFINITY : statSync(join(root, 'build', path)).size
  return chosen.filter((path) => existsSync(join(root, path.replace(/\.js$/, '.ts')))).sort((a, b) => size(b) - size(a) || 0)
}

/** All files, and behind them those that run once more. */
function jobs(): Job[] {
  const nameOf = (path: string): string => path.replace(/\.js$/, '.ts')
  const files = testFiles()
  const users = files.filter((path) => USERS.some((each) => each.test(path)))
  const asUser = (path: string): string[] => ['bun', 'guest/as-user.js', String(FILE_TIMEOUT_MS / 1000), `build/${path}`]
  return [
    ...files.map((path) => ({ name: nameOf(path), command: ['bun', `build/${path}`] })),
    ...users.map((path) => ({ name: `${nameOf(path)}, a user with a delegated cgroup`, command: asUser(path) }))
  ]
}

/** What a finished file means. */
function outcomeOf(name: string, { status, signal, timedOut, ms, stdout, stderr }: Finished): Outcome {
  const { passed, failures, skips } = parseTap(stdout)
  const why = timedOut
    ? `took more than ${FILE_TIMEOUT_MS / 1000} s`
    : signal
      ? `ended by ${signal}`
      : status
        ? `exit status ${status}`
        : ''
  const all = why && (timedOut || signal || failures.length === 0) ? [...failures, { path: [why], diagnostics: '' }] : failures
  const [first, ...rest] = all
  const told = first && stderr ? [{ ...first, diagnostics: `${first.diagnostics}\n${stderr}`.trim() }, ...rest] : all
  return { name, passed, failures: told, skips, ms }
}

const failed = (name: string, path: string, ms: number, diagnostics = ''): Outcome => ({
  name,
  passed: 0,
  failures: [{ path: [path], diagnostics }],
  skips: [],
  ms
})

/** On a slow host there is not the time for all; what was not run is named. */
const late = (name: string): Outcome => ({ name, passed: 0, failures: [], skips: [{ path: [], reason: 'no time was left' }], ms: 0 })

async function main(): Promise<number> {
  compile()
  const outcomes: Outcome[] = []
  const { lost, notRun } = await runJobs({
    image: await machineImage(),
    jobs: jobs(),
    timeoutMs: TIMEOUT_MS,
    jobTimeoutMs: FILE_TIMEOUT_MS,
    logs: LOGS,
    finished({ name }, how) {
      const outcome = outcomeOf(name, how)
      report(outcome)
      outcomes.push(outcome)
    }
  })
  outcomes.push(...lost.map(({ machine, why, ms, log }) => failed(machine, why, ms, log)))
  outcomes.push(...notRun.map(({ name }) => (lost.length > 0 ? failed(name, 'not run: no machine was left for it', 0) : late(name))))
  writeFileSync(join(LOGS, 'test-results.json'), `${JSON.stringify(outcomes, undefined, 1)}\n`)
  return summarize(outcomes)
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
