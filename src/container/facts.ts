/** Reads everything that a plan depends on beside the configuration, once. */
import { lstatSync, readFileSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { _LINUX_CAPABILITY_VERSION_3 } from '../abi/capability.ts'
import { filterOf, isAnnotated, SECCOMP_FAIL_UNKNOWN, seccompOf } from '../config/annotations.ts'
import type { Config } from '../config/types.ts'
import { refusedConfig } from '../errors/wording.config.ts'
import { invalidRootfs } from '../errors/wording.ts'
import { architecture, check, syscall } from '../linux/ffi.ts'
import { callerLimits } from '../linux/process.ts'
import type { HostFacts, ProcessFacts } from '../plan/facts.ts'
import { directoryOf } from '../plan/paths.ts'
import { leavesShared } from '../plan/propagation.ts'
import { cachedSeccomp } from '../seccomp/cached.ts'
import { danglingPaths } from './dangling.ts'
import { findHome } from './home.ts'
import { mountPointOf, mountPoints } from './mountinfo.ts'
import { isOurs } from './namespaces.ts'
import { cacheDirectory, inUserNamespace } from './root.ts'
import { bindSources } from './sources.ts'
import type { RuntimeOptions } from './types.ts'

export interface FactsInput {
  readonly config: Config
  /** Absolute. */
  readonly bundle: string
  readonly rootless: boolean
  readonly noPivot: boolean
  readonly log: RuntimeOptions['log']
  /** When it is known already, and need not be looked for. */
  readonly seccomp?: ProcessFacts['seccomp']
}

/**
 * Looks at the host; the cgroup comes later, when it is made.
 * @throws TsrunError `config` when the root file system or the source of a bind mount is not there
 */
export async function readFacts({ config, bundle, rootless, noPivot, log, seccomp }: FactsInput): Promise<Omit<HostFacts, 'cgroup'>> {
  await refuseOurNamespaces(config, bundle)
  const rootfs = rootfsPath(bundle, config)
  if (config.linux?.mountLabel) (await import('./labels.ts')).checkMountLabel(config.linux.mountLabel)
  const sources = bindSources(config, bundle, log)
  return Object.freeze({
    ...(await readProcessFacts({ config, rootless, log, seccomp })),
    kernel: kernelVersion(),
    euid: process.geteuid?.() ?? 0,
    egid: process.getegid?.() ?? 0,
    inUserNamespace: inUserNamespace(),
    rootfs,
    bundle,
    // Reading mountinfo takes longer on a host with many containers, and only these two ask for it.
    rootfsParentMount: leavesShared(config.linux?.rootfsPropagation) ? mountPointOf(rootfs) : '',
    sources,
    dangling: danglingPaths(rootfs, madePaths(config)),
    procAndSysMounts: noPivot ? mountPoints(['proc', 'sysfs']) : [],
    home: findHome(config, rootfs, sources),
    setgroupsDenied: setgroupsDenied(config, rootless)
  })
}

/** What is made in the root file system when it is not there. */
function madePaths({ mounts = [], linux, process }: Config): readonly string[] {
  const paths = [...mounts.map(({ destination }) => destination), process?.cwd ?? '/']
  for (const { destination, options = [] } of mounts) {
    if (options.includes('copy-symlink') || options.includes('dest-nofollow')) paths.push(directoryOf(destination))
  }
  return [...paths, ...(linux?.devices ?? []).map(({ path }) => directoryOf(path)).filter((path) => path !== '/dev')]
}

/** A namespace that is joined may be our own under another name; then what the config wants changed in it would be the host's. */
async function refuseOurNamespaces(config: Config, bundle: string): Promise<void> {
  const ours = (config.linux?.namespaces ?? []).filter(({ type, path }) => path && isOurs(type, path))
  if (ours.length === 0) return
  const { sharedNamespaceProblems } = await import('../config/rules.namespaces.ts')
  const problems = sharedNamespaceProblems(config, new Set(ours.map(({ type }) => type)))
  if (problems.length > 0) throw refusedConfig(join(bundle, 'config.json'), 'config', problems)
}

/** The part that is the same for init and for a process of `exec`. */
export async function readProcessFacts({
  config,
  rootless,
  log,
  seccomp: known
}: Pick<FactsInput, 'config' | 'rootless' | 'log' | 'seccomp'>): Promise<Omit<ProcessFacts, 'home' | 'setgroupsDenied'>> {
  await refuseMissingModules(config)
  const nofile = callerLimits().nofile
  const seccomp = known ?? (await compiledFilter(config, log))
  return {
    arch: architecture,
    rootless,
    lastCapability: lastCapability(),
    permittedCapabilities: permittedCapabilities(),
    ...(nofile === undefined ? {} : { callerNofile: nofile }),
    ...(seccomp === undefined ? {} : { seccomp })
  }
}

/** Imported only for processes that have a label. */
async function refuseMissingModules({ process }: Config): Promise<void> {
  if (!process?.apparmorProfile && !process?.selinuxLabel) return
  const { checkLabels } = await import('./labels.ts')
  checkLabels(process)
}

/** The filter of a configuration. What compiles it is imported only for profiles that are not in the cache. */
export async function compiledFilter(config: Config, log: RuntimeOptions['log']): Promise<HostFacts['seccomp']> {
  const filter = filterOf(config)
  if (filter !== undefined) return { filter, flags: 0 }
  const profile = seccompOf(config)
  if (profile === undefined) return undefined
  const failUnknown = isAnnotated(config, SECCOMP_FAIL_UNKNOWN)
  const directory = cacheDirectory()
  const known = directory === undefined || failUnknown ? undefined : cachedSeccomp(profile, architecture, directory)
  const options = { arch: architecture, cacheDirectory: directory, failUnknown, log }
  const { program, flags, listener, maker } = known ?? (await import('../seccomp/compile.ts')).compileSeccomp(profile, options)
  return { filter: program, flags, listener, ...(maker === undefined ? {} : { maker }) }
}

/** Where the root file system is, made absolute; not resolved. */
export const rootfsOf = (bundle: string, config: Config): string => resolve(bundle, config.root?.path ?? 'rootfs')

/** The same without symlinks. A symlink in its place could be changed between the check and the use (CVE-2025-54867). */
function rootfsPath(bundle: string, config: Config): string {
  const path = rootfsOf(bundle, config)
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw invalidRootfs(path, 'no such file or directory')
  if (stat.isSymbolicLink()) throw invalidRootfs(path, 'it is a symlink', true)
  if (!stat.isDirectory()) throw invalidRootfs(path, 'it is not a directory')
  return realpathSync.native(path)
}

let kernel: readonly [number, number] | undefined

function kernelVersion(): readonly [number, number] {
  if (kernel === undefined) {
    const [major, minor] = readFileSync('/proc/sys/kernel/osrelease', 'latin1')
      .split('.', 2)
      .map(Number.parseInt as (text: string) => number)
    kernel = [major ?? 0, minor ?? 0]
  }
  return kernel
}

let capability: number | undefined

function lastCapability(): number {
  capability ??= Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'latin1'))
  return capability
}

/** Our own permitted set, from capget(2): two sets of 32 bits, each of three words, permitted in the middle. */
function permittedCapabilities(): bigint {
  const header = new Uint32Array([_LINUX_CAPABILITY_VERSION_3, 0])
  const data = new Uint32Array(6)
  check(syscall('capget', new Uint8Array(header.buffer), new Uint8Array(data.buffer)), 'get the capabilities of the runtime')
  return BigInt(data[1]!) | (BigInt(data[4]!) << 32n)
}

/**
 * A user namespace whose gid_map was written without CAP_SETGID in its parent has setgroups(2) forbidden for ever (user_namespaces(7));
 * newgidmap(1) forbids it too when it maps only the caller's own group.
 */
function setgroupsDenied(config: Config, rootless: boolean): boolean {
  const makesUser = config.linux?.namespaces?.some(({ type, path }) => type === 'user' && !path) === true
  if (makesUser && rootless && process.geteuid?.() !== 0) return (config.linux?.gidMappings ?? []).every(({ size }) => size === 1)
  return inUserNamespace() && readFileSync('/proc/self/setgroups', 'latin1').trim() === 'deny'
}
