/** `state`: what there is to know about a container. It takes no lock, for hooks may ask. */
import { checkId } from './ids.ts'
import { rootDirectory } from './root.ts'
import { stateDocument, statusOf } from './status.ts'
import { readRecord, stateDirectory } from './store.ts'
import type { ContainerState, RuntimeOptions } from './types.ts'

/**
 * The state of a container (runtime.md#query-state).
 * @throws TsrunError `not-found`, `state` when its file is damaged
 */
export async function state(id: string, options: RuntimeOptions = {}): Promise<ContainerState> {
  checkId(id)
  const directory = stateDirectory(rootDirectory(options).path, id)
  const record = readRecord(directory)
  return stateDocument(record, statusOf(directory, record))
}
