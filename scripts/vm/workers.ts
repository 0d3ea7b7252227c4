/** Jobs on test machines: each machine asks for one after the other, runs it, and tells how it ended. */
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { carry } from './carry.ts'
import type { JobEvent } from './guest/run-jobs.ts'
import type { Image } from './image.ts'
import { boot, consoleTail } from './machine.ts'

/** A command that a machine runs, in /tsrun. */
export interface Job {
  readonly name: string
  readonly command: readonly string[]
}

/** How a job ended. */
export type Finished = Extract<JobEvent, { event: 'finished' }>

/** A machine that ended, or never came up, before there was nothing left to do. */
export interface Lost {
  readonly machine: string
  /** Why, and in which job. */
  readonly why: string
  /** What was said last. */
  readonly log: string
  readonly ms: number
}

export interface Work<J extends Job = Job> {
  readonly image: Image
  /** In the order in which they are begun. */
  readonly jobs: readonly J[]
  /** Of everything, since this process began. */
  readonly timeoutMs: number
  /** Of one job. */
  readonly jobTimeoutMs: number
  /** Directory for what the machines' consoles say. */
  readonly logs: string
  readonly finished: (job: J, how: Finished) => void
}

/** What is left of `Work` at the end: jobs for which no time was left, or no machine. */
export interface Rest {
  readonly lost: readonly Lost[]
  readonly notRun: readonly Job[]
}

/** How long before the end no job begins any more: it would be cut off in the middle. The longest take as long as that on a slow host. */
const LAST_MS = 240_000

/** A machine under emulation keeps little more than one processor busy. */
const MACHINES = Math.max(1, Math.min(3, availableParallelism(), Math.floor(totalmem() / 4e9)))

/** Does the jobs on as many machines as this host has processors for. */
export async function runJobs<J extends Job>(work: Work<J>): Promise<Rest> {
  const queue = [...work.jobs]
  using carried = await carry(`exec bun guest/run-jobs.js ${Math.round(work.jobTimeoutMs / 1000)}`)
  const workers = Array.from({ length: Math.min(MACHINES, queue.length) }, (_, i) => new Worker(queue, `test machine ${i + 1}`, work))
  console.log(`${queue.length} jobs on ${workers.length} test machines`)
  const lost = await Promise.all(workers.map((worker) => worker.work(carried.disk)))
  return { lost: lost.filter((each) => each !== undefined), notRun: queue }
}

class Worker<J extends Job> {
  private readonly queue: J[]
  private readonly name: string
  private readonly all: Work<J>
  private running: J | undefined
  /** Lines that are no events: what the shell or Bun says when something is wrong. */
  private other = ''

  constructor(queue: J[], name: string, all: Work<J>) {
    this.queue = queue
    this.name = name
    this.all = all
  }

  async work(carried: string): Promise<Lost | undefined> {
    const { image, logs, timeoutMs } = this.all
    const console = join(logs, `${this.name}.log`)
    const output = (line: string, input: (text: string) => void): void => this.read(line, input)
    const { status, why, ms } = await boot({ image, carried, console, timeoutMs: timeoutMs - performance.now(), output })
    globalThis.console.log(`${this.name}: ${(ms / 1000).toFixed(0)} s`)
    if (status === 0) return undefined
    const where = this.running ? `, in ${this.running.name}` : ''
    const reason = (why || `its command ended with status ${status}`) + where
    return { machine: this.name, why: reason, log: `${this.other}\n${consoleTail(console)}`, ms }
  }

  private read(line: string, input: (text: string) => void): void {
    if (!line.startsWith('{"event":')) {
      this.other += line
      return
    }
    const event = JSON.parse(line) as JobEvent
    const job = this.running
    this.running = undefined
    if (event.event === 'idle') {
      const { timeoutMs } = this.all
      const isLate = performance.now() > timeoutMs - Math.min(LAST_MS, timeoutMs / 4)
      this.running = isLate ? undefined : this.queue.shift()
      input(this.running === undefined ? '\n' : `${JSON.stringify(this.running.command)}\n`)
    } else if (job !== undefined) this.all.finished(job, event)
  }
}
