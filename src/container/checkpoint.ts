/** `checkpoint`: a running container becomes image files, through CRIU (criu(8)). */
import { constants, existsSync, mkdirSync, openSync, readFileSync, readlinkSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { O_PATH } from '../abi/fcntl.ts'
import type { Config } from '../config/types.ts'
import { type CriuOptions, type CriuResponse, REQUESTS } from '../criu/messages.ts'
import { externalMounts } from '../criu/mounts.ts'
import { checkSettings, commonOptions } from '../criu/options.ts'
import { type Criu, startCriu } from '../criu/session.ts'
import { externalFiles, readStreams } from '../criu/streams.ts'
import { badParentPath, badStatusFd, type CriuFailure, cannotCheckpoint, criuFailed, onlyRoot } from '../errors/wording.criu.ts'
import { systemError } from '../errors/wording.ts'
import { type OwnedFd, own } from '../linux/fd.ts'
import { syscall } from '../linux/ffi.ts'
import { tryOpenIn } from '../linux/mount.ts'
import { loadCopy } from './copy.ts'
import { destroy } from './destroy.ts'
import { checkId } from './ids.ts'
import { shareImages } from './images.ts'
import { uninterrupted } from './interrupt.ts'
import { lock } from './lock.ts'
import type { ContainerRecord } from './record.ts'
import { isRootless, rootDirectory } from './root.ts'
import { statusOf } from './status.ts'
import { readRecord, type StateDirectory, stateDirectory } from './store.ts'
import type { CheckpointOptions } from './types.ts'
import { type Work, withUndo } from './work.ts'

/** runc's names of files in the image directory, and ours. */
export const STREAMS_FILE = 'descriptors.json'
export const MOUNTS_FILE = 'mounts.json'
export const DEFAULT_IMAGES = 'checkpoint'
/** Keys of namespaces that are not the container's own: runc's, so that either can restore what the other has saved. */
export const NETWORK_KEY = 'extRootNetNS'
export const PID_KEY = 'extRootPidNS'

const LOG_FILE = 'dump.log'
const F_GETFL = 3
const O_ACCMODE = 3
/** The memory of a process is nobody else's business. */
const IMAGES_MODE = 0o700

/**
 * Saves a running or paused container; it is deleted then, unless it shall run on.
 * @throws TsrunError `not-found`; `bad-state`; `unsupported` without CRIU, or without the rights for it; `system` when CRIU fails: the container goes on then
 */
export async function checkpoint(options: CheckpointOptions): Promise<void> {
  checkId(options.id)
  checkSettings(options)
  checkStatusFd(options.statusFd)
  const directory = stateDirectory(rootDirectory(options).path, options.id)
  using _ = await lock(directory, 'checkpoint')
  const record = readRecord(directory)
  const status = statusOf(directory, record)
  if (status !== 'running' && status !== 'paused') throw cannotCheckpoint(status)
  if (isRootless(options)) throw onlyRoot('checkpoint the container')
  const config = loadCopy(directory)
  await withUndo(options, (work) => save({ directory, record, config, options }, work))
  if (options.leaveRunning === true || options.preDump === true) return
  // CRIU has killed its processes.
  await destroy(directory, record, config, (message) => options.log?.('warning', message))
}

interface Saving {
  readonly directory: StateDirectory
  readonly record: ContainerRecord
  readonly config: Config
  readonly options: CheckpointOptions
}

async function save({ directory, record, config, options }: Saving, work: Work): Promise<void> {
  const images = resolve(options.imagePath ?? DEFAULT_IMAGES)
  checkParent(images, options.parentPath)
  const criu = await startCriu({ directory: directory.path }, work)
  await checkNeeds(criu, config, record, options)
  const imagesFd = work.use(openDirectory(images))
  shareImages(images, record.init_process_pid)
  const logs = resolve(options.workPath || images)
  const workFd = work.use(openDirectory(logs))
  const common = commonOptions(options, record.annotations, {
    images_dir_fd: imagesFd.fd,
    work_dir_fd: workFd.fd,
    log_file: LOG_FILE,
    root: record.rootfs
  })
  const opts = { ...common, ...processOptions(record), ...dumpOptions(options), ...(options.preDump === true ? { track_mem: true } : {}) }
  const outside = options.preDump === true ? {} : leaveOut(images, config, record)
  const type = options.preDump === true ? 'PRE_DUMP' : 'DUMP'
  // It must not be interrupted: processes that CRIU has stopped and changed would stay so.
  const answer = await criu.request({ type: REQUESTS[type], opts: { ...opts, ...outside } }, async () => {}, uninterrupted)
  if (answer.success !== true) throw criuFailed('checkpoint the container', failureOf(type, answer, join(logs, LOG_FILE), criu))
}

/** What is known of a failure: the first error messages of CRIU's log, or what it has answered or written otherwise. */
export function failureOf(type: string, answer: CriuResponse, logFile: string, criu: Criu): CriuFailure {
  const errors = errorsOf(existsSync(logFile) ? readFileSync(logFile, 'utf8') : '')
  const [other = ''] = [answer.cr_errmsg, criu.output()].filter(Boolean)
  const message = errors.length > 0 ? errors.join('; ') : other.trim().replace(/\s*\n\s*/g, '; ')
  return { type, errno: answer.cr_errno ?? 0, message, logFile }
}

const MOST_ERRORS = 3

/** `(00.036519) Error (criu/mount.c:1088): mnt: …`. The first ones say why, the others what follows from that. */
const errorsOf = (log: string): string[] => [...new Set(log.match(/(?<=Error \([^)]*\): ).*/g))].slice(0, MOST_ERRORS)

const CGROUP_V2 = 31400
const EXTERNAL_NETWORK = 31100
const EXTERNAL_PID = 31500

async function checkNeeds(criu: Criu, config: Config, { cgroup }: ContainerRecord, options: CheckpointOptions): Promise<void> {
  if (cgroup?.mode === 'v2') criu.needVersion(CGROUP_V2, 'cgroup v2')
  const joined = (config.linux?.namespaces ?? []).filter(({ path }) => path).map(({ type }) => type)
  if (joined.includes('network')) criu.needVersion(EXTERNAL_NETWORK, 'a network namespace that is joined')
  if (joined.includes('pid')) criu.needVersion(EXTERNAL_PID, 'a pid namespace that is joined')
  if (options.preDump === true) await criu.need('mem_track')
  if (options.lazyPages === true) await criu.need('lazy_pages')
}

/** Whom, and how its processes are stopped. */
function processOptions({ init_process_pid: pid, cgroup }: ContainerRecord): CriuOptions {
  const freezer = cgroup?.mode === 'v2' ? cgroup.paths[''] : cgroup?.paths.freezer
  return { pid, ...(freezer === undefined ? {} : { freeze_cgroup: freezer }) }
}

function dumpOptions(options: CheckpointOptions): CriuOptions {
  const { parentPath, pageServer, statusFd, leaveRunning, linkRemap, tcpSkipInFlight } = options
  return {
    leave_running: leaveRunning === true,
    link_remap: linkRemap === true,
    tcp_skip_in_flight: tcpSkipInFlight === true,
    ...(parentPath ? { parent_img: parentPath } : {}),
    ...(pageServer === undefined ? {} : { ps: pageServer }),
    ...(statusFd === undefined || statusFd < 0 ? {} : { status_fd: statusFd })
  }
}

/** What is not the container's own is named to CRIU, and remembered beside the images. */
function leaveOut(images: string, config: Config, { init_process_pid: pid }: ContainerRecord): CriuOptions {
  const streams = readStreams(pid)
  const mounts = externalMounts(config, readFileSync(`/proc/${pid}/mountinfo`, 'utf8'), placesOf(pid, config))
  const keep = (file: string, value: unknown): void => writeFileSync(join(images, file), JSON.stringify(value), { mode: 0o600 })
  keep(STREAMS_FILE, streams)
  keep(MOUNTS_FILE, mounts)
  return {
    ext_mnt: mounts.map(({ key, path = key }) => ({ key: path, val: key })),
    external: [...externalNamespaces(pid, config), ...externalFiles(streams)]
  }
}

const NAMESPACES = [
  ['network', 'net', NETWORK_KEY],
  ['pid', 'pid', PID_KEY]
] as const

function externalNamespaces(pid: number, config: Config): string[] {
  const joined = (config.linux?.namespaces ?? []).filter(({ path }) => path).map(({ type }) => type)
  return NAMESPACES.filter(([type]) => joined.includes(type)).map(
    ([, file, key]) => `${file}[${statSync(`/proc/${pid}/ns/${file}`).ino}]:${key}`
  )
}

/** Where the destinations of config.json are in the container, in which they may be symlinks. */
function placesOf(pid: number, config: Config): ReadonlyMap<string, string> {
  const root = own(openSync(`/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY))
  using _ = root
  return new Map((config.mounts ?? []).map(({ destination }) => [destination, placeOf(root.fd, destination)]))
}

function placeOf(root: number, destination: string): string {
  const fd = tryOpenIn(root, destination, O_PATH)
  if (fd < 0) return destination
  using place = own(fd)
  return readlinkSync(`/proc/self/fd/${place.fd}`)
}

/**
 * Makes a directory that is missing, and opens it.
 * @param root of the process whose mount namespace it is opened in
 */
export function openDirectory(path: string, root = ''): OwnedFd {
  try {
    mkdirSync(path, { recursive: true, mode: IMAGES_MODE })
    // containerd's work directory is a symlink, which below /proc/PID/root would lead out of it again.
    return own(openSync(root + realpathSync(path), constants.O_RDONLY | constants.O_DIRECTORY))
  } catch (cause) {
    throw systemError(`use the directory ${JSON.stringify(path)}`, cause)
  }
}

/** CRIU makes a relative link to it in the image directory. */
function checkParent(images: string, parent: string | undefined): void {
  if (!parent) return
  if (isAbsolute(parent)) throw badParentPath(parent, 'it must be relative to --image-path')
  const path = resolve(images, parent)
  if (!existsSync(path) || !statSync(path).isDirectory()) throw badParentPath(parent, `there is no directory ${path}`)
}

function checkStatusFd(fd: number | undefined): void {
  if (fd === undefined || fd < 0) return
  const flags = syscall('fcntl', fd, F_GETFL)
  if (flags < 0) throw badStatusFd(fd, 'it is not open')
  if ((flags & O_ACCMODE) === constants.O_RDONLY) throw badStatusFd(fd, 'it is not writable')
}
