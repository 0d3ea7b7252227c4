/** `list`: all containers of a root directory. */
import { statSync } from 'node:fs'
import { systemError } from '../errors/wording.ts'
import { rootDirectory } from './root.ts'
import { stateDocument, statusOf } from './status.ts'
import { listIds, readRecord, stateDirectory } from './store.ts'
import type { ContainerState, RuntimeOptions } from './types.ts'
import { userNames } from './users.ts'

/**
 * The states of all containers, by id. One that cannot be read is a warning. The default root need not exist; one that was named must.
 * @throws TsrunError `system`
 */
export async function list(options: RuntimeOptions = {}): Promise<readonly ContainerState[]> {
  const root = rootDirectory(options)
  const ids = listIds(root.path)
  if (ids === undefined) {
    if (!root.explicit) return []
    throw systemError(`list the containers in ${JSON.stringify(root.path)}`, new Error('no such file or directory (ENOENT)'))
  }
  const nameOf = userNames()
  return ids.flatMap((id) => {
    const directory = stateDirectory(root.path, id)
    try {
      const record = readRecord(directory)
      return [stateDocument(record, statusOf(directory, record), nameOf(statSync(directory.path).uid))]
    } catch (cause) {
      options.log?.('warning', `load container ${id}: ${cause instanceof Error ? cause.message : String(cause)}`)
      return []
    }
  })
}
