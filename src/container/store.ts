/**
 * The directory of a container's state: `<root>/<id>/`.
 *
 *     state.json    0600  the record (record.ts), replaced by rename
 *     config.json   0600  the configuration as it was at `create`; later edits of the bundle change nothing
 *     lock          0600  flock(2)ed by the command that changes the container; names its holder
 *     exec.sock     0600  only while created: `start` connects to it
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { alreadyExists, damagedState, doesNotExist, errnoNameOf, newerState, reasonOf, systemError } from '../errors/wording.ts'
import { type ContainerRecord, FORMAT } from './record.ts'
import { isRefusal, refusedRoot } from './root.ts'
import { refuseForeign } from './trust.ts'

/** A state directory, by name; it need not exist. */
export interface StateDirectory {
  readonly root: string
  readonly id: string
  /** `<root>/<id>`. */
  readonly path: string
}

/** More than any state of ours; a larger file is damaged. */
const MAX_STATE_BYTES = 64 * 1024 * 1024

/** Names the directory of a container. The id must have been checked. */
export const stateDirectory = (root: string, id: string): StateDirectory => ({ root, id, path: join(root, id) })

/** Where `start` finds the waiting init. */
export const startSocketPath = (directory: StateDirectory): string => join(directory.path, 'exec.sock')

/**
 * Makes the state directory; mkdir(2) decides between two commands that create the same id.
 * @throws TsrunError `exists`
 */
export function makeDirectory(directory: StateDirectory): void {
  try {
    mkdirSync(directory.root, { recursive: true, mode: 0o700 })
    // 0711: a container whose root is another user must be able to reach exec.sock and notify/.
    mkdirSync(directory.path, { mode: 0o711 })
  } catch (cause) {
    if (errnoNameOf(cause) === 'EEXIST') throw alreadyExists(directory)
    throw isRefusal(cause) ? refusedRoot(directory.root, cause) : systemError(`make ${JSON.stringify(directory.path)}`, cause)
  }
}

/** Removes the directory with all that is in it; one that is gone is no error. */
export const removeDirectory = (directory: StateDirectory): void => rmSync(directory.path, { recursive: true, force: true })

/** True when there is a state directory, whatever is in it. A symlink is none. */
export function directoryExists(directory: StateDirectory): boolean {
  try {
    return lstatSync(directory.path, { throwIfNoEntry: false })?.isDirectory() === true
  } catch (cause) {
    throw refusedRoot(directory.root, cause)
  }
}

/** Replaces the record; a reader sees the old one or the new one. */
export function writeRecord(directory: StateDirectory, record: ContainerRecord): void {
  const temporary = join(directory.path, `state.json.${process.pid}`)
  writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 })
  renameSync(temporary, join(directory.path, 'state.json'))
}

/**
 * Reads the record.
 * @throws TsrunError `not-found` when there is no container, `state` when the file is damaged
 */
export function readRecord(directory: StateDirectory): ContainerRecord {
  refuseForeign(directory)
  const file = join(directory.path, 'state.json')
  const text = readBounded(file, directory)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw damagedState(file, text === '' ? 'it is empty' : 'it is not JSON', directory.id)
  }
  return checkRecord(value, file, directory.id)
}

/** Keeps the text of config.json as it was at `create`. */
export const writeConfigCopy = (directory: StateDirectory, text: string): void =>
  writeFileSync(join(directory.path, 'config.json'), text, { mode: 0o600 })

/** The configuration of `create`. */
export const readConfigCopy = (directory: StateDirectory): string => readBounded(join(directory.path, 'config.json'), directory)

/** Ids of all directories below the root, sorted; undefined when there is no root. */
export function listIds(root: string): readonly string[] | undefined {
  try {
    const entries = readdirSync(root, { withFileTypes: true })
    return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort()
  } catch (cause) {
    if (errnoNameOf(cause) === 'ENOENT') return undefined
    throw isRefusal(cause) ? refusedRoot(root, cause) : systemError(`list the containers in ${JSON.stringify(root)}`, cause)
  }
}

/** Reads a regular file of ours without following a symlink. */
function readBounded(file: string, directory: StateDirectory): string {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    const errno = errnoNameOf(cause)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') throw doesNotExist(directory)
    throw isRefusal(cause) ? refusedRoot(directory.root, cause) : damagedState(file, reasonOf(cause), directory.id)
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw damagedState(file, 'it is not a regular file', directory.id)
    if (stat.size > MAX_STATE_BYTES) throw damagedState(file, `it has ${stat.size} bytes`, directory.id)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** What each field of a record must be; the rest of the code relies on it. */
const kinds: Readonly<
  Record<
    Exclude<keyof ContainerRecord, 'cgroup' | 'format' | 'intelRdt' | 'noNewKeyring' | 'resources'>,
    'string' | 'number' | 'boolean' | 'object'
  >
> = {
  id: 'string',
  init_process_pid: 'number',
  init_process_start: 'number',
  created: 'string',
  bundle: 'string',
  rootfs: 'string',
  ociVersion: 'string',
  annotations: 'object',
  rootless: 'boolean',
  cgroup_paths: 'object',
  namespace_paths: 'object',
  ownPidNamespace: 'boolean',
  steps: 'object'
}

function checkRecord(value: unknown, file: string, id: string): ContainerRecord {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw damagedState(file, 'it is not an object', id)
  const record = value as Record<string, unknown>
  if (typeof record.format === 'number' && record.format > FORMAT) throw newerState(file, record.format)
  for (const [key, kind] of Object.entries(kinds)) {
    const field = record[key]
    if (field === null || typeof field !== kind) throw damagedState(file, `${JSON.stringify(key)} is missing or is no ${kind}`, id)
  }
  if (record.id !== id) throw damagedState(file, `it is of container ${JSON.stringify(record.id)}`, id)
  return value as ContainerRecord
}
