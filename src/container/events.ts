/** `events`: what a container uses, and that it has run out of memory, for as long as it lives. It takes no lock, for it only looks. */
import { watchOom } from '../cgroup/oom.ts'
import { statistics } from '../cgroup/stats.ts'
import type { CgroupLocation } from '../cgroup/types.ts'
import { badInterval, isNotRunning } from '../errors/wording.control.ts'
import { errnoNameOf } from '../errors/wording.ts'
import { POLLIN } from '../linux/constants.ts'
import type { OwnedFd } from '../linux/fd.ts'
import { pidfdOpen } from '../linux/process.ts'
import { untilReady } from '../linux/watch.ts'
import { checkId } from './ids.ts'
import type { ContainerRecord } from './record.ts'
import { rootDirectory } from './root.ts'
import { initIsAlive } from './status.ts'
import { readRecord, stateDirectory } from './store.ts'
import type { ContainerEvent, EventsOptions, RuntimeOptions } from './types.ts'

/** runc's `--interval 5s`. */
const INTERVAL_MS = 5000
/** A shorter interval would leave no time for anything else. */
const SHORTEST_MS = 1

const NO_CGROUP: CgroupLocation = { mode: 'none', driver: 'cgroupfs', paths: {}, rootless: true }

/**
 * What a container uses now: `events --stats`.
 * @throws TsrunError `not-found`; `not-running` when it has stopped
 */
export async function stats(id: string, options: RuntimeOptions = {}): Promise<Extract<ContainerEvent, { type: 'stats' }>> {
  const record = living(id, options)
  return { type: 'stats', id, data: statistics(record.cgroup ?? NO_CGROUP) }
}

/**
 * Statistics at each interval, and a notice whenever the kernel has killed for lack of memory. Ends when the container's init has ended
 * (notices first), when the caller leaves the loop, or by `signal`.
 * @throws TsrunError `usage` for an interval that is not positive, `not-found`, `not-running` when the container has stopped
 */
export async function* events(id: string, options: EventsOptions = {}): AsyncGenerator<ContainerEvent, void, undefined> {
  const { intervalMs = INTERVAL_MS, signal, log } = options
  if (!(intervalMs > 0)) throw badInterval()
  const record = living(id, options)
  const cgroup = record.cgroup ?? NO_CGROUP
  using init = holdInit(record)
  using oom = watchOom(cgroup, log)
  const ticks = ticker(Math.max(intervalMs, SHORTEST_MS))
  for (;;) {
    const [ended] = await untilReady([{ fd: init.fd, events: POLLIN }, ...oom.fds], ticks.left(), signal)
    if (oom.happened()) yield { type: 'oom', id }
    if (ended || signal?.aborted) return
    if (ticks.due()) yield { type: 'stats', id, data: statistics(cgroup) }
  }
}

/** The record of a container whose init is alive. */
function living(id: string, options: RuntimeOptions): ContainerRecord {
  checkId(id)
  const record = readRecord(stateDirectory(rootDirectory(options).path, id))
  if (!initIsAlive(record)) throw isNotRunning(id)
  return record
}

/** The caller owns the pidfd. */
function holdInit(record: ContainerRecord): OwnedFd {
  let pidfd: OwnedFd
  try {
    pidfd = pidfdOpen(record.init_process_pid)
  } catch (cause) {
    throw errnoNameOf(cause) === 'ESRCH' ? isNotRunning(record.id) : cause
  }
  // Asked again: the pid may have been given to another process before it was opened.
  if (initIsAlive(record)) return pidfd
  pidfd[Symbol.dispose]()
  throw isNotRunning(record.id)
}

/** Regular points in time. Those that a slow reader has missed are left out, as Go's ticker does. */
function ticker(intervalMs: number): { left(): number; due(): boolean } {
  let next = performance.now() + intervalMs
  return {
    left: () => Math.max(0, next - performance.now()),
    due() {
      const now = performance.now()
      if (now < next) return false
      next = Math.max(next + intervalMs, now)
      return true
    }
  }
}
