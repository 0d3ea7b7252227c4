/**
 * Engines of Debian 13 in test machines (scripts/vm): cgroup v2, and systemd as process 1. A machine for each engine with tsrun; when all of them have had
 * theirs, one for each engine in which the runtimes that are only compared with take turns.
 */
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CheckResult } from '../../test/engines/check.ts'
import { type Carried, carry } from '../vm/carry.ts'
import { type Image, machineImage } from '../vm/image.ts'
import { boot, consoleTail } from '../vm/machine.ts'
import { machineWithEngines } from '../vm/recipe.ts'
import { type Batch, batches, share } from './batches.ts'
import { executable } from './host.ts'
import { broken, features, type Job, LAST, type Orders, resultOf, unrun } from './jobs.ts'

/** What the machines' consoles have said is kept for those who look for a cause. */
const LOGS = fileURLToPath(new URL('../../build/vm', import.meta.url))

/** A machine under emulation keeps little more than one processor busy. */
const MACHINES = Math.max(1, Math.min(3, availableParallelism(), Math.floor(totalmem() / 4e9)))

/** Time for a machine to start, and for the longest check, Compose's: no check begins later before the deadline. */
const START_MS = 120_000
const END_MS = 180_000

/**
 * Run in the machine: asks for an engine, its runtimes, for how many seconds checks may begin, and for each runtime's checks, a line each, and runs a
 * session for each runtime, which has its part of the time. The host name is that of the other machines of engines.
 */
const COMMAND = `hostname engines
mkdir -p /run/home
mount --bind /tsrun/dist /usr/local/sbin
bun scripts/engines/versions.ts
echo ready
read -r engine; read -r runtimes; read -r seconds
uptime() { cut -d. -f1 /proc/uptime; }
last=$(($(uptime) + seconds))
set -- $runtimes
for runtime; do
  read -r features
  end=$(($(uptime) + (last - $(uptime)) / $#))
  shift
  rm -rf /run/tmp /run/logs; mkdir /run/tmp
  bun scripts/engines/session.ts "$engine" "$runtime" "$features" "$end" </dev/null || echo "ended with status $?"
  echo "end $runtime"
done`

/** The lines that COMMAND reads. */
function order({ jobs }: Batch, part: number, { deadline }: Orders): string {
  const seconds = Math.round(((deadline - END_MS - performance.now()) / 1000) * part)
  const lines = [jobs[0].engine.name, jobs.map(({ runtime }) => runtime).join(' '), `${seconds}`, ...jobs.map(features)]
  return `${lines.join('\n')}\n`
}

/** Reads a line of a machine's output. */
function read(line: string, batch: Batch, part: number, orders: Orders, input: (text: string) => void): void {
  const result = resultOf(line)
  const ended = /^end (\w+)\n$/.exec(line)?.[1]
  if (result) batch.results.push(result)
  else if (line.startsWith('versions: ')) batch.versions = line.slice('versions: '.length).trim()
  else if (line === 'ready\n') input(order(batch, part, orders))
  else if (ended) endJob(batch, ended, orders)
  else batch.said += line
}

/** Tells of a job that has ended; without a result of its own, what was said instead is the failure. */
function endJob(batch: Batch, runtime: string, { done }: Orders): void {
  const job = batch.jobs.find((each) => each.runtime === runtime)
  if (!job) return
  const results = batch.results.filter((each) => each.runtime === runtime)
  const isWhole = results.some(({ feature }) => feature === LAST || feature === 'start')
  done(job, isWhole ? results : [...results, broken(job, `the session did not come to its end:\n${batch.said}`)])
}

/** By name, what is not run of a job that would begin too late. */
const allUnrun = ({ engine, runtime }: Job): CheckResult[] => engine.checks.map(({ feature }) => unrun(engine, runtime, feature))

/** Boots a machine for one engine; its checks begin in that part of the time that is left. */
async function runBatch(batch: Batch, part: number, image: Image, carried: Carried, orders: Orders): Promise<void> {
  const ended = new Set<string>()
  const done: Orders['done'] = (job, results) => {
    ended.add(job.runtime)
    orders.done(job, results)
  }
  const log = join(LOGS, `${batch.jobs[0].engine.name}.log`)
  const output = (line: string, input: (text: string) => void): void => read(line, batch, part, { ...orders, done }, input)
  const { status, why } = await boot({
    image,
    carried: carried.disk,
    console: log,
    timeoutMs: orders.deadline - performance.now(),
    output
  })
  const detail = `${why || `its machine ended with status ${status}`}\n${batch.said}\n${consoleTail(log)}`
  for (const job of batch.jobs) {
    if (ended.has(job.runtime)) continue
    const results = batch.results.filter(({ runtime }) => runtime === job.runtime)
    orders.done(job, [...results, broken(job, detail)])
  }
}

/**
 * Runs all jobs, in as many machines at a time as this one can bear.
 *
 * @returns the versions of the machines' programs
 * @throws NoMachine where there can be none
 */
export async function runInMachines(orders: Orders): Promise<string> {
  executable()
  const image = await machineImage(machineWithEngines)
  using carried = await carry(COMMAND)
  const all = batches(orders.jobs)
  const queue = [...all]
  const machines = Math.min(orders.machines ?? MACHINES, queue.length)
  const worker = async (): Promise<void> => {
    for (let batch = queue.shift(); batch; batch = queue.shift()) {
      const known = all.flatMap(({ results }) => results)
      const inTime = performance.now() < orders.deadline - START_MS - END_MS
      if (inTime) await runBatch(batch, share(batch, queue, machines, known), image, carried, orders)
      else for (const job of batch.jobs) orders.done(job, allUnrun(job))
    }
  }
  await Promise.all(Array.from({ length: machines }, worker))
  return all.find(({ versions }) => versions)?.versions ?? ''
}
