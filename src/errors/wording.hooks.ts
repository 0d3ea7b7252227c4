/** The sentences about hooks. */
import { TsrunError } from './error.ts'
import { errnoNameOf, reasonOf } from './wording.ts'

/** What is known of a hook that failed. */
export interface HookFailure {
  readonly kind: string
  readonly index: number
  /** `exit status 1`, `signal: SIGKILL`, `exec "/x": no such file or directory (ENOENT)`, … */
  readonly how: string
  /** The end of what it wrote; undefined when it did not run. */
  readonly output?: { readonly stdout: string; readonly stderr: string }
}

/** `error running createRuntime hook #0: exit status 1, stdout: …, stderr: …`, as runc says it; Kubernetes and CNI tools show it as it is. */
export function hookFailed({ kind, index, how, output }: HookFailure): TsrunError {
  const wrote = output === undefined ? '' : `, stdout: ${output.stdout}, stderr: ${output.stderr}`
  const pointer = `/hooks/${kind}/${index}`
  return new TsrunError('hook', `error running ${kind} hook #${index}: ${how}${wrote} [${pointer}]`, { pointer })
}

/** @param pointer of the annotation that names the file */
export function noHookOutput(path: string, cause: unknown, pointer: string): TsrunError {
  const errno = errnoNameOf(cause)
  return new TsrunError('hook', `cannot open ${JSON.stringify(path)} for the output of hooks: ${reasonOf(cause)} [${pointer}]`, {
    pointer,
    cause,
    ...(errno === undefined ? {} : { errno })
  })
}

/** @param seconds the hook's own limit */
export const ranPastTimeout = (seconds: number): string => `hook ran past specified timeout of ${seconds.toFixed(1)}s`
