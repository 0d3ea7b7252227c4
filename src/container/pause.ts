/** `pause`: all processes of a container stand still. */
import { freeze } from '../cgroup/index.ts'
import { noFreezer } from '../errors/wording.cgroup.ts'
import { notRunning } from '../errors/wording.ts'
import { checkId } from './ids.ts'
import { lock } from './lock.ts'
import { rootDirectory } from './root.ts'
import { statusOf } from './status.ts'
import { readRecord, stateDirectory } from './store.ts'
import type { RuntimeOptions } from './types.ts'

/**
 * Freezes a running or created container; returns when every process stands still.
 * @throws TsrunError `not-found`; `not-running` for any other status; `cgroup` when a process does not stop, `unsupported` without a freezer
 */
export async function pause(id: string, options: RuntimeOptions = {}): Promise<void> {
  checkId(id)
  const directory = stateDirectory(rootDirectory(options).path, id)
  using _ = await lock(directory, 'pause')
  const record = readRecord(directory)
  const status = statusOf(directory, record)
  if (status !== 'running' && status !== 'created') throw notRunning()
  if (record.cgroup === undefined) throw noFreezer('freeze')
  freeze(record.cgroup)
}
