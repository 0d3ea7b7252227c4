/**
 * `npm run test:engines`: real engines run real containers, with tsrun, and with runc and crun in the same harness, so that a failure that all of them
 * share is seen as the machine's. Every engine has a machine of its own (machine.ts); nothing is pulled.
 *
 * The last line is `N passed, N failed, N skipped`: of tsrun. What runc and crun do is reported; a check that fails with all of them is a skip.
 *
 *     scripts/engines/test.ts [--engine NAME…] [--runtime tsrun|runc|crun…] [--only PART-OF-A-FEATURE] [--page] [--soak]
 *
 * `--page` tries all runtimes, and writes the matrix into docs/engines.md; `--soak` runs the long checks instead of the usual ones.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { CheckResult, Engine } from '../../test/engines/check.ts'
import { engines as usual } from '../../test/engines/index.ts'
import { soak } from '../../test/engines/soak.ts'
import { isMachineRoot, obstacle } from '../permission.ts'
import { type Outcome, report, summarize } from '../report.ts'
import { type Debian, debian } from './debian.ts'
import { startMachine } from './machine.ts'
import { writeMatrix } from './matrix.ts'
import { installEngines } from './packages.ts'
import { runtimes } from './runtimes.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const many = { type: 'string', multiple: true } as const
const { values } = parseArgs({
  options: { engine: many, runtime: many, only: { type: 'string' }, page: { type: 'boolean' }, soak: { type: 'boolean' } }
})

const engines = values.soak ? soak : usual

/** Time that one engine has with one runtime. */
const SESSION_TIMEOUT_MS = 600_000

/** Time that everything has; what has not begun by then is a failure. */
const TIMEOUT_MS = Number(process.env.TSRUN_ENGINES_TIMEOUT_S ?? 1100) * 1000

const newest = (directory: string): number =>
  Math.max(
    ...readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => statSync(join(directory, path)).mtimeMs)
  )

/** The executable under test: $TSRUN_RUNTIME, or dist/tsrun, built when a source is newer. */
function executable(): string {
  if (process.env.TSRUN_RUNTIME) return process.env.TSRUN_RUNTIME
  const built = join(root, 'dist/tsrun')
  if (!existsSync(built) || statSync(built).mtimeMs < newest(join(root, 'src'))) {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { cwd: root, encoding: 'utf8' })
    if (status !== 0) throw new Error(`the build failed:\n${stderr}`)
  }
  return built
}

/** One engine with one runtime, in a machine of its own. */
async function session(engine: Engine, runtime: string, tsrun: string, image: Debian): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  const lines: string[] = []
  const begun = performance.now()
  const machine = startMachine({
    name: `tsrun-e${process.pid}-${engine.name.slice(0, 3)}-${runtime.slice(0, 1)}`,
    pureV1: runtime === 'crun',
    executables: dirname(tsrun),
    command: [process.execPath, join(root, 'scripts/engines/session.ts'), engine.name, runtime, values.only ?? ''],
    env: { PATH: process.env.PATH, DEBIAN: image.archive, WHY_NO_DEBIAN: image.why }
  })
  const timer = setTimeout(() => machine.process.kill('SIGKILL'), SESSION_TIMEOUT_MS)
  createInterface(machine.process.stdout!).on('line', (line) => {
    if (line.startsWith('{"engine":')) results.push(JSON.parse(line) as CheckResult)
    else lines.push(line)
  })
  const why = await new Promise<string>((resolve) => {
    machine.process.on('close', (status, signal) => resolve(status === 0 ? '' : `its machine ended with ${signal ?? `status ${status}`}`))
  })
  clearTimeout(timer)
  machine.remove()
  const ms = performance.now() - begun
  if (why) results.push({ engine: engine.name, feature: 'session', runtime, outcome: 'failed', detail: [why, ...lines].join('\n'), ms })
  return results
}

/** As the other suites' outcomes. */
function outcome(engine: Engine, runtime: string, results: readonly CheckResult[]): Outcome {
  const of = (wanted: CheckResult['outcome']): CheckResult[] => results.filter(({ outcome }) => outcome === wanted)
  const failed = of('failed')
  return {
    name: `${engine.title}, ${runtime}`,
    passed: of('passed').length,
    failures: failed.map(({ feature, detail = '' }) => ({ path: [feature], diagnostics: detail })),
    skips: of('skipped').map(({ feature, detail = '' }) => ({ path: [feature], reason: detail })),
    ms: results.reduce((sum, { ms }) => sum + ms, 0)
  }
}

/** For people: how a reference runtime fared. */
function tell(engine: Engine, runtime: string, results: readonly CheckResult[]): void {
  const count = (wanted: CheckResult['outcome']): number => results.filter(({ outcome }) => outcome === wanted).length
  console.log(
    `     ${engine.title}, ${runtime} (for comparison)  ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`
  )
  for (const { feature, detail = '', outcome } of results) {
    if (outcome === 'failed') console.log(`       ${feature}: ${detail.trim().split('\n').join('\n         ')}`)
  }
}

async function all(): Promise<CheckResult[]> {
  const tsrun = executable()
  const image = debian()
  const wantedRuntimes = values.page ? Object.keys(runtimes) : (values.runtime ?? ['tsrun', 'runc'])
  const queue = engines
    .filter(({ name }) => (values.engine ?? [name]).includes(name))
    .flatMap((engine) => wantedRuntimes.filter((runtime) => runtime in runtimes).map((runtime) => ({ engine, runtime })))
  const results: CheckResult[] = []
  const begun = performance.now()
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { engine, runtime } = next
      const late = performance.now() - begun > TIMEOUT_MS
      const of: CheckResult[] = late
        ? [{ engine: engine.name, feature: 'session', runtime, outcome: 'failed', detail: 'not run: no time was left', ms: 0 }]
        : await session(engine, runtime, tsrun, image)
      results.push(...of)
      if (runtime === 'tsrun') report(outcome(engine, runtime, of))
      else tell(engine, runtime, of)
    }
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))
  return results
}

/** What fails with every runtime that was tried is the machine's or the engine's: a skip, with the words of the failure. */
function judged(results: readonly CheckResult[]): CheckResult[] {
  const others = results.filter(({ runtime }) => runtime !== 'tsrun')
  return results
    .filter(({ runtime }) => runtime === 'tsrun')
    .map((result) => {
      const same = others.filter(({ engine, feature }) => engine === result.engine && feature === result.feature)
      const isShared = result.outcome === 'failed' && same.length > 0 && same.every(({ outcome }) => outcome === 'failed')
      const names = same.map(({ runtime }) => runtime).join(' and ')
      return isShared ? { ...result, outcome: 'skipped', detail: `fails with ${names} as well: ${result.detail?.split('\n')[0]}` } : result
    })
}

function whyNot(): string | undefined {
  if (!isMachineRoot()) return 'engines as they are installed need root'
  const found = obstacle()
  return found ? `${found.why}; ${found.fix}` : undefined
}

/** Without these there is no machine for any engine. */
const NEEDED = ['/usr/bin/catatonit', '/usr/bin/unshare', '/usr/sbin/ip', '/bin/busybox']

function skip(why: string): number {
  console.log(`no engines here: ${why}\n0 passed, 0 failed, 1 skipped`)
  return 0
}

async function main(): Promise<number> {
  if (values.page && (values.engine ?? values.runtime ?? values.only) !== undefined)
    throw new Error('--page is of all engines, runtimes and checks')
  const why = whyNot()
  if (why) return skip(why)
  installEngines()
  const missing = NEEDED.find((path) => !existsSync(path))
  if (missing) return skip(`needs ${missing}`)
  const results = await all()
  mkdirSync(join(root, 'build'), { recursive: true })
  writeFileSync(join(root, 'build/engines.json'), `${JSON.stringify(results, undefined, 1)}\n`)
  if (values.page) writeMatrix(results)
  const own = judged(results)
  return summarize(
    engines.map((engine) =>
      outcome(
        engine,
        'tsrun',
        own.filter((each) => each.engine === engine.name)
      )
    )
  )
}

process.exitCode = await main()
