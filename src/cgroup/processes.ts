/** Who is in a cgroup, and what holds it there. */
import type { Straggler } from '../errors/wording.cgroup.ts'
import { childDirectories, tryRead } from './files.ts'
import type { CgroupLocation } from './types.ts'

/** The directories of a location, each once. The v2 one comes first. */
export function directories({ paths }: CgroupLocation): string[] {
  const unified = paths['']
  return [...new Set(unified === undefined ? Object.values(paths) : [unified, ...Object.values(paths)])]
}

/**
 * Pids of all processes in the container's cgroup and the cgroups below it, as the runtime's pid namespace sees them
 * (those that it does not see are left out). Empty when the cgroup is gone.
 */
export function processes({ paths }: CgroupLocation): number[] {
  // On a hybrid host the v2 cgroup need not have been joined.
  const directory = paths.freezer ?? paths.pids ?? paths.devices ?? Object.values(paths)[0]
  return directory === undefined ? [] : processesBelow(directory)
}

/** Like `processes`, from every hierarchy: a process may have been moved in one of them only. */
export function processesAnywhere(location: CgroupLocation): number[] {
  return [...new Set(directories(location).flatMap(processesBelow))]
}

/** Pids in the cgroup `directory` and below. */
export function processesBelow(directory: string): number[] {
  const own = pidsOf(tryRead(`${directory}/cgroup.procs`))
  return own.concat(childDirectories(directory).flatMap((child) => processesBelow(`${directory}/${child}`)))
}

/** Pids in the cgroup `directory` itself. */
export const processesIn = (directory: string): number[] => pidsOf(tryRead(`${directory}/cgroup.procs`))

/** A process outside our pid namespace is listed as 0. */
const pidsOf = (text: string | undefined): number[] =>
  text === undefined || text === ''
    ? []
    : text
        .split('\n')
        .map(Number)
        .filter((pid) => pid > 0)

/** What /proc says about `pid`. */
export function describeProcess(pid: number): Straggler {
  const stat = tryRead(`/proc/${pid}/stat`) ?? ''
  const open = stat.indexOf('(')
  const close = stat.lastIndexOf(')')
  const wchan = tryRead(`/proc/${pid}/wchan`) ?? ''
  return { pid, comm: stat.slice(open + 1, Math.max(close, 0)), state: stat.slice(close + 2, close + 3), wchan: wchan === '0' ? '' : wchan }
}

/** Processes of the container that sleep and take no signal, not even SIGKILL. */
export const sleepers = (location: CgroupLocation): Straggler[] =>
  processes(location)
    .map(describeProcess)
    .filter(({ state }) => state === 'D')
