/** Signals to everything in a cgroup. */
import { signalNumbers } from '../abi/signals.ts'
import { syscall } from '../linux/ffi.ts'
import { tryWrite } from './files.ts'
import { holdStill, isFrozen, letGo } from './freezer.ts'
import { directories, processesAnywhere } from './processes.ts'
import type { CgroupLocation } from './types.ts'
import { until } from './wait.ts'

const LIMIT_MS = 5000

/**
 * Sends `signal` (a number) to every process of the container's cgroups. For SIGKILL it repeats until they are empty, for up to 5 s, thaws what
 * was frozen, and returns also when a process has not died by then: `removeCgroup` says which. Never throws for processes that are gone.
 */
export function killAll(location: CgroupLocation, signal: number): void {
  if (directories(location).length === 0) return
  if (signal !== signalNumbers.SIGKILL) signalFrozen(location, signal)
  else killUntilEmpty(location)
}

function killUntilEmpty(location: CgroupLocation): void {
  // cgroup.kill (Linux 5.14) reaches also what is forked at this moment. On hybrid hosts a process may have been moved out of the v2 cgroup alone.
  const unified = killUnified(location)
  let rounds = 0
  until(LIMIT_MS, () => {
    if (processesAnywhere(location).length === 0) return true
    if (!unified || rounds++ > 0) signalFrozen(location, signalNumbers.SIGKILL)
    // A process that the v1 freezer holds does not even die.
    if (isFrozen(location)) letGo(location)
    return false
  })
}

const killUnified = ({ paths }: CgroupLocation): boolean =>
  paths[''] !== undefined && tryWrite(`${paths['']}/cgroup.kill`, '1') === undefined

/** Frozen processes cannot fork away from the list that is read. */
function signalFrozen(location: CgroupLocation, signal: number): void {
  const paused = isFrozen(location)
  if (!paused) holdStill(location)
  signalMembers(location, signal)
  if (!paused) letGo(location)
}

/** A pidfd holds on to its process while the membership is checked again, so that a pid that was given to somebody else is never hit. */
function signalMembers(location: CgroupLocation, signal: number): void {
  const pidfds = processesAnywhere(location).map((pid) => ({ pid, pidfd: syscall('pidfd_open', pid, 0) }))
  const members = new Set(processesAnywhere(location))
  for (const { pid, pidfd } of pidfds) {
    if (pidfd < 0) continue
    if (members.has(pid)) syscall('pidfd_send_signal', pidfd, signal, null, 0)
    syscall('close', pidfd)
  }
}
