/**
 * `npm run test:engines`: real engines run real containers, with tsrun, and with runc and crun in the same harness, so that a failure that all of them
 * share is seen as the machine's. Every engine has a machine of its own, made of namespaces (host.ts); nothing is pulled. `npm run test:engines:vm`: the
 * engines of Debian 13 on cgroup v2 with systemd, in test machines under QEMU (vm.ts), with fewer checks.
 *
 * The last line is `N passed, N failed, N skipped`: of tsrun. What runc and crun do is reported; a check that fails with all of them is a skip.
 *
 *     scripts/engines/test.ts [--engine NAME…] [--runtime tsrun|runc|crun…] [--only PART-OF-A-FEATURE] [--page [--add]] [--soak | --vm [--machines N]] [--minutes N]
 *
 * `--page` tries all runtimes, and writes the matrix into docs/engines.md; `--add` runs only what the last run of the same build had no time for. `--soak` runs
 * the long checks instead of the usual ones. An engine that has not begun after N minutes is a failure; in test machines, the checks for which no time was
 * left are skips, and are named.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { CheckResult, Engine } from '../../test/engines/check.ts'
import { engines as usual } from '../../test/engines/index.ts'
import { soak } from '../../test/engines/soak.ts'
import { withSystemd } from '../../test/engines/systemd/index.ts'
import { type Outcome, report, summarize } from '../report.ts'
import { NoMachine } from '../vm/image.ts'
import { decided, merged, missing } from './earlier.ts'
import { executable, prepareHost, runOnHost } from './host.ts'
import { type Job, NO_TIME } from './jobs.ts'
import { writeMatrix } from './matrix.ts'
import { runtimes } from './runtimes.ts'
import { runInMachines } from './vm.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const many = { type: 'string', multiple: true } as const
const flag = { type: 'boolean' } as const
const { values } = parseArgs({
  options: {
    engine: many,
    runtime: many,
    only: { type: 'string' },
    page: flag,
    add: flag,
    soak: flag,
    vm: flag,
    minutes: { type: 'string' },
    machines: { type: 'string' }
  }
})

const engines = values.soak ? soak : values.vm ? withSystemd : usual
const machines = values.machines === undefined ? undefined : Number(values.machines)
const TIMEOUT_MS = Number(values.minutes ?? 18.5) * 60_000

/** Where the results are kept. */
const RESULTS = join(root, `build/engines${values.vm ? '-vm' : ''}.json`)

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

/** Reports how an engine fared with one runtime. */
function tellAll({ engine, runtime }: Job, results: readonly CheckResult[]): void {
  if (runtime === 'tsrun') report(outcome(engine, runtime, results))
  else tell(engine, runtime, results)
  for (const { feature, detail, outcome } of results) if (outcome === 'passed' && detail) console.log(`       ${feature} ${detail.trim()}`)
  const late = results.filter(({ detail }) => detail === NO_TIME).map(({ feature }) => feature)
  if (late.length > 0) console.log(`       ${NO_TIME} for: ${late.join('; ')}`)
}

function jobs(): Job[] {
  const wanted = values.page ? Object.keys(runtimes) : (values.runtime ?? ['tsrun', 'runc'])
  return engines
    .filter(({ name }) => (values.engine ?? [name]).includes(name))
    .map((engine) => ({ ...engine, checks: engine.checks.filter(({ feature }) => feature.includes(values.only ?? '')) }))
    .filter(({ checks }) => checks.length > 0)
    .flatMap((engine) => wanted.filter((runtime) => runtime in runtimes).map((runtime) => ({ engine, runtime })))
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

function skip(why: string): number {
  console.log(`no engines here: ${why}\n0 passed, 0 failed, 1 skipped`)
  return 0
}

/** For --add: what is known of the same build. */
function earlier(): CheckResult[] {
  if (!values.add) return []
  if (!existsSync(RESULTS)) throw new Error(`--add: there is no ${RESULTS}`)
  const tsrun = executable()
  if (statSync(tsrun).mtimeMs > statSync(RESULTS).mtimeMs) throw new Error(`--add: ${tsrun} is newer than ${RESULTS}`)
  return decided(JSON.parse(readFileSync(RESULTS, 'utf8')))
}

/** Runs everything, keeps the results, and writes the page when it is wanted. */
async function runAll(run: typeof runOnHost): Promise<CheckResult[]> {
  const known = earlier()
  const fresh: CheckResult[] = []
  const done = (job: Job, of: readonly CheckResult[]): void => {
    fresh.push(...of)
    tellAll(job, of)
  }
  const versions = await run({ jobs: missing(jobs(), known), deadline: TIMEOUT_MS, machines, done })
  const results = merged(known, fresh)
  mkdirSync(join(root, 'build'), { recursive: true })
  writeFileSync(RESULTS, `${JSON.stringify(results, undefined, 1)}\n`)
  if (values.page && versions) writeMatrix(values.vm ? 'matrix in the machine' : 'matrix', versions, engines, results)
  return results
}

async function main(): Promise<number> {
  if (values.page && (values.engine ?? values.runtime ?? values.only) !== undefined)
    throw new Error('--page is of all engines, runtimes and checks')
  const why = values.vm ? undefined : prepareHost()
  if (why) return skip(why)
  const own = judged(await runAll(values.vm ? runInMachines : runOnHost))
  const of = (engine: Engine): CheckResult[] => own.filter((each) => each.engine === engine.name)
  return summarize(engines.map((engine) => outcome(engine, 'tsrun', of(engine))))
}

async function orSkip(): Promise<number> {
  try {
    return await main()
  } catch (error) {
    if (!(error instanceof NoMachine)) throw error
    return skip(error.message)
  }
}

process.exitCode = await orSkip()
