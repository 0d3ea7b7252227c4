/** Engines of Debian 13 in test machines (scripts/vm): cgroup v2, and systemd as process 1. A machine for each engine, in which the runtimes take turns. */
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CheckResult } from '../../test/engines/check.ts'
import { type Carried, carry } from '../vm/carry.ts'
import { type Image, machineImage } from '../vm/image.ts'
import { boot, consoleTail } from '../vm/machine.ts'
import { machineWithEngines } from '../vm/recipe.ts'
import { executable } from './host.ts'
import { broken, type Job, type Orders, resultOf } from './jobs.ts'

/** What the machines' consoles have said is kept for those who look for a cause. */
const LOGS = fileURLToPath(new URL('../../build/vm', import.meta.url))

/** A machine under emulation keeps little more than one processor busy. */
const MACHINES = Math.max(1, Math.min(3, availableParallelism(), Math.floor(totalmem() / 4e9)))

/**
 * Run in the machine: asks for an engine, its runtimes and the part of a feature, in three lines, and runs a session for each runtime. The host name is
 * that of the other machines of engines.
 */
const COMMAND = `hostname engines
mkdir -p /run/home
mount --bind /tsrun/dist /usr/local/sbin
bun scripts/engines/versions.ts
echo ready
read -r engine; read -r runtimes; read -r only
for runtime in $runtimes; do
  rm -rf /run/tmp /run/logs; mkdir /run/tmp
  bun scripts/engines/session.ts "$engine" "$runtime" "$only" </dev/null || echo "ended with status $?"
  echo "end $runtime"
done`

/** All jobs of one engine. */
interface Batch {
  readonly jobs: readonly Job[]
  readonly results: CheckResult[]
  /** What was said besides results. */
  said: string
  /** The machine's programs. */
  versions: string
}

function batches(jobs: readonly Job[]): Batch[] {
  const byEngine = new Map<string, Job[]>()
  for (const job of jobs) byEngine.set(job.engine.name, [...(byEngine.get(job.engine.name) ?? []), job])
  return [...byEngine.values()].map((jobs) => ({ jobs, results: [], said: '', versions: '' }))
}

/** The three lines that COMMAND reads. Late, the runtimes that are only compared with are left out, so that each engine has its turn. */
function order({ jobs }: Batch, { only, deadline }: Orders): string {
  const isLate = performance.now() > deadline / 2
  const runtimes = (isLate ? jobs.slice(0, 1) : jobs).map(({ runtime }) => runtime)
  return `${jobs[0]?.engine.name}\n${runtimes.join(' ')}\n${only}\n`
}

/** Reads a line of a machine's output. */
function read(line: string, batch: Batch, orders: Orders, input: (text: string) => void): void {
  const result = resultOf(line)
  const ended = /^end (\w+)\n$/.exec(line)?.[1]
  if (result) batch.results.push(result)
  else if (line.startsWith('versions: ')) batch.versions = line.slice('versions: '.length).trim()
  else if (line === 'ready\n') input(order(batch, orders))
  else if (ended) endJob(batch, ended, orders)
  else batch.said += line
}

/** Tells of a job that has ended; without a result of its own, what was said instead is the failure. */
function endJob(batch: Batch, runtime: string, { done }: Orders): void {
  const job = batch.jobs.find((each) => each.runtime === runtime)
  if (!job) return
  const results = batch.results.filter((each) => each.runtime === runtime)
  const isWhole = results.some(({ feature }) => feature === 'nothing is left behind' || feature === 'start')
  done(job, isWhole ? results : [...results, broken(job, `the session did not come to its end:\n${batch.said}`)])
}

/** Boots a machine for one engine. */
async function runBatch(batch: Batch, image: Image, carried: Carried, orders: Orders): Promise<void> {
  const ended = new Set<string>()
  const done: Orders['done'] = (job, results) => {
    ended.add(job.runtime)
    orders.done(job, results)
  }
  const log = join(LOGS, `${batch.jobs[0]?.engine.name}.log`)
  const output = (line: string, input: (text: string) => void): void => read(line, batch, { ...orders, done }, input)
  const { status, why } = await boot({
    image,
    carried: carried.disk,
    console: log,
    timeoutMs: orders.deadline - performance.now(),
    output
  })
  const words = status === 0 ? 'not run: too little time was left' : why || `its machine ended with status ${status}`
  const detail = status === 0 ? words : `${words}\n${batch.said}\n${consoleTail(log)}`
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
  const worker = async (): Promise<void> => {
    for (let batch = queue.shift(); batch; batch = queue.shift()) {
      if (performance.now() < orders.deadline) await runBatch(batch, image, carried, orders)
      else for (const job of batch.jobs) orders.done(job, [broken(job, 'not run: no time was left')])
    }
  }
  await Promise.all(Array.from({ length: Math.min(MACHINES, queue.length) }, worker))
  return all.find(({ versions }) => versions)?.versions ?? ''
}
