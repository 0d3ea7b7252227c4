/**
 * The sentences about command lines.
 *
 * Podman looks for `flag needs an argument` to learn what `restore` can do; the other forms are runc's because scripts know them.
 */
import { TsrunError } from './error.ts'
import { errnoNameOf, reasonOf } from './wording.ts'

/** Podman probes `restore --lsm-mount-context` and matches `flag needs an argument`. */
export const needsArgument = (flag: string): string => `flag needs an argument: --${flag}`

export const unknownFlag = (flag: string): string => `flag provided but not defined: -${flag}`

export const invalidBoolean = (flag: string, value: string): string =>
  `invalid boolean value ${JSON.stringify(value)} for -${flag}: parse error`

export const invalidNumber = (flag: string, value: string): string =>
  `invalid value ${JSON.stringify(value)} for flag -${flag}: parse error`

/** runc's sentence is that of its engine's flag package. */
export const invalidDuration = (flag: string, value: string): TsrunError =>
  new TsrunError('usage', invalidNumber(flag, value), { hint: 'give a duration such as 5s, 500ms or 1m30s' })

/** The count of arguments does not fit. */
export const wrongCount = (command: string, { min, max }: { min: number; max: number }): string => {
  if (min === max) return `tsrun: "${command}" requires exactly ${min} argument(s)`
  if (max === Number.POSITIVE_INFINITY) return `tsrun: "${command}" requires a minimum of ${min} argument(s)`
  return `tsrun: "${command}" requires a minimum of ${min} and a maximum of ${max} argument(s)`
}

export const unknownCommand = (name: string): string => `No help topic for '${name}'`

export const didYouMean = (name: string): string => `did you mean "${name}"?`

/** A mistake in the command line. */
export const usageError = (message: string, hint?: string): TsrunError =>
  new TsrunError('usage', message, hint === undefined ? {} : { hint })

export const invalidLogFormat = (value: string): TsrunError =>
  new TsrunError('usage', `invalid log-format: ${value}`, { hint: 'use text or json' })

/** A call of node:fs failed: `cannot <action>: no such file or directory (ENOENT)`. */
export const fileError = (action: string, error: unknown): TsrunError => {
  return new TsrunError('system', `cannot ${action}: ${reasonOf(error)}`, { errno: errnoNameOf(error) ?? '', cause: error })
}

/** What depends on a working directory that was removed, or that is out of reach. */
export const needsWorkingDirectory = (what: string): TsrunError =>
  new TsrunError('usage', `cannot find ${what}: the working directory does not exist any more`, { hint: 'give an absolute path' })

export const invalidCgroupManager = (value: string): TsrunError =>
  new TsrunError('usage', `invalid value ${JSON.stringify(value)} for --cgroup-manager: must be cgroupfs, systemd or disabled`)

export const invalidRootless = (value: string): TsrunError =>
  new TsrunError('usage', `invalid value ${JSON.stringify(value)} for --rootless: must be auto, true or false`)

/** runc's sentence ends after the quoted name. */
export const unknownSignal = (name: string): TsrunError =>
  new TsrunError('usage', `unknown signal ${JSON.stringify(name)}`, {
    hint: 'give a name such as TERM or SIGKILL, RTMIN+n, or a number from 0 to 64'
  })

export const invalidFormat = (value: string): TsrunError =>
  new TsrunError('usage', `invalid format option: ${value}`, { hint: 'use table or json' })

export const invalidArchitecture = (value: string): TsrunError =>
  new TsrunError('usage', `invalid value ${JSON.stringify(value)} for --arch: must be x64 or arm64`)

export const unknownShell = (name: string): TsrunError =>
  new TsrunError('usage', `there is no completion for ${JSON.stringify(name)}`, { hint: 'use bash, zsh or fish' })

export const invalidPattern = (pattern: string, cause: unknown): TsrunError =>
  new TsrunError('usage', `invalid --regex ${JSON.stringify(pattern)}: ${cause instanceof Error ? cause.message : String(cause)}`)

export const specExists = (file: string): TsrunError => new TsrunError('exists', `File ${file} exists. Remove it first`)

/** What is thrown and is no TsrunError is our own mistake. */
export const bug = (thrown: unknown): TsrunError =>
  new TsrunError('bug', `this is a bug in tsrun: ${thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)}`, {
    cause: thrown
  })
