/**
 * `npm run conformance:vm`: the conformance suite in the test machine, for cgroup v2 with every controller, AppArmor and Debian's kernel.
 *
 *     --runtime NAME    tsrun, runc or crun (may be repeated; all three if not given)
 *     --only TEXT       requirements whose titles contain TEXT (may be repeated)
 *     --out DIR         where the reports go, as NAME.json, for `npm run conformance:matrix` (build/conformance-vm)
 *     --minutes N       the most that all of it may take (90)
 *
 * The exit status is 1 when a part of the suite gave no report, or tsrun does not hold a requirement that runc or crun holds.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cases } from '../../conformance/chapters.ts'
import type { Report } from '../../conformance/report.ts'
import { title } from '../../conformance/requirement.ts'
import { PARTS } from '../../test/conformance/parts.ts'
import { compile } from './carry.ts'
import { machineImage } from './image.ts'
import { type Finished, type Job, runJobs } from './workers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({
  options: {
    runtime: { type: 'string', multiple: true, default: ['tsrun', 'runc', 'crun'] },
    only: { type: 'string', multiple: true },
    out: { type: 'string', default: join(root, 'build/conformance-vm') },
    minutes: { type: 'string', default: '90' }
  }
})

const TIMEOUT_MS = 60_000 * Number(values.minutes)
const MACHINE = 'the test machine: Debian 13 under emulation'
const order = new Map(cases.flatMap(({ requirements }) => requirements.map(title)).map((name, i) => [name, i]))

interface PartJob extends Job {
  readonly runtime: string
}

/** The report is all that the command writes. */
function job(runtime: string, name: string, only: readonly string[]): PartJob {
  const script = 'bun build/conformance/main.js "$@" --json /tmp/report.json > /tmp/report.tap; cat /tmp/report.json; rm /tmp/report.*'
  const args = ['--runtime', runtime, '--jobs', '1', ...only.flatMap((each) => ['--only', each])]
  return { name: `${runtime}: ${name}`, runtime, command: ['sh', '-c', script, 'sh', ...args] }
}

function jobs(): readonly PartJob[] {
  const parts: [string, readonly string[]][] = values.only ? [['chosen', values.only]] : Object.entries(PARTS)
  return parts.flatMap(([name, only]) => values.runtime.map((runtime) => job(runtime, name, only)))
}

/** Parts of one runtime's suite as one report, in the order of the suite. A case that two parts share is in once. */
function merged(reports: readonly Report[]): Report {
  const [first] = reports
  if (first === undefined) throw new Error('no part of the suite has given a report')
  const outcomes = new Map(reports.flatMap((each) => each.outcomes.map((outcome) => [title(outcome.requirement), outcome])))
  const sorted = [...outcomes].sort(([a], [b]) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
  return { ...first, machine: `${first.machine} (${MACHINE})`, outcomes: sorted.map(([, outcome]) => outcome) }
}

function write(runtime: string, report: Report): void {
  mkdirSync(values.out, { recursive: true })
  writeFileSync(join(values.out, `${runtime}.json`), `${JSON.stringify(report, undefined, 1)}\n`)
  const of = (result: string) => report.outcomes.filter((each) => each.result === result)
  console.log(`${runtime}: ${of('held').length} held, ${of('failed').length} not held, ${of('skipped').length} skipped`)
  for (const { requirement, detail } of of('failed')) console.log(`  ${title(requirement)}: ${detail.trim().replace(/\s+/g, ' ')}`)
}

/** What `report` does not hold although another one does. */
function behind(report: Report, others: readonly Report[]): readonly string[] {
  const held = new Set(
    others.flatMap(({ outcomes }) => outcomes.filter((each) => each.result === 'held').map((each) => title(each.requirement)))
  )
  return report.outcomes
    .filter((each) => each.result === 'failed')
    .map((each) => title(each.requirement))
    .filter((name) => held.has(name))
}

async function main(): Promise<number> {
  compile()
  const reports = new Map<string, Report[]>(values.runtime.map((runtime) => [runtime, []]))
  let failures = 0
  const finished = ({ name, runtime }: PartJob, { stdout, stderr, status, ms }: Finished): void => {
    const took = `${Math.round(ms / 1000)} s`
    try {
      const report = JSON.parse(stdout) as Report
      reports.get(runtime)?.push(report)
      console.log(`${name}: ${report.outcomes.length} requirements, ${took}`)
    } catch {
      failures++
      console.log(`${name}: no report (status ${status}, ${took})\n${stderr || stdout}`)
    }
  }
  const logs = join(root, 'build/vm')
  const image = await machineImage()
  const rest = await runJobs({ image, jobs: jobs(), timeoutMs: TIMEOUT_MS, jobTimeoutMs: TIMEOUT_MS / 2, logs, finished })
  for (const { machine, why, log } of rest.lost) console.log(`${machine}: ${why}\n${log}`)
  const whole = [...reports].map(([runtime, parts]) => [runtime, merged(parts)] as const)
  for (const [runtime, report] of whole) write(runtime, report)
  const tsrun = whole.find(([runtime]) => runtime === 'tsrun')?.[1]
  const missing =
    tsrun === undefined
      ? []
      : behind(
          tsrun,
          whole.map(([, report]) => report)
        )
  for (const name of missing) console.log(`tsrun does not hold what another runtime holds: ${name}`)
  return failures + rest.lost.length + rest.notRun.length + missing.length > 0 ? 1 : 0
}

process.exitCode = await main()
