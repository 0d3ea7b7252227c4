/** `delete`: the end of a container that has stopped, or with force of any. */

import type { Config } from '../config/types.ts'
import { TsrunError } from '../errors/error.ts'
import { cannotDelete, doesNotExist } from '../errors/wording.ts'
import { loadCopy } from './copy.ts'
import { destroy, killInit } from './destroy.ts'
import { checkId } from './ids.ts'
import { lock } from './lock.ts'
import type { ContainerRecord } from './record.ts'
import { rootDirectory } from './root.ts'
import { statusOf } from './status.ts'
import { directoryExists, readRecord, removeDirectory, type StateDirectory, stateDirectory } from './store.ts'
import type { DeleteOptions, Status } from './types.ts'

/**
 * Deletes a container (runtime.md#delete). A created one is killed first, as runc does; a running or paused one only with `force`.
 * With `force` a container that does not exist is no error, and one whose state is damaged is removed as far as it is known.
 * @throws TsrunError `not-found`, `bad-state`, `state`, `cgroup`
 */
export async function deleteContainer(id: string, options: DeleteOptions = {}): Promise<void> {
  checkId(id)
  const force = options.force === true
  const directory = stateDirectory(rootDirectory(options).path, id)
  try {
    if (!directoryExists(directory)) throw doesNotExist(directory)
    // Before the lock: whoever holds it may be waiting for this very container.
    if (force) await killQuietly(directory)
    using _ = await lock(directory, 'delete')
    await deleteLocked(directory, force, options)
  } catch (cause) {
    if (!force || !(cause instanceof TsrunError) || cause.code !== 'not-found') throw cause
  }
}

async function deleteLocked(directory: StateDirectory, force: boolean, { log }: DeleteOptions): Promise<void> {
  const warn = (message: string): void => log?.('warning', message)
  let record: ContainerRecord
  try {
    record = readRecord(directory)
  } catch (cause) {
    // Nobody is creating it, for we hold the lock: it is what a command that was killed has left.
    if (force || (cause as TsrunError).code === 'not-found') removeDirectory(directory)
    if (!force || (cause as TsrunError).code === 'not-found') throw cause
    return warn(`removed ${directory.path}, but not its processes and cgroups: ${(cause as Error).message}`)
  }
  const status = statusOf(directory, record)
  if (!force && !deletable.has(status)) throw cannotDelete(directory.id, status)
  await destroy(directory, record, configOf(directory, warn), warn)
}

/** `creating` is a creation that was cut short: the lock that says otherwise is our own. */
const deletable: ReadonlySet<Status> = new Set<Status>(['stopped', 'created', 'creating'])

async function killQuietly(directory: StateDirectory): Promise<void> {
  try {
    await killInit(readRecord(directory))
  } catch {
    // What is wrong will be told under the lock.
  }
}

/** Without the copy there is no way to know the poststop hooks; that must not keep a container from being deleted. */
function configOf(directory: StateDirectory, warn: (message: string) => void): Config | undefined {
  try {
    return loadCopy(directory)
  } catch (cause) {
    warn((cause as Error).message)
    return undefined
  }
}
