/** The end of a container: its processes, its cgroup, its state directory, and the hooks that come after. */
import { signalNumbers } from '../abi/signals.ts'
import { type CgroupLocation, describeProcess, isFrozen, killAll, removeCgroup, sleepers, thaw } from '../cgroup/index.ts'
import type { Config } from '../config/types.ts'
import { stillRunning } from '../errors/wording.cgroup.ts'
import { pidfdOpen, pidfdSendSignal } from '../linux/process.ts'
import { reap, untilGone } from './program.ts'
import type { ContainerRecord } from './record.ts'
import { initIsAlive } from './status.ts'
import { removeDirectory, type StateDirectory } from './store.ts'

const WAIT_MS = 10_000

/**
 * Kills what runs and removes what `create` has made. The caller holds the lock.
 * @param config undefined when the copy cannot be read: there are no hooks then
 * @throws TsrunError `bad-state` when init does not die, `cgroup` when the cgroup cannot be removed; the state stays then, for another try
 */
export async function destroy(
  directory: StateDirectory,
  record: ContainerRecord,
  config: Pick<Config, 'annotations' | 'hooks'> | undefined,
  warn: (message: string) => void
): Promise<void> {
  await killInit(record)
  if (record.cgroup !== undefined) await endCgroup(record, record.cgroup, warn)
  if (record.intelRdt !== undefined) (await import('./resctrl.ts')).removeGroups(record, warn)
  removeDirectory(directory)
  if ((config?.hooks?.poststop ?? []).length === 0) return
  const { runPoststop } = await import('./poststop.ts')
  await runPoststop(record, config!, warn)
}

/**
 * Sends SIGKILL to init, if it is still the process that was recorded, and waits for its end.
 * @throws TsrunError `bad-state` when it has not ended after 10 s
 */
export async function killInit(record: ContainerRecord): Promise<void> {
  const pid = record.init_process_pid
  if (initIsAlive(record)) {
    using pidfd = pidfdOpen(pid)
    // Asked again, for the pid may have been given to another process before it was opened.
    if (initIsAlive(record)) await killAndWait(pid, pidfd.fd, record.cgroup)
  }
  if (pid > 0) reap(pid)
}

async function killAndWait(pid: number, pidfd: number, cgroup: CgroupLocation | undefined): Promise<void> {
  pidfdSendSignal(pidfd, signalNumbers.SIGKILL)
  letDie(cgroup)
  if (!(await untilGone(pidfd, WAIT_MS))) throw stillRunning(describeProcess(pid), others(pid, cgroup))
}

const others = (pid: number, cgroup: CgroupLocation | undefined) =>
  cgroup === undefined ? [] : sleepers(cgroup).filter((each) => each.pid !== pid)

/** A process that the v1 freezer holds takes no signal, not even SIGKILL. */
export function letDie(cgroup: CgroupLocation | undefined): void {
  if (cgroup !== undefined && isFrozen(cgroup)) thaw(cgroup)
}

/** With a pid namespace of its own, the container's processes ended with init; others may outlive it, and would keep the cgroup. */
async function endCgroup({ ownPidNamespace }: ContainerRecord, cgroup: CgroupLocation, warn: (message: string) => void): Promise<void> {
  const unit = cgroup.driver === 'systemd'
  // systemd would ask the processes of a unit to end, and wait.
  if (!ownPidNamespace || unit) killAll(cgroup, signalNumbers.SIGKILL)
  if (unit) await (await import('../cgroup/systemd.ts')).stopUnit(cgroup, warn, () => {})
  try {
    removeCgroup(cgroup)
  } catch (cause) {
    if (!ownPidNamespace) throw cause
    // Somebody was put into the cgroup from outside the pid namespace.
    killAll(cgroup, signalNumbers.SIGKILL)
    removeCgroup(cgroup)
  }
}
