/** What the world is told of a container that is ready: state.json, the pid file, the pidfd socket. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { annotatedPath, PIDFD_RECEIVER } from '../config/annotations.ts'
import { pointer } from '../config/pointer.ts'
import { systemError } from '../errors/wording.ts'
import { connectUnix, sendFd } from '../linux/socket.ts'
import type { Constructed } from './construct.ts'
import { writeRecord } from './store.ts'
import type { CreateOptions } from './types.ts'
import type { Work } from './work.ts'

/** Tells the container's pid, in an order in which whoever hears of it finds the rest. */
export function announce({ directory, record, config, init }: Constructed, { pidFile, pidfdSocket }: CreateOptions, work: Work): void {
  writeRecord(directory, record)
  if (pidfdSocket !== undefined) sendPidfd(pidfdSocket, init.pidfd.fd, 'standard')
  const receiver = annotatedPath(config, PIDFD_RECEIVER)
  if (receiver !== undefined) sendPidfd(receiver, init.pidfd.fd, 'standard', pointer('annotations', PIDFD_RECEIVER))
  if (pidFile === undefined) return
  writePidFile(pidFile, init.pid)
  work.undo.add(`remove the pid file ${JSON.stringify(pidFile)}`, () => rmSync(pidFile, { force: true }))
}

/** The pid without a newline; a reader sees the whole file or none. A temporary file of the same name is somebody else's, and an error. */
export function writePidFile(path: string, pid: number): void {
  // As in runc `..` and a slash at the end are taken by their text: the same path, and no other, is the temporary file's.
  const file = resolve(path)
  const temporary = join(dirname(file), `.${basename(file)}`)
  let made = false
  try {
    writeFileSync(temporary, String(pid), { flag: 'wx', mode: 0o666 })
    made = true
    renameSync(temporary, file)
  } catch (cause) {
    if (made) rmSync(temporary, { force: true })
    throw systemError(`write the pid file ${JSON.stringify(path)}`, cause)
  }
}

/**
 * @param kind runc's name for the way in which the process was made: `standard` for init, `setns` for a process of `exec`
 * @param pointer of what names the path, when that is in the configuration
 */
export function sendPidfd(path: string, pidfd: number, kind: 'standard' | 'setns', pointer?: string): void {
  try {
    using socket = connectUnix(path)
    sendFd(socket.fd, pidfd, Buffer.from(kind))
  } catch (cause) {
    throw systemError(`send the pidfd to ${JSON.stringify(path)}`, cause, pointer === undefined ? {} : { pointer })
  }
}
