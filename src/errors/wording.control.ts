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
