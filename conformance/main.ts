/**
 * `npm run conformance -- --runtime PATH`: puts an OCI runtime through the requirements of the runtime specification, and prints TAP.
 *
 *     --runtime PATH     the runtime: anything with runc's create, start, state, kill, delete
 *     --only TEXT        requirements whose titles contain TEXT (may be repeated)
 *     --level MUST       leave SHOULD and SHOULD NOT out
 *     --jobs N           containers at a time (2)
 *     --hide-unified     on a machine with the hybrid layout of cgroups: take the v2 hierarchy away first (crun refuses that layout)
 *     --junit FILE, --markdown FILE, --json FILE    reports beside the TAP on standard output
 *
 * It runs in a mount namespace of its own, so that no mount is left behind. The exit status is 1 when a requirement is not held.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cases } from './chapters.ts'
import { findMachine, type Machine, mountTable, unfit } from './machine.ts'
import { junit, markdown, type Report } from './report.ts'
import { type Case, title } from './requirement.ts'
import { Stage } from './stage.ts'
import { type Outcome, run } from './suite.ts'

const UNIFIED = '/sys/fs/cgroup/unified'
const RUN_TIMEOUT_MS = 3_600_000
const INNER = 'CONFORMANCE_INNER'

const options = {
  runtime: { type: 'string' },
  only: { type: 'string', multiple: true },
  level: { type: 'string' },
  jobs: { type: 'string', default: '2' },
  'hide-unified': { type: 'boolean', default: false },
  junit: { type: 'string' },
  markdown: { type: 'string' },
  json: { type: 'string' }
} as const

const { values } = parseArgs({ options })

/** The absolute path of a runtime given by path or by name. */
function findRuntime(name: string): string {
  if (name.includes('/')) return resolve(name)
  const directory = (process.env.PATH ?? '').split(':').find((each) => existsSync(join(each, name)))
  return directory === undefined ? name : join(directory, name)
}

/** Starts this program again in a mount namespace of its own, to which nothing propagates. Inside all mounts are shared, as under systemd. */
function again(): number {
  const inside = ['sh', '-c', 'mount --make-rshared / && exec "$@"', 'sh', process.execPath, ...process.argv.slice(1)]
  const command = ['--mount', '--propagation', 'private', ...inside]
  const { status, error } = spawnSync('unshare', command, { stdio: 'inherit', env: { ...process.env, [INNER]: '1' } })
  if (error) throw error
  return status ?? 1
}

/** The cases that were asked for; one that tries several requirements is in when one of them is. */
function chosen(): readonly Case[] {
  const { only, level } = values
  const wanted = (name: string): boolean => only === undefined || only.some((part) => name.includes(part))
  const binds = (keyword: string): boolean => level !== 'MUST' || !keyword.startsWith('SHOULD')
  return cases.filter(({ requirements }) => requirements.some((each) => wanted(title(each)) && binds(each.level)))
}

function hideUnified(t: Tap, machine: Machine): Machine {
  spawnSync('umount', [UNIFIED], { stdio: 'inherit' })
  t.comment(`the hybrid layout of cgroups: ${UNIFIED} is unmounted for this run, which leaves ${machine.kernel} with v1 only`)
  return findMachine()
}

function version(runtime: string): string {
  const { stdout } = spawnSync(runtime, ['--version'], { encoding: 'utf8', timeout: 20_000 })
  return (stdout ?? '').split('\n')[0]?.trim() ?? ''
}

/** The part of tap that is used. */
type Tap = Pick<typeof import('tap').default, 'pass' | 'fail' | 'comment'>

function point(t: Tap, { requirement, result, detail }: Outcome): void {
  const name = title(requirement)
  if (result === 'skipped') t.pass(name, { skip: detail })
  else if (result === 'held') t.pass(name)
  else t.fail(name, { reason: detail, stack: '' })
}

async function main(): Promise<void> {
  if (values.runtime === undefined) throw new Error('usage: conformance --runtime PATH')
  const runtime = findRuntime(values.runtime)
  const { default: t } = await import('tap')
  t.setTimeout(RUN_TIMEOUT_MS)
  let machine = findMachine()
  const why = unfit(machine)
  if (why !== undefined) return void t.pass('all requirements', { skip: why })
  if (values['hide-unified'] && mountTable().some(({ point: path }) => path === UNIFIED)) machine = hideUnified(t, machine)
  using stage = new Stage(machine, runtime)
  const outcomes: Outcome[] = []
  for await (const outcome of run(chosen(), stage, Number(values.jobs))) {
    outcomes.push(outcome)
    point(t, outcome)
  }
  const report: Report = {
    runtime: basename(runtime),
    version: version(runtime),
    machine: `Linux ${machine.kernel.replace(/-.*/, '')}, ${machine.arch}`,
    cgroup: machine.cgroup,
    outcomes
  }
  if (values.junit) writeFileSync(values.junit, junit(report))
  if (values.markdown) writeFileSync(values.markdown, markdown([report]))
  if (values.json) writeFileSync(values.json, `${JSON.stringify(report, undefined, 1)}\n`)
}

if (process.env[INNER] === '1' || process.geteuid?.() !== 0) await main()
else process.exitCode = again()
