/** One command at a time changes a container: flock(2) on a file in its state directory. Those that only look, and `kill`, need no lock. */
import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { busy, doesNotExist, errnoNameOf, systemError } from '../errors/wording.ts'
import { lockFile, tryLockFile } from '../linux/lock.ts'
import { isRefusal, refusedRoot } from './root.ts'
import type { StateDirectory } from './store.ts'
import { refuseForeign } from './trust.ts'

/** The kernel gives the lock back when its holder ends, however that happens; so nothing is ever locked by a command that is gone. */
export interface Lock extends Disposable {
  readonly directory: StateDirectory
}

/** As long as `delete --force` waits for a process; engines give up later. */
const WAIT_MS = 10_000

const lockPath = (directory: StateDirectory): string => join(directory.path, 'lock')

/**
 * Takes the lock.
 * @param verb what the holder does, for the message that others get
 * @throws TsrunError `not-found` when the container is gone, or goes while we wait; `bad-state` when somebody holds the lock for too long
 */
export async function lock(directory: StateDirectory, verb: string): Promise<Lock> {
  const fd = openLock(directory)
  try {
    if (!tryLockFile(fd, true)) await wait(fd, directory)
    // The holder before us may have deleted the container, and somebody may have made a new one of the same name.
    if (lstatSync(lockPath(directory), { throwIfNoEntry: false })?.ino !== fstatSync(fd).ino) throw doesNotExist(directory)
    ftruncateSync(fd)
    writeSync(fd, `process ${process.pid}, which is about to ${verb} it`, 0)
  } catch (cause) {
    closeSync(fd)
    throw cause
  }
  return { directory, [Symbol.dispose]: () => closeSync(fd) }
}

async function wait(fd: number, directory: StateDirectory): Promise<void> {
  try {
    await lockFile(fd, true, WAIT_MS)
  } catch (cause) {
    throw errnoNameOf(cause) === 'EAGAIN' ? busy(directory.id, readHolder(directory)) : cause
  }
}

/** True while some command holds the lock. */
export function isLocked(directory: StateDirectory): boolean {
  let fd: number
  try {
    fd = openLock(directory)
  } catch {
    return false
  }
  try {
    return !tryLockFile(fd, false)
  } finally {
    closeSync(fd)
  }
}

function openLock(directory: StateDirectory): number {
  refuseForeign(directory)
  try {
    return openSync(lockPath(directory), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  } catch (cause) {
    const errno = errnoNameOf(cause)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') throw doesNotExist(directory)
    throw isRefusal(cause) ? refusedRoot(directory.root, cause) : systemError('open the lock of the container', cause)
  }
}

function readHolder(directory: StateDirectory): string {
  try {
    return readFileSync(lockPath(directory), 'utf8').slice(0, 200)
  } catch {
    return ''
  }
}
