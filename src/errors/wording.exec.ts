/** The sentences about `exec`. Those that start as runc's do so because scripts know them. */
import { TsrunError } from './error.ts'

/** Why `exec` is refused, by status. */
const refusals: Readonly<Record<string, string>> = {
  creating: 'cannot exec in a container that is still being created',
  paused: 'cannot exec in a paused container (use --ignore-paused to override)',
  stopped: 'cannot exec in a stopped container'
}

export const cannotExec = (status: string): TsrunError =>
  new TsrunError('bad-state', refusals[status] ?? `cannot exec in a container that is ${status}`)

export const emptyArgs = (): TsrunError =>
  new TsrunError('usage', 'exec args cannot be empty', { hint: 'give the command behind the container id, or a file with --process' })

export const commandTwice = (command: string): TsrunError =>
  new TsrunError('usage', `cannot take the command ${JSON.stringify(command)} as well as that of --process`, {
    hint: 'leave one of the two out'
  })

/** @param kind runc's words begin with `bad uid:` and `bad gid:` */
export const badNumericId = (kind: 'uid' | 'gid', text: string): TsrunError =>
  new TsrunError('usage', `bad ${kind}: ${JSON.stringify(text)} must be a number from 0 to 4294967294`, {
    hint: "names are not looked up: they would be the image's"
  })

/** @param argument the whole argument of --cgroup */
export const badCgroupArgument = (argument: string, why: string): TsrunError =>
  new TsrunError('usage', `invalid --cgroup argument: ${JSON.stringify(argument)}: ${why}`, {
    hint: "give a path below the container's cgroup, on v1 with the controllers before it: cpu,memory:path"
  })

export const notASubCgroup = (path: string): TsrunError =>
  new TsrunError('usage', `${JSON.stringify(path)} is not a sub cgroup path: it leads out of the container's cgroup`)

export const unknownController = (name: string, known: readonly string[]): TsrunError =>
  new TsrunError(
    'usage',
    `unknown controller ${JSON.stringify(name)} in --cgroup: the container has ${known.filter(Boolean).join(', ') || 'none'}`
  )

/** The process is gone without having said why, before its command was executed. */
export const processDied = (how: string): TsrunError => new TsrunError('died', `the process ended before its command was executed: ${how}`)

/** config.md#linux-process: what cannot be granted is warned about. */
export const unknownCapability = (name: string): string => `ignoring unknown or unavailable capabilities: ${JSON.stringify(name)}`
