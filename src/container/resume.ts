/** `resume`: a paused container goes on. */
import { thaw } from '../cgroup/index.ts'
import { notPaused } from '../errors/wording.control.ts'
import { checkId } from './ids.ts'
import { lock } from './lock.ts'
import { rootDirectory } from './root.ts'
import { statusOf } from './status.ts'
import { readRecord, stateDirectory } from './store.ts'
import type { RuntimeOptions } from './types.ts'

/**
 * Thaws a paused container.
 * @throws TsrunError `not-found`; `bad-state` when it is not paused; `cgroup`
 */
export async function resume(id: string, options: RuntimeOptions = {}): Promise<void> {
  checkId(id)
  const directory = stateDirectory(rootDirectory(options).path, id)
  using _ = await lock(directory, 'resume')
  const record = readRecord(directory)
  // Without a cgroup no status is `paused`.
  if (statusOf(directory, record) !== 'paused' || record.cgroup === undefined) throw notPaused()
  thaw(record.cgroup)
}
