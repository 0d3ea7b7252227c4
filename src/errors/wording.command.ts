/**
 * The sentences about a command that cannot be executed.
 *
 * Podman makes exit status 127 of `executable file not found in` and `no such file or directory`, and 126 of `permission denied`
 * (libpod/oci_util.go); Docker matches the same words in lower case (daemon/errors.go). What follows them here names the cause.
 */
import { errnoName, errnoNumber, errnoText } from '../abi/errno.ts'
import { TsrunError } from './error.ts'

interface CommandStep {
  readonly pointer: string
}

const ENOENT = errnoNumber('ENOENT')
const ENOTDIR = errnoNumber('ENOTDIR')

/** The command was looked for at `create`, and is not there or may not be executed. */
export function commandFailure(command: string, { pointer }: CommandStep, errno: number): TsrunError {
  const absent = errno === ENOENT || errno === ENOTDIR
  const code = absent ? 'command-not-found' : 'command-not-executable'
  const quoted = JSON.stringify(command)
  return new TsrunError(code, `exec: ${quoted}: ${lookupReason(command, errno)} [${pointer}]`, { pointer, errno: errnoName(errno) })
}

function lookupReason(command: string, errno: number): string {
  if (!command.includes('/') && errno === ENOENT) return 'executable file not found in $PATH'
  return errno === ENOENT || errno === ENOTDIR ? `stat ${command}: ${errnoText(errno)}` : errnoText(errno)
}

/**
 * execve(2) refused a file that is there and executable.
 * @param cause what is wrong with the file, if it could be found out: `it is for aarch64, this machine is x86_64`
 */
export function cannotExecute(command: string, { pointer }: CommandStep, errno: number, cause: string | undefined): TsrunError {
  const why = cause === undefined ? '' : `: ${cause}`
  const detail = { pointer, errno: errnoName(errno) }
  return new TsrunError('command-not-executable', `exec ${command}: ${errnoText(errno)}${why} [${pointer}]`, detail)
}
