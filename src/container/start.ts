/** `start`: a created container runs. */
import { rmSync } from 'node:fs'
import { TsrunError } from '../errors/error.ts'
import { cannotStart, errnoNameOf } from '../errors/wording.ts'
import type { OwnedFd } from '../linux/fd.ts'
import { pidfdOpen } from '../linux/process.ts'
import { connectUnix, writeAll } from '../linux/socket.ts'
import { loadCopy } from './copy.ts'
import { destroy } from './destroy.ts'
import { checkId } from './ids.ts'
import { listenForInterrupt } from './interrupt.ts'
import { lock } from './lock.ts'
import type { Relay } from './notify.ts'
import { letGo, type Release, runPoststartHooks, runStartContainerHooks } from './release.ts'
import { rootDirectory } from './root.ts'
import { initIsAlive, statusOf } from './status.ts'
import { readRecord, type StateDirectory, startSocketPath, stateDirectory } from './store.ts'
import type { RuntimeOptions, StartOptions } from './types.ts'

/**
 * Starts the user's process (runtime.md#start); returns when it is executed and the poststart hooks have run.
 * @throws TsrunError `not-found`; `bad-state` unless the container is created; for a command that cannot be executed; `hook`, and then the container is gone
 */
export async function start(id: string, options: StartOptions = {}): Promise<void> {
  checkId(id)
  const directory = stateDirectory(rootDirectory(options).path, id)
  const { pid, relay } = await startLocked(directory, options)
  // Without the lock: a container that takes long to become ready can be killed.
  await relay?.untilReady(pid)
}

async function startLocked(directory: StateDirectory, options: StartOptions): Promise<{ pid: number; relay: Relay | undefined }> {
  using _ = await lock(directory, 'start')
  using interrupt = listenForInterrupt()
  const record = readRecord(directory)
  const status = statusOf(directory, record)
  if (status !== 'created') throw cannotStart(status)
  using pidfd = pidfdOpen(record.init_process_pid)
  if (!initIsAlive(record)) throw cannotStart('stopped')
  const pid = record.init_process_pid
  const notify = options.notifySocket ? await import('./notify.ts') : undefined
  const relay = notify?.openRelay(directory, options.notifySocket!, pid, options)
  try {
    await release({ record, config: loadCopy(directory), pidfd: pidfd.fd, interrupt }, directory, options)
  } catch (cause) {
    relay?.[Symbol.dispose]()
    throw cause
  }
  return { pid, relay }
}

async function release(what: Release, directory: StateDirectory, { log }: RuntimeOptions): Promise<void> {
  try {
    await runStartContainerHooks(what)
    await letGoBySocket(what, directory)
    await runPoststartHooks(what)
  } catch (cause) {
    // runtime.md#lifecycle: a hook that fails stops the container, and the rest is as after `delete`.
    if (cause instanceof TsrunError && cause.code === 'hook') {
      await destroy(directory, what.record, what.config, (message) => log?.('warning', message))
    }
    throw cause
  }
}

async function letGoBySocket(what: Release, directory: StateDirectory): Promise<void> {
  const path = startSocketPath(directory)
  using connection = connect(path)
  await letGo(what, () => {
    writeAll(connection.fd, new Uint8Array([1]))
    // From now on the container is running, or has stopped.
    rmSync(path, { force: true })
    return connection.fd
  })
}

/** A socket that nobody listens on is what an init has left that has died in this moment. */
function connect(path: string): OwnedFd {
  try {
    return connectUnix(path)
  } catch (cause) {
    const errno = errnoNameOf(cause)
    throw errno === 'ECONNREFUSED' || errno === 'ENOENT' ? cannotStart('stopped') : cause
  }
}
