/**
 * `npm run conformance:upstream -- --tests DIR --runtime PATH`: runs the validation programs of opencontainers/runtime-tools.
 *
 * DIR is a checkout in which they are already built (`make runtimetest validation-executables`); nothing of it is part of this repository.
 * What fails is run with a runtime to compare with as well: an assertion that fails there, too, is the machine's or the program's own;
 * what only the runtime under test fails is its own, and makes the exit status 1. Causes that are known stand beside them (upstream-causes.ts).
 *
 *     --baseline PATH    the runtime to compare with (runc)
 *     --only NAME        programs whose names contain NAME (may be repeated)
 *     --hide-unified     take the v2 part of the hybrid layout of cgroups away first, which crun refuses
 *     --json FILE        the results
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { CAUSES } from './upstream-causes.ts'

const PROGRAM_TIMEOUT_MS = 90_000
const TRIES = 3

const { values } = parseArgs({
  options: {
    tests: { type: 'string' },
    runtime: { type: 'string' },
    baseline: { type: 'string', default: 'runc' },
    only: { type: 'string', multiple: true },
    'hide-unified': { type: 'boolean', default: false },
    json: { type: 'string' }
  }
})

/** What a program printed, in short. */
interface Summary {
  readonly verdict: 'pass' | 'fail' | 'skip'
  /** Descriptions of assertions that held. */
  readonly held: readonly string[]
  /** Descriptions of assertions that failed; for a program that stopped early also what it said last. */
  readonly failures: readonly string[]
}

interface Outcome extends Summary {
  readonly program: string
  /** Failures that the baseline does not have. */
  readonly own: readonly string[]
  /** Failures that it has as well. */
  readonly shared: readonly string[]
}

const POINT = /^(not )?ok\b(?: \d+)?(?: - | )?(.*)$/

/** Ids and times differ from run to run. */
const stable = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')
    .replace(/\d{4}-\d\d-\d\dT[\d:.Z+-]+/g, 'TIME')
    .replace(/0x[0-9a-f]+|\b\d{4,}\b/g, 'N')
    .trim()

function summarize(stdout: string, stderr: string, status: number | null): Summary {
  const points = stdout.split('\n').flatMap((line) => {
    const found = POINT.exec(line)
    return found ? [{ ok: found[1] === undefined, text: found[2] ?? '', skipped: /# *skip/i.test(line) }] : []
  })
  const failures = points.filter(({ ok }) => !ok).map(({ text }) => stable(text))
  const plan = /^1\.\.(\d+)/m.exec(stdout)
  if (plan === null) failures.push(`no plan; exit status ${status}: ${lastLine(stderr) || lastLine(stdout)}`)
  else if (status !== 0 && failures.length === 0) failures.push(`exit status ${status}: ${lastLine(stderr)}`)
  // Some programs have no assertions: they print an error, or nothing.
  const error = /"error": "(.+)"/.exec(stdout)
  if (plan?.[1] === '0' && error) failures.push(stable(error[1]!))
  const held = points.filter(({ ok, skipped }) => ok && !skipped).map(({ text }) => stable(text))
  if (failures.length > 0) return { verdict: 'fail', held, failures }
  return { verdict: held.length === 0 && points.length > 0 ? 'skip' : 'pass', held, failures }
}

const lastLine = (text: string): string => stable(text.trim().split('\n').at(-1) ?? '').slice(0, 300)

const HIDE = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'

/** Runs one program in a mount namespace of its own. */
function run(directory: string, program: string, runtime: string, hide: boolean): Summary {
  const inside = hide ? ['sh', '-c', HIDE, 'sh', program] : [program]
  const { status, stdout, stderr } = spawnSync('unshare', ['--mount', ...inside], {
    cwd: directory,
    env: { ...process.env, RUNTIME: runtime },
    encoding: 'utf8',
    timeout: PROGRAM_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe']
  })
  return summarize(stdout ?? '', stderr ?? '', status)
}

const containers = (runtime: string): readonly string[] =>
  (spawnSync(runtime, ['list', '--quiet'], { encoding: 'utf8' }).stdout ?? '').split('\n').filter(Boolean)

/** The programs do not always delete what they created. */
function removeNew(runtime: string, before: readonly string[]): void {
  for (const id of containers(runtime)) if (!before.includes(id)) spawnSync(runtime, ['delete', '--force', id], { stdio: 'ignore' })
}

/** The programs look for `runtimetest` and the root file system in their working directory. */
function home(tests: string): string {
  const candidates = [tests, join(tests, '..')]
  const found = candidates.find((each) => existsSync(join(each, 'runtimetest')))
  if (found === undefined)
    throw new Error(`${tests}: no "runtimetest" there: run "make runtimetest validation-executables" in a checkout of runtime-tools`)
  return resolve(found)
}

function programs(directory: string): readonly string[] {
  const all = readdirSync(join(directory, 'validation'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.t'))
  const wanted = all.filter((path) => values.only === undefined || values.only.some((part) => path.includes(part)))
  return wanted.map((path) => `validation/${path}`).sort()
}

const nameOf = (program: string): string => program.replace(/^.*\//, '').replace(/\.t$/, '')

/** Some programs race with what they test (a process that ends at once is killed): one run of three without a failure is a pass. */
function best(directory: string, program: string, runtime: string, hide: boolean): Summary {
  for (let tries = 1; ; tries++) {
    const summary = run(directory, program, runtime, hide)
    if (summary.verdict !== 'fail' || tries === TRIES) return summary
  }
}

function compare(directory: string, program: string, runtime: string): Outcome {
  const mine = best(directory, program, runtime, values['hide-unified'])
  const base = { program: nameOf(program), ...mine }
  if (mine.verdict !== 'fail') return { ...base, own: [], shared: [] }
  const theirs = best(directory, program, values.baseline, false)
  // What the baseline did not come to, because it failed before, it does not hold.
  const isOwn = (failure: string): boolean =>
    CAUSES[base.program]?.races !== true &&
    (theirs.verdict !== 'fail' || (theirs.held.includes(failure) && !theirs.failures.includes(failure)))
  return { ...base, own: mine.failures.filter(isOwn), shared: mine.failures.filter((each) => !isOwn(each)) }
}

function print({ program, verdict, held, own, shared }: Outcome): void {
  const whose = verdict !== 'fail' ? '' : own.length > 0 ? ', of the runtime' : `, as with ${values.baseline}`
  console.log(
    `${verdict.padEnd(4)} ${program}  ${held.length} passed${verdict === 'fail' ? `, ${own.length + shared.length} failed${whose}` : ''}`
  )
  const cause = verdict === 'fail' ? CAUSES[program] : undefined
  if (cause !== undefined) console.log(`     cause:  ${cause.whose}: ${cause.says}`)
  for (const failure of own) console.log(`     own:    ${failure}`)
  for (const failure of shared) console.log(`     shared: ${failure}`)
}

function main(): number {
  if (values.tests === undefined || values.runtime === undefined) {
    console.error('usage: conformance:upstream --tests DIR --runtime PATH')
    return 2
  }
  const directory = home(values.tests)
  const runtime = values.runtime.includes('/') ? resolve(values.runtime) : values.runtime
  const before = [runtime, values.baseline].map((each) => [each, containers(each)] as const)
  const outcomes: Outcome[] = []
  for (const program of programs(directory)) {
    const outcome = compare(directory, program, runtime)
    print(outcome)
    outcomes.push(outcome)
  }
  for (const [each, known] of before) removeNew(each, known)
  const causes = outcomes.map((each) => (each.verdict === 'fail' ? { ...each, cause: CAUSES[each.program] } : each))
  if (values.json) writeFileSync(values.json, `${JSON.stringify(causes, undefined, 1)}\n`)
  const count = (verdict: Outcome['verdict']): number => outcomes.filter((each) => each.verdict === verdict).length
  const own = outcomes.filter((each) => each.own.length > 0).length
  console.log(`\n${own} programs fail because of the runtime, ${count('fail') - own} as they do with ${values.baseline}`)
  const unexplained = outcomes.filter(({ verdict, program }) => verdict === 'fail' && CAUSES[program] === undefined)
  if (unexplained.length > 0) console.log(`without a known cause: ${unexplained.map(({ program }) => program).join(', ')}`)
  console.log(`${count('pass')} passed, ${count('fail')} failed, ${count('skip')} skipped`)
  return own > 0 ? 1 : 0
}

process.exitCode = main()
