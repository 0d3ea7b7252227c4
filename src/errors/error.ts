/**
 * One error type, with a closed set of codes. The sentences are in wording.ts.
 */

/** Every way in which tsrun fails. Scripts may rely on these; they are also in the JSON log as `code`. */
export type ErrorCode =
  | 'usage' // wrong command line
  | 'invalid-id'
  | 'exists' // a container with this id exists
  | 'not-found' // no such container
  | 'bad-state' // the container's status does not permit the operation
  | 'not-running'
  | 'bundle' // no such bundle, or no config.json in it
  | 'config' // config.json is malformed or refused; `problems` lists why
  | 'unsupported' // the machine or this version cannot do what the config asks for
  | 'system' // a system call in the runtime failed
  | 'step' // a step in the container failed
  | 'command-not-found' // process.args[0] is not there
  | 'command-not-executable'
  | 'cwd-outside-root'
  | 'hook'
  | 'died' // the container's program ended before it was ready
  | 'cgroup'
  | 'console'
  | 'state' // a state directory is damaged
  | 'bug'

/** One problem of a configuration. */
export interface Problem {
  /** JSON pointer (RFC 6901) into the document. */
  readonly pointer: string
  /** What is wrong, with the value and what is allowed: `must be one of "private", "shared", not "prvate"`. */
  readonly message: string
  /** Line and column (from 1) of the value in the text, where the text is at hand. */
  readonly line?: number
  readonly column?: number
}

/** What an error carries beside its message. */
export interface ErrorDetail {
  readonly pointer?: string
  /** Name of the errno, such as `EPERM`. */
  readonly errno?: string
  /** All problems of a configuration, at code `config`. */
  readonly problems?: readonly Problem[]
  /** What to do about it. */
  readonly hint?: string
  readonly cause?: unknown
}

/** The error that every function of tsrun throws. `message` is the whole sentence that people and engines read. */
export class TsrunError extends Error {
  readonly code: ErrorCode
  readonly pointer: string | undefined
  readonly errno: string | undefined
  readonly problems: readonly Problem[] | undefined
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = 'TsrunError'
    this.code = code
    this.pointer = detail.pointer
    this.errno = detail.errno
    this.problems = detail.problems
    this.hint = detail.hint
  }
}
