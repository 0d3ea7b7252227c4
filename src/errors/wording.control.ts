/**
 * The sentences about containers that exist: pausing them, looking at them, changing their limits.
 *
 * Where they begin as runc's do, scripts know them; CRI-O and containerd match `container not running` (wording.ts).
 */
import { TsrunError } from './error.ts'

/** `resume` of a container in any other status. */
export const notPaused = (): TsrunError => new TsrunError('bad-state', 'container not paused')

/** `events` of a container whose init has ended. */
export const isNotRunning = (id: string): TsrunError => new TsrunError('not-running', `container with id ${id} is not running`)

export const badInterval = (): TsrunError => new TsrunError('usage', 'duration interval must be greater than 0')

/** The host's ps is not there, or does not like its options. */
export const psFailed = (reason: string): TsrunError => new TsrunError('system', `cannot list the processes with ps: ${reason}`)

/** The options of ps left the column out by which the container's processes are found. */
export const noPidColumn = (): TsrunError =>
  new TsrunError('usage', "couldn't find PID field in ps output", { hint: 'let the options of ps include the column PID' })

/** `update` of a container whose cgroup the caller could not make. */
export const noCgroup = (): TsrunError =>
  new TsrunError('cgroup', 'cannot change the limits: the container has no cgroup of its own', {
    hint: 'an ordinary user needs delegated controllers, such as by "Delegate=yes" in the section [Service] of /etc/systemd/system/user@.service.d/delegate.conf'
  })

export const noL3Cache = (): TsrunError => new TsrunError('unsupported', 'Intel RDT/CAT: l3 cache schema is not enabled')
export const noMemoryBandwidth = (): TsrunError => new TsrunError('unsupported', 'Intel RDT/MBA: memory bandwidth schema is not enabled')
export const noIntelRdt = (): TsrunError =>
  new TsrunError('unsupported', 'updating a non-existent Intel RDT configuration is not supported')

/** A value of an option of `update`. */
export const invalidLimit = (flag: string, value: string, why: string): TsrunError =>
  new TsrunError('usage', `invalid value for ${flag}: ${JSON.stringify(value)} ${why}`)
