/**
 * Runs inside an engine's machine (machine.ts, vm.ts): configures the engine as docs/engines.md says, starts it, runs its checks, and prints one line of JSON
 * for each result.
 *
 *     scripts/engines/session.ts ENGINE RUNTIME FEATURES [UPTIME]
 *
 * FEATURES is a JSON list: the checks that are wanted. After that uptime of the machine, in seconds, none begins.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Check, CheckResult, Engine, Facts, Step } from '../../test/engines/check.ts'
import { engines } from '../../test/engines/index.ts'
import { soak } from '../../test/engines/soak.ts'
import { withSystemd } from '../../test/engines/systemd/index.ts'
import { makeImage } from './image.ts'
import { LAST, unrun } from './jobs.ts'
import { added, inventory } from './leftovers.ts'
import { configFiles, forRuntime } from './page.ts'
import { runtimes } from './runtimes.ts'
import { SLOWNESS, shell, take } from './shell.ts'

const [engineName = '', runtime = '', features = '[]', end = 'Infinity'] = process.argv.slice(2)

/** Time that an engine has to start, load the image and run a first container. */
const PREPARE_TIMEOUT_MS = 90_000 * SLOWNESS

/** Time that everything takes to be gone after the last check. */
const SETTLE_S = 15 * SLOWNESS

const canExecute = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const env: NodeJS.ProcessEnv = {
  PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin',
  HOME: '/run/home',
  TMPDIR: '/run/tmp',
  LANG: 'C.UTF-8',
  TERM: 'xterm',
  BUN: process.execPath,
  CRI_CLIENT: fileURLToPath(new URL('cri/client.ts', import.meta.url)),
  DEBIAN: process.env.DEBIAN,
  RT: runtime,
  BIN: runtimes[runtime]
}

const facts: Facts = {
  runtime,
  systemd: readFileSync('/proc/1/comm', 'utf8').trim() === 'systemd',
  debian: process.env.DEBIAN,
  whyNoDebian: process.env.WHY_NO_DEBIAN ?? 'there is no Debian image',
  cgroup: existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'v2' : existsSync('/sys/fs/cgroup/unified') ? 'hybrid' : 'v1',
  has: (command) => (env.PATH ?? '').split(':').some((directory) => canExecute(join(directory, command))),
  hasCriu: () => spawnSync('criu', ['check'], { env, stdio: 'ignore' }).status === 0
}

const say = (result: CheckResult): void => console.log(JSON.stringify(result))

function configure({ section, nameOf = (name) => name }: Engine): void {
  for (const file of configFiles(section)) {
    const { path, text } = forRuntime(file, nameOf(runtime), runtimes[runtime] ?? runtime)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}

const asStep = (step: string | Step): Step => (typeof step === 'string' ? { run: step } : step)

let count = 0

/** Runs one check; whatever comes of it, its containers are removed. */
function runCheck(engine: Engine, { feature, steps, skip }: Check): CheckResult {
  const begun = performance.now()
  const about = { engine: engine.name, feature, runtime }
  const why = skip?.(facts)
  if (why) return { ...about, outcome: 'skipped', detail: why, ms: 0 }
  const own = { ...env, N: `n${++count}` }
  let wrong: string | undefined
  for (const step of steps) {
    wrong = take(asStep(step), own)
    if (wrong !== undefined) break
  }
  const { status, stdout, stderr } = shell(engine.reset, own)
  if (status !== 0) wrong ??= `cannot be removed:\n${stdout}${stderr}`
  const ms = Math.round(performance.now() - begun)
  return wrong === undefined ? { ...about, outcome: 'passed', ms } : { ...about, outcome: 'failed', detail: wrong, ms }
}

/** Under emulation a failure counts when it comes twice; the first is told. */
function tryCheck(engine: Engine, check: Check): CheckResult {
  const first = runCheck(engine, check)
  if (first.outcome !== 'failed' || SLOWNESS === 1) return first
  const second = runCheck(engine, check)
  const both = `${first.detail}\nat the second time: ${second.detail}`
  return { ...second, detail: second.outcome === 'passed' ? `passes at the second time: ${first.detail}` : both }
}

/** The engine is as idle as before the checks, but for what it keeps. */
function leftovers(engine: Engine, before: ReadonlyMap<string, number>): CheckResult {
  const begun = performance.now()
  const about = { engine: engine.name, feature: LAST, runtime }
  const look = (): string[] => added(before).filter((each) => !engine.keeps?.test(each))
  let more = look()
  while (more.length > 0 && performance.now() - begun < SETTLE_S * 1000) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    more = look()
  }
  const ms = Math.round(performance.now() - begun)
  return more.length === 0 ? { ...about, outcome: 'passed', ms } : { ...about, outcome: 'failed', detail: more.join('\n'), ms }
}

/** A failure before the first check is one of them all. */
function start(engine: Engine): string | undefined {
  const missing = engine.commands.find((command) => !facts.has(command))
  if (missing) return `needs ${missing}`
  configure(engine)
  env.RT = engine.nameOf?.(runtime) ?? runtime
  const prepared = shell(engine.prepare, env, PREPARE_TIMEOUT_MS)
  if (prepared.status !== 0) return `does not start:\n${prepared.stdout}${prepared.stderr}`
  return engine.ready ? take({ run: engine.ready, withinS: 30 }, env) : undefined
}

function main(): void {
  const engine = [...engines, ...soak, ...withSystemd].find(({ name }) => name === engineName)
  if (engine === undefined) throw new Error(`no engine is named "${engineName}"`)
  makeImage('/run/tmp/image')
  const why = start(engine)
  if (why !== undefined) {
    say({ engine: engine.name, feature: 'start', runtime, outcome: why.startsWith('needs ') ? 'skipped' : 'failed', detail: why, ms: 0 })
    return
  }
  const before = inventory()
  const wanted: readonly string[] = JSON.parse(features)
  let isIdle = true
  for (const check of engine.checks.filter(({ feature }) => wanted.includes(feature))) {
    const isLate = uptime() > Number(end)
    isIdle &&= isLate
    say(isLate ? unrun(engine, runtime, check.feature) : tryCheck(engine, check))
  }
  say(isIdle ? unrun(engine, runtime, LAST) : leftovers(engine, before))
}

main()
