/** The processes of a container that is restored: what CRIU is given for it, and what is to be done while it works. */
import { constants, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { idMapOf } from '../config/idmap.ts'
import type { Config } from '../config/types.ts'
import { type CriuOptions, REQUESTS } from '../criu/messages.ts'
import { type ExternalMount, isBind, sourcesOf } from '../criu/mounts.ts'
import { commonOptions } from '../criu/options.ts'
import { FIRST_EXTRA } from '../criu/program.ts'
import { type Notification, startCriu } from '../criu/session.ts'
import { inherited, parseStreams } from '../criu/streams.ts'
import { criuFailed, noImages } from '../errors/wording.criu.ts'
import { systemError } from '../errors/wording.ts'
import { type OwnedFd, own } from '../linux/fd.ts'
import { sendFd } from '../linux/socket.ts'
import { writePidFile } from './announce.ts'
import { failureOf, MOUNTS_FILE, NETWORK_KEY, openDirectory, PID_KEY, STREAMS_FILE } from './checkpoint.ts'
import { makeMountPoints } from './mountpoints.ts'
import { type Child, hold, killChild } from './program.ts'
import { type ContainerRecord, withInit } from './record.ts'
import { enterRestored, type RestoredCgroup, settleRestored } from './restore-cgroup.ts'
import type { MappedSource } from './restore-idmaps.ts'
import { stateDocument } from './status.ts'
import { type StateDirectory, writeRecord } from './store.ts'
import type { RestoreOptions } from './types.ts'
import type { Work } from './work.ts'

const LOG_FILE = 'restore.log'
/** The oldest CRIU with --lsm-profile for containers. */
const LSM_VERSION = 31600

/** A container that is being restored. */
export interface Restoring {
  readonly options: RestoreOptions
  readonly config: Config
  /** Absolute, as the next. */
  readonly bundle: string
  readonly rootfs: string
  readonly images: string
  /** Without a process. */
  readonly first: ContainerRecord
  readonly directory: StateDirectory
  readonly cgroup: RestoredCgroup
}

export interface Restored extends Child {
  /** As it is written. */
  readonly record: ContainerRecord
}

/**
 * Lets CRIU restore the processes. Their end is on the undo stack; the pidfd belongs to `work`.
 * @param console opens the socket that the terminal's master is sent to; called when the container has a terminal
 * @throws TsrunError
 */
export async function restoreProcesses(restoring: Restoring, console: (work: Work) => number, work: Work): Promise<Restored> {
  const { options, rootfs, images, directory, cgroup, first } = restoring
  makePlaces(restoring)
  const outside = openOutside(restoring, work)
  const extra = outside.map(({ fd }) => fd)
  const mapped = await mappedOf(restoring, work)
  const criu = await startCriu({ root: rootfs, extra, mapped, directory: directory.path, terminal: options.shellJob === true }, work)
  if (options.lsmProfile !== undefined || options.lsmMountContext !== undefined) criu.needVersion(LSM_VERSION, '--lsm-profile')
  if (options.lazyPages === true) await criu.need('lazy_pages')
  const logs = resolve(options.workPath || images)
  // CRIU mounts something below its work directory, which it can only in its own mount namespace.
  const root = `/proc/${criu.pid}/root`
  const imagesFd = work.use(openDirectory(images, root))
  const workFd = work.use(openDirectory(logs, root))
  const places = { images_dir_fd: imagesFd.fd, work_dir_fd: workFd.fd, log_file: LOG_FILE, root: rootfs }
  const opts: CriuOptions = {
    ...commonOptions(options, first.annotations, places),
    ...ownOptions(restoring, mapped),
    ...(await enterRestored(cgroup, criu.pid)),
    inherit_fd: outside.map(({ key }, index) => ({ key, fd: FIRST_EXTRA + index }))
  }
  const attendant = attend(restoring, console, work)
  const answer = await criu.request({ type: REQUESTS.RESTORE, opts }, attendant.heed, work.interrupt)
  const restored = attendant.restored()
  if (answer.success === true && restored !== undefined) return restored
  throw criuFailed('restore the container', failureOf('RESTORE', answer, join(logs, LOG_FILE), criu))
}

async function mappedOf({ config, bundle, directory }: Restoring, work: Work): Promise<readonly MappedSource[]> {
  if (!config.mounts?.some((mount) => idMapOf(mount, config.linux) !== undefined)) return []
  const { mappedSources } = await import('./restore-idmaps.ts')
  return mappedSources(config, bundle, directory.path, work)
}

/** In a root file system that was copied here without its mount points. */
function makePlaces({ rootfs, config, bundle }: Restoring): void {
  using root = own(openSync(rootfs, constants.O_RDONLY | constants.O_DIRECTORY))
  const isDirectory = (source: string): boolean => statSync(source, { throwIfNoEntry: false })?.isDirectory() !== false
  makeMountPoints(root.fd, config, (mount) => !isBind(mount) || isDirectory(resolve(bundle, mount.source ?? '')))
}

interface Outside {
  /** CRIU's name for it. */
  readonly key: string
  readonly fd: number
}

/** Descriptors in the place of what the images do not have: standard streams that are ours now, and namespaces that are joined. */
function openOutside({ images, config }: Restoring, work: Work): Outside[] {
  const streams = readSaved(images, STREAMS_FILE, parseStreams) ?? []
  const keys = { network: NETWORK_KEY, pid: PID_KEY } as const
  const joined = (config.linux?.namespaces ?? []).flatMap(({ type, path }) =>
    path && (type === 'network' || type === 'pid') ? [{ key: keys[type], fd: work.use(openNamespace(path)).fd }] : []
  )
  return [...inherited(streams).map(({ key, stream }) => ({ key, fd: stream })), ...joined]
}

function openNamespace(path: string): OwnedFd {
  try {
    return own(openSync(path, constants.O_RDONLY))
  } catch (cause) {
    throw systemError(`open the namespace ${JSON.stringify(path)}`, cause)
  }
}

/** Undefined for images of another runtime, which have no such file. */
function readSaved<T>(images: string, name: string, parse: (text: string) => T): T | undefined {
  const path = join(images, name)
  if (!existsSync(path)) return undefined
  try {
    return parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw noImages(images, `${name} is damaged: ${(cause as Error).message}`)
  }
}

function parseMounts(text: string): ExternalMount[] {
  const value: unknown = JSON.parse(text)
  if (!Array.isArray(value)) throw new TypeError('it is no array')
  return value.map(({ key, destination }) => ({
    key: String(key),
    ...(destination === undefined ? {} : { destination: String(destination) })
  }))
}

/** What only a restore asks for. */
function ownOptions({ options, config, bundle, directory, images, cgroup }: Restoring, mapped: readonly MappedSource[]): CriuOptions {
  const mounts = readSaved(images, MOUNTS_FILE, parseMounts)
  const notify = join(directory.path, 'notify')
  if (mounts?.some(({ key }) => key === '/run/notify')) mkdirSync(notify, { mode: 0o755 })
  const joined = (config.linux?.namespaces ?? []).flatMap(({ type, path }) =>
    path && (type === 'ipc' || type === 'uts') ? [{ ns: type, ns_file: path }] : []
  )
  return {
    // Init becomes our child, not CRIU's.
    rst_sibling: true,
    evasive_devices: true,
    // A terminal that the container has got from outside is the caller's own now; CRIU would make a new one, and give out its master.
    orphan_pts_master: options.shellJob !== true || config.process?.terminal === true,
    ext_mnt: sourcesOf(mounts, {
      config,
      bundle,
      notify,
      cgroups: cgroup.location.paths,
      mapped: new Map(mapped.map(({ index, place }) => [index, place]))
    }),
    join_ns: joined,
    ...(options.lsmProfile === undefined ? {} : { lsm_profile: options.lsmProfile }),
    ...(options.lsmMountContext === undefined ? {} : { lsm_mount_context: options.lsmMountContext })
  }
}

interface Attendant {
  readonly heed: (notification: Notification) => Promise<void>
  readonly restored: () => Restored | undefined
}

/** Does what is due when CRIU tells how far it is; what fails here, CRIU undoes. */
function attend(restoring: Restoring, console: (work: Work) => number, work: Work): Attendant {
  let restored: Restored | undefined
  return {
    restored: () => restored,
    async heed({ script, pid, fd }) {
      using _ = fd ?? { [Symbol.dispose]() {} }
      if (script === 'setup-namespaces') await runHooksFor(restoring, pid, work)
      if (script === 'orphan-pts-master' && fd !== undefined) sendFd(console(work), fd.fd, new TextEncoder().encode(script))
      // Everything is there, and stands still.
      if (script === 'post-restore') restored = await record(restoring, pid, work)
    }
  }
}

async function record({ options, cgroup, first, directory }: Restoring, pid: number, work: Work): Promise<Restored> {
  const child = hold(pid)
  work.use(child.pidfd)
  work.undo.add('end the restored processes', async () => void (await killChild(child)))
  await settleRestored(cgroup, options.log)
  const record = withInit({ ...first, cgroup_paths: cgroup.location.paths, cgroup: cgroup.location }, pid, {})
  writeRecord(directory, record)
  const { pidFile } = options
  if (pidFile !== undefined) {
    writePidFile(pidFile, pid)
    work.undo.add(`remove the pid file ${JSON.stringify(pidFile)}`, () => rmSync(pidFile, { force: true }))
  }
  return { ...child, record }
}

async function runHooksFor({ config, first, bundle }: Restoring, pid: number, { interrupt }: Work): Promise<void> {
  const { prestart, createRuntime } = config.hooks ?? {}
  if (prestart === undefined && createRuntime === undefined) return
  const { hookState, runHooks } = await import('./hooks.ts')
  const state = hookState({ ...stateDocument(first, 'creating'), pid }, 'creating')
  await runHooks('prestart', prestart, state, { directory: bundle }, interrupt)
  await runHooks('createRuntime', createRuntime, state, { directory: bundle }, interrupt)
}
