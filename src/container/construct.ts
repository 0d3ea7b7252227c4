/** The way from a bundle to an init that is ready: what `create` and `run` have in common. */
import type { CgroupLocation } from '../cgroup/index.ts'
import type { Config } from '../config/types.ts'
import { listenUnix } from '../linux/socket.ts'
import type { PlanOptions } from '../plan/facts.ts'
import { mountOfIdMap } from '../plan/idmap-fd.ts'
import { SPEC_VERSION } from '../version.ts'
import { bundleDirectory, readBundle } from './bundle.ts'
import { cgroupDriver } from './cgroup.ts'
import type { Compiled } from './compiled.ts'
import { checkTerminal } from './console.ts'
import { readFacts, rootfsOf } from './facts.ts'
import { checkId } from './ids.ts'
import { type Inherited, inheritedDescriptors } from './inherited.ts'
import { type Launched, launch } from './launch.ts'
import { lock } from './lock.ts'
import type { Offer } from './notify.ts'
import { draftOf } from './recall.ts'
import { type ContainerRecord, FORMAT, withInit } from './record.ts'
import type { RdtGroup } from './resctrl.ts'
import { makeRootDirectory, rootDirectory } from './root.ts'
import { stateDocument } from './status.ts'
import {
  makeDirectory,
  removeDirectory,
  type StateDirectory,
  startSocketPath,
  stateDirectory,
  writeConfigCopy,
  writeRecord
} from './store.ts'
import type { CreateOptions } from './types.ts'
import type { Work } from './work.ts'

export interface Wanted {
  /** How init will be let go; see PlanOptions. */
  readonly release: PlanOptions['release']
  /** The command returns while the container lives. */
  readonly detached: boolean
  /** Opens the connected socket that the terminal's master is sent to. Called only when the container has a terminal. */
  readonly console: (work: Work) => number
}

/** A container whose init is ready: it waits for an answer on `sync`. The descriptors belong to the work. */
export interface Constructed extends Launched {
  readonly directory: StateDirectory
  readonly config: Config
  /** With init's pid; not written yet. */
  readonly record: ContainerRecord
  /** Keeps the program for the next container of its kind; to be called when nobody waits for us any more. */
  readonly keepProgram: () => void
}

/**
 * Prepares everything that comes before the user's process. What it makes is on the undo stack of `work`.
 * @throws TsrunError
 */
export async function construct(options: CreateOptions, wanted: Wanted, work: Work): Promise<Constructed> {
  checkId(options.id)
  const bundle = bundleDirectory(options.bundle)
  const read = readBundle(options, bundle)
  const draft = await draftOf(read, options, wanted.release)
  const { config } = draft
  checkTerminal(config, options, wanted.detached)
  const driver = await cgroupDriver(options, work)
  const { rootless } = driver
  const { seccomp } = draft
  const host = await readFacts({ config, bundle, rootless, noPivot: options.noPivot === true, log: options.log, seccomp })
  const inherited = inheritedDescriptors(options.preserveFds ?? 0)
  const notify = options.notifySocket ? await import('./notify.ts') : undefined
  notify?.checkAddress(options.notifySocket!)
  const located = await driver.locate(config)
  const first = firstRecord(options, bundle, config, rootless, located)
  const directory = await claimDirectory(options, first, config, work)
  writeConfigCopy(directory, read.text)
  // From here on `delete --force` finds the cgroup, whatever happens to this process.
  writeRecord(directory, first)
  const offered = notify?.offer(directory)
  const { location, facts: cgroup, admission } = driver.make(located, config)
  const intelRdt = config.linux?.intelRdt === undefined ? undefined : await prepareIntelRdt(first, config, directory, work)
  const program = await draft.program({ ...host, cgroup }, planOptions(options, wanted, config, inherited, offered))
  const named = await namedDescriptors(program, wanted, config, directory, work)
  const document = stateDocument(first, 'creating')
  const context = {
    config,
    program,
    named,
    preserve: inherited.count,
    detached: wanted.detached,
    directory: directory.path,
    bundle,
    rootfs: host.rootfs,
    admission
  }
  const launched = await launch({ ...context, document, cgroup: location }, work)
  if (intelRdt !== undefined) (await import('./resctrl.ts')).joinGroup(intelRdt, launched.init.pid)
  const record = withInit(
    { ...first, ...cgroupFields(location), ...(intelRdt === undefined ? {} : { intelRdt }) },
    launched.init.pid,
    program.afterReady
  )
  return { ...launched, directory, config, record, keepProgram: draft.keep }
}

/** What it makes is known to `delete --force` at once. */
async function prepareIntelRdt(
  first: ContainerRecord,
  config: Config,
  directory: StateDirectory,
  work: Work
): Promise<RdtGroup | undefined> {
  const { prepareGroup } = await import('./resctrl.ts')
  const group = prepareGroup(config, first.id, work)
  if (group !== undefined) writeRecord(directory, { ...first, intelRdt: group })
  return group
}

/** Makes the state directory and locks it until the end of the work. */
export async function claimDirectory(options: CreateOptions, first: ContainerRecord, config: Config, work: Work): Promise<StateDirectory> {
  const root = rootDirectory(options)
  makeRootDirectory(root)
  const directory = stateDirectory(root.path, options.id)
  makeDirectory(directory)
  // runtime.md#lifecycle, steps 12 and 13: a creation that fails ends as a container that is deleted does.
  if ((config.hooks?.poststop ?? []).length > 0) {
    const { runPoststop } = await import('./poststop.ts')
    work.undo.add('run the poststop hooks', () => runPoststop(first, config, work.warn))
  }
  work.undo.add(`remove ${directory.path}`, () => removeDirectory(directory))
  work.use(await lock(directory, 'create'))
  return directory
}

/** What is kept of a container before it has a process. */
export function firstRecord(
  options: CreateOptions,
  bundle: string,
  config: Config,
  rootless: boolean,
  cgroup: CgroupLocation
): ContainerRecord {
  return {
    format: FORMAT,
    id: options.id,
    init_process_pid: 0,
    init_process_start: 0,
    created: new Date().toISOString(),
    bundle,
    rootfs: rootfsOf(bundle, config),
    ociVersion: SPEC_VERSION,
    annotations: config.annotations ?? {},
    rootless,
    ...cgroupFields(cgroup),
    namespace_paths: {},
    ownPidNamespace: config.linux?.namespaces?.some(({ type, path }) => type === 'pid' && !path) === true,
    ...(options.noNewKeyring === true ? { noNewKeyring: true } : {}),
    steps: {}
  }
}

const cgroupFields = (location: CgroupLocation): Pick<ContainerRecord, 'cgroup_paths' | 'cgroup'> => ({
  cgroup_paths: location.paths,
  cgroup: location
})

function planOptions(options: CreateOptions, { release }: Wanted, config: Config, inherited: Inherited, offered?: Offer): PlanOptions {
  return {
    id: options.id,
    release,
    noPivot: options.noPivot === true,
    noNewKeyring: options.noNewKeyring === true,
    preserveFds: inherited.count,
    consoleSocket: config.process?.terminal === true,
    extraEnv: [...inherited.env, ...(offered?.env ?? [])],
    extraMounts: offered?.mounts ?? []
  }
}

/** Our descriptors for the plan's: both are closed when the work ends, for init has its own by then. */
async function namedDescriptors(
  program: Compiled,
  wanted: Wanted,
  config: Config,
  directory: StateDirectory,
  work: Work
): Promise<Record<string, number>> {
  const named: Record<string, number> = {}
  for (const { name } of program.fds) {
    if (name === 'start') named[name] = work.use(listenUnix(startSocketPath(directory), 0o600)).fd
    if (name === 'console') named[name] = wanted.console(work)
    const mount = mountOfIdMap(name)
    if (mount !== undefined) named[name] = await idMapDescriptor(config, mount, directory, work)
  }
  return named
}

async function idMapDescriptor(config: Config, mount: number, directory: StateDirectory, work: Work): Promise<number> {
  const { openIdMap } = await import('./mount-idmaps.ts')
  return work.use(await openIdMap(config, mount, directory.path, work.interrupt)).fd
}
