/** `kill`: a signal to init. It takes no lock: it must work while another command waits for the container. */

import { errnoName, errnoText } from '../abi/errno.ts'
import { signalNumbers } from '../abi/signals.ts'
import { killAll, processes } from '../cgroup/index.ts'
import { notRunning, systemError } from '../errors/wording.ts'
import { pidfdOpen, pidfdSendSignal } from '../linux/process.ts'
import { letDie } from './destroy.ts'
import { checkId } from './ids.ts'
import type { ContainerRecord } from './record.ts'
import { rootDirectory } from './root.ts'
import { initIsAlive } from './status.ts'
import { readRecord, stateDirectory } from './store.ts'
import type { KillOptions } from './types.ts'

/**
 * Sends a signal to the container's init (runtime.md#kill). SIGKILL to a container that shares its pid namespace reaches all of its processes,
 * because they do not end with init.
 * @param signal a number; 0 only checks
 * @throws TsrunError `not-found`, `not-running`
 */
export async function kill(id: string, signal: number, options: KillOptions = {}): Promise<void> {
  checkId(id)
  const record = readRecord(stateDirectory(rootDirectory(options).path, id))
  const sent = signal === signalNumbers.SIGKILL && !record.ownPidNamespace ? killEverything(record) : signalInit(record, signal)
  // Engines call `kill --all` once more after init has ended, and expect success.
  if (!sent && options.all !== true) throw notRunning()
}

function killEverything(record: ContainerRecord): boolean {
  const alive = initIsAlive(record)
  if (record.cgroup === undefined) return alive && signalInit(record, signalNumbers.SIGKILL)
  const some = processes(record.cgroup).length > 0
  killAll(record.cgroup, signalNumbers.SIGKILL)
  // Init may have been moved out of its cgroup.
  return (alive && signalInit(record, signalNumbers.SIGKILL)) || alive || some
}

/** False when init is gone. */
function signalInit(record: ContainerRecord, signal: number): boolean {
  if (!initIsAlive(record)) return false
  using pidfd = openInit(record.init_process_pid)
  // Asked again: the pid may have been given to another process before it was opened.
  if (pidfd === undefined || !initIsAlive(record)) return false
  const result = pidfdSendSignal(pidfd.fd, signal)
  if (result === -3) return false
  if (result < 0) throw systemError(`send signal ${signal} to the container`, new Error(`${errnoText(-result)} (${errnoName(-result)})`))
  if (signal === signalNumbers.SIGKILL) letDie(record.cgroup)
  return true
}

function openInit(pid: number): ReturnType<typeof pidfdOpen> | undefined {
  try {
    return pidfdOpen(pid)
  } catch {
    return undefined
  }
}
