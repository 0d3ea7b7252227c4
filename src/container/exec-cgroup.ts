/** The cgroups that a process of `exec` joins: the container's, those below it that --cgroup names, or where init has gone. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupLocation, cgroupLayout } from '../cgroup/index.ts'
import { badCgroupArgument, notASubCgroup, unknownController } from '../errors/wording.exec.ts'
import type { ExecCgroup } from '../plan/exec.ts'

/** Paths below the container's cgroup by controller; '' stands for all. */
export type SubCgroups = ReadonlyMap<string, string>

/**
 * Reads the arguments of --cgroup: `path`, once, or `controller[,controller…]:path`.
 * @throws TsrunError `usage`
 */
export function readSubCgroups(args: readonly string[]): SubCgroups {
  const subs = new Map<string, string>()
  for (const argument of args) {
    const colon = argument.indexOf(':')
    if (colon < 0 && args.length > 1) throw badCgroupArgument(argument, 'missing <controller>: prefix')
    if (argument.includes('\0')) throw badCgroupArgument(argument, 'it holds a NUL')
    const controllers = colon < 0 ? [''] : argument.slice(0, colon).split(',')
    for (const controller of controllers) {
      if (colon >= 0 && controller === '') throw badCgroupArgument(argument, 'empty <controller> prefix')
      if (subs.has(controller)) throw badCgroupArgument(argument, `controller ${controller} specified multiple times`)
      subs.set(controller, argument.slice(colon + 1))
    }
  }
  return subs
}

/**
 * The cgroups to be joined, one for each hierarchy.
 * @param pid init's
 * @throws TsrunError `usage` when `subs` does not fit the container
 */
export function execCgroups(location: CgroupLocation | undefined, pid: number, subs: SubCgroups): readonly ExecCgroup[] {
  const paths = location?.paths ?? {}
  for (const name of subs.keys()) if (name !== '' && paths[name] === undefined) throw unknownController(name, Object.keys(paths))
  // Also where there is no cgroup to be left: an ordinary user's container may have none.
  for (const sub of subs.values()) below('/container', sub)
  if (location === undefined) return []
  const inits = initCgroups(pid)
  return byDirectory(paths).flatMap(([directory, controllers]) => execCgroup(location, directory, controllers, subs, inits))
}

/** Controllers that are mounted together share a directory. The v2 one has none. */
function byDirectory(paths: CgroupLocation['paths']): [string, string[]][] {
  const groups = new Map<string, string[]>()
  for (const [controller, directory] of Object.entries(paths)) {
    const group = groups.get(directory) ?? []
    if (controller !== '') group.push(controller)
    groups.set(directory, group)
  }
  return [...groups]
}

function execCgroup(
  { rootless, mode }: CgroupLocation,
  base: string,
  controllers: readonly string[],
  subs: SubCgroups,
  inits: ReadonlyMap<string, string>
): ExecCgroup[] {
  const path = inits.get(controllers[0] ?? '')
  const isInits = path !== undefined && path !== '/' && base.endsWith(path)
  // On a hybrid host the container need not be in its v2 cgroup (see createCgroup).
  const isAside = mode === 'hybrid' && controllers.length === 0 && !isInits
  const sub = subOf(controllers, subs)
  const directory = sub === undefined ? base : below(base, sub)
  // An ordinary user's container need not have the cgroup; but one below it that was asked for must be there.
  if ((rootless && !existsSync(base)) || (isAside && !existsSync(directory))) return []
  const optional = isAside || (rootless && sub === undefined)
  const instead = sub !== undefined || isInits || path === undefined ? undefined : initDirectory(controllers, path)
  const file = controllers.length === 0 ? 'cgroup.procs' : 'tasks'
  return [{ directory, file, controllers, optional, ...(instead === undefined ? {} : { instead }) }]
}

function subOf(controllers: readonly string[], subs: SubCgroups): string | undefined {
  const wanted = new Set(controllers.flatMap((controller) => subs.get(controller) ?? []))
  if (wanted.size > 1) throw badCgroupArgument([...wanted].join(' and '), `${controllers.join(' and ')} are one hierarchy`)
  return [...wanted][0] ?? subs.get('')
}

function below(base: string, sub: string): string {
  const path = join(base, sub).replace(/\/$/, '')
  if (path !== base && !path.startsWith(`${base}/`)) throw notASubCgroup(sub)
  return path
}

/** `4:cpu,cpuacct:/a` gives `cpu` → /a and `cpuacct` → /a, `0::/c` gives '' → /c (cgroups(7)). */
function initCgroups(pid: number): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (path !== undefined) for (const controller of controllers!.split(',')) found.set(controller, path)
  }
  return found
}

/** Where init's own cgroup is mounted; undefined when it is not, or lies outside of our cgroup namespace (`/../x`). */
function initDirectory(controllers: readonly string[], path: string): string | undefined {
  if (path.split('/').includes('..')) return undefined
  const hierarchy = cgroupLayout().hierarchies.find((each) =>
    controllers.length === 0 ? each.version === 2 : each.controllers.includes(controllers[0]!)
  )
  if (hierarchy === undefined) return undefined
  const directory = join(hierarchy.mountpoint, path)
  return existsSync(directory) ? directory : undefined
}
