/** The directories of a container's cgroups: mkdir(2), and what makes them usable. */
import { mkdirSync } from 'node:fs'
import type { ErrnoName } from '../abi/errno.ts'
import { cannotMakeCgroup } from '../errors/wording.cgroup.ts'
import { errnoOf, tryRead, tryWrite } from './files.ts'
import { cgroupLayout } from './layout.ts'
import { processesIn } from './processes.ts'
import type { CgroupLocation, CgroupWrite } from './types.ts'

/** What was found and done; filled as it happens, so that a failure can be undone. */
export interface Made {
  /** Directories that did not exist, parents before children. */
  readonly directories: string[]
  /** The container's own directories that were there before. */
  readonly existing: string[]
  /** Directories that need not be joined. */
  readonly optional: string[]
}

/**
 * Makes the directories of `location`; returns it without those that could not be made but need not be.
 *
 * @param writes what will be written: says which v2 controllers a hybrid host must hand down
 * Throws TsrunError `cgroup`.
 */
export function makeDirectories(location: CgroupLocation, writes: readonly CgroupWrite[], made: Made): CgroupLocation {
  const refused = new Set<string>()
  for (const directory of new Set(Object.values(location.paths))) {
    const errno = directory === location.paths[''] ? makeUnified(location, directory, writes, made) : makeV1(location, directory, made)
    if (errno === undefined) continue
    if (!location.rootless && !made.optional.includes(directory)) throw cannotMakeCgroup(directory, errno)
    refused.add(directory)
  }
  if (refused.size === 0) return location
  return { ...location, paths: Object.fromEntries(Object.entries(location.paths).filter(([, directory]) => !refused.has(directory))) }
}

function makeV1({ paths }: CgroupLocation, directory: string, made: Made): ErrnoName | undefined {
  const errno = makeLeaf(directory, made)
  return (
    errno ?? (directory === paths.cpuset ? (inherit(directory, 'cpuset.cpus').errno ?? inherit(directory, 'cpuset.mems').errno) : undefined)
  )
}

/** Makes `directory` with its parents, and notes whether it was there. */
function makeLeaf(directory: string, made: Made): ErrnoName | undefined {
  const errno = makeWithParents(directory, made)
  if (errno !== 'EEXIST') return errno
  made.existing.push(directory)
  return undefined
}

function makeWithParents(directory: string, made: Made): ErrnoName | undefined {
  const errno = tryMkdir(directory)
  if (errno === undefined) made.directories.push(directory)
  if (errno !== 'ENOENT') return errno
  const ofParent = makeWithParents(parentOf(directory), made)
  if (ofParent !== undefined && ofParent !== 'EEXIST') return ofParent
  const second = tryMkdir(directory)
  if (second === undefined) made.directories.push(directory)
  return second
}

function tryMkdir(directory: string): ErrnoName | undefined {
  try {
    mkdirSync(directory, 0o755)
    return undefined
  } catch (cause) {
    return errnoOf(cause)
  }
}

/** A new v1 cpuset is empty and lets nobody in before it has cpus and mems, which must be a part of its parent's: they come from above. */
function inherit(directory: string, file: string): { readonly value?: string; readonly errno?: ErrnoName } {
  const own = tryRead(`${directory}/${file}`)
  // Above the mount point there is no such file.
  if (own === undefined) return { errno: 'ENOENT' }
  if (own !== '') return { value: own }
  const { value, errno } = inherit(parentOf(directory), file)
  const failed = errno ?? tryWrite(`${directory}/${file}`, value ?? '')
  return failed === undefined ? { value: value ?? '' } : { errno: failed }
}

/**
 * A v2 cgroup has the controllers that all cgroups above it hand down. On a v2 host all that there are get handed down, as runc does: they also
 * count. A hybrid host's are only touched for a limit that needs it, and without one the v2 cgroup is a nicety (cgroup.kill) that may fail.
 */
function makeUnified({ mode }: CgroupLocation, directory: string, writes: readonly CgroupWrite[], made: Made): ErrnoName | undefined {
  const needed = mode === 'hybrid' ? controllersOf(writes) : []
  if (mode === 'hybrid' && needed.length === 0) made.optional.push(directory)
  const errno = makeLeaf(directory, made)
  if (errno !== undefined || (mode === 'hybrid' && needed.length === 0)) return errno
  const mountpoint = cgroupLayout().hierarchies.find(({ version }) => version === 2)?.mountpoint
  if (mountpoint === undefined) return undefined
  const offered = tryRead(`${mountpoint}/cgroup.controllers`) ?? ''
  const wanted = offered.split(' ').filter((name) => name !== '' && (mode !== 'hybrid' || needed.includes(name)))
  const present = (tryRead(`${directory}/cgroup.controllers`) ?? '').split(' ')
  if (!wanted.every((name) => present.includes(name))) handDown(mountpoint, directory, wanted)
  return undefined
}

const controllersOf = (writes: readonly CgroupWrite[]): string[] =>
  writes.filter(({ controller }) => controller === '').map(({ file }) => file.slice(0, file.indexOf('.')))

/**
 * Enables `controllers` in every cgroup from the mount point to the parent of `directory`. What is refused is found missing, and explained, when it is needed.
 *
 * A cgroup with processes hands down only those that count threads, and what is below it could hold no process at all then ("domain invalid").
 */
function handDown(mountpoint: string, directory: string, controllers: readonly string[]): void {
  const steps = parentOf(directory)
    .slice(mountpoint.length)
    .split('/')
    .filter((step) => step !== '')
  let current = mountpoint
  for (const step of ['', ...steps]) {
    if (step !== '') current += `/${step}`
    if (!isRoot(current) && processesIn(current).length > 0) continue
    const file = `${current}/cgroup.subtree_control`
    // One write is all or nothing.
    if (tryWrite(file, controllers.map((name) => `+${name}`).join(' ')) === undefined) continue
    for (const name of controllers) tryWrite(file, `+${name}`)
  }
}

/** The root of the hierarchy may have both, and has no type. */
const isRoot = (directory: string): boolean => tryRead(`${directory}/cgroup.type`) === undefined

const parentOf = (directory: string): string => directory.slice(0, directory.lastIndexOf('/'))
