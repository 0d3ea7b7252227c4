/** In what status a container is, found out from the kernel each time: nothing is believed that was only written down. */
import { existsSync } from 'node:fs'
import { isFrozen } from '../cgroup/index.ts'
import { processStatus } from '../linux/process.ts'
import { isLocked } from './lock.ts'
import type { ContainerRecord } from './record.ts'
import { type StateDirectory, startSocketPath } from './store.ts'
import type { ContainerState, Status } from './types.ts'

/** True while init is the process that was recorded, and no zombie. */
export function initIsAlive(record: Pick<ContainerRecord, 'init_process_pid' | 'init_process_start'>): boolean {
  if (record.init_process_pid <= 0) return false
  const stat = processStatus(record.init_process_pid)
  return stat !== undefined && stat.startTime === record.init_process_start && stat.state !== 'Z' && stat.state !== 'X'
}

/** The status now. A creation that nobody works on any more was cut short: what there is of it has stopped. */
export function statusOf(directory: StateDirectory, record: ContainerRecord): Status {
  if (record.init_process_pid === 0) return isLocked(directory) ? 'creating' : 'stopped'
  if (!initIsAlive(record)) return 'stopped'
  if (record.cgroup !== undefined && isFrozen(record.cgroup)) return 'paused'
  return existsSync(startSocketPath(directory)) ? 'created' : 'running'
}

/** The state document (runtime.md#state). A container that is still being created has no process yet. */
export function stateDocument(record: ContainerRecord, status: Status, owner = ''): ContainerState {
  return {
    ociVersion: record.ociVersion,
    id: record.id,
    pid: status === 'stopped' ? 0 : record.init_process_pid,
    status,
    bundle: record.bundle,
    rootfs: record.rootfs,
    created: record.created,
    ...(Object.keys(record.annotations).length === 0 ? {} : { annotations: record.annotations }),
    owner
  }
}
