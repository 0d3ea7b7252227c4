/** The sentences about seccomp profiles. */
import { type Problem, TsrunError } from './error.ts'

export const notifyAsDefault = 'SCMP_ACT_NOTIFY cannot be used as default action'
export const notifyOnWrite = 'SCMP_ACT_NOTIFY cannot be used for the write syscall'
export const notifyWithoutListener = 'SCMP_ACT_NOTIFY needs a listenerPath'
export const metadataAlone = 'must not be set without listenerPath'
export const waitWithoutNotify = 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a syscall with SCMP_ACT_NOTIFY'
export const noNames = 'must name at least one syscall'
export const emptyName = 'empty string is not a valid syscall'

export const oneOf = (value: unknown, allowed: object): string =>
  `must be one of ${Object.keys(allowed).join(', ')}, not ${JSON.stringify(value)}`

export const actionWithoutErrno = (action: string): string =>
  `must not be set: ${action} returns no errno; SCMP_ACT_ERRNO and SCMP_ACT_TRACE do`

export const errnoRange = (value: number, max: number): string => `must be a whole number from 0 to ${max}, not ${value}`

export const argumentIndex = (index: number): string => `must be the number of an argument, 0 to 5, not ${index}`

export const notUint64 = (value: number | bigint): string => `must be a whole number from 0 to 18446744073709551615, not ${value}`

/** All problems of a profile. */
export function refusedProfile(problems: readonly Problem[]): TsrunError {
  const message = problems.map((problem) => `${problem.message} [${problem.pointer}]`).join('; ')
  return new TsrunError('config', `invalid seccomp profile: ${message}`, { problems, ...(problems[0] && { pointer: problems[0].pointer }) })
}

const pointer = '/linux/seccomp'

/** @param reason what dlopen(3) says */
export const noLibseccomp = (reason: string): TsrunError =>
  new TsrunError('unsupported', `cannot compile the seccomp profile: libseccomp is missing: ${reason} [${pointer}]`, {
    pointer,
    hint: 'install libseccomp 2.5 or newer: package libseccomp2 on Debian and Ubuntu, libseccomp on Fedora, RHEL, SUSE, Arch and Alpine'
  })

export const oldLibseccomp = (version: string): TsrunError =>
  new TsrunError('unsupported', `cannot compile the seccomp profile: libseccomp ${version} is too old, 2.5.0 is needed [${pointer}]`, {
    pointer
  })

/** @param what the call in words: `add a rule for "socket"`; @param errno such as `EINVAL`; @param at JSON pointer */
export const libseccompFailed = (what: string, errno: string, text: string, at: string): TsrunError =>
  new TsrunError('unsupported', `cannot ${what}: libseccomp says: ${text} (${errno}) [${at}]`, { pointer: at, errno })

export const contradiction = (name: string, at: string): TsrunError => {
  const message = `"${name}" has another rule with the same conditions and a different action`
  return new TsrunError('config', `invalid seccomp profile: ${message} [${at}]`, { pointer: at, problems: [{ pointer: at, message }] })
}

export const unknownArchitecture = (name: string, version: string, at: string): TsrunError =>
  new TsrunError('unsupported', `cannot filter the syscalls of ${name}: libseccomp ${version} does not know this architecture [${at}]`, {
    pointer: at
  })

export const foreignByteOrder = (name: string, at: string): TsrunError =>
  new TsrunError('unsupported', `cannot filter the syscalls of ${name}: its byte order is not this machine's [${at}]`, { pointer: at })

export const tooLong = (length: number, max: number): TsrunError =>
  new TsrunError(
    'unsupported',
    `cannot load the seccomp profile: it takes ${length} BPF instructions, and the kernel allows ${max} [${pointer}]`,
    {
      pointer
    }
  )

export const unsupportedFlag = (flag: string, at: string): TsrunError =>
  new TsrunError('unsupported', `cannot use ${flag}: the kernel does not know this flag of seccomp(2) [${at}]`, { pointer: at })

export const noFilters = (errno: string, text: string): TsrunError =>
  new TsrunError('unsupported', `cannot use seccomp: the kernel refuses filters: ${text} (${errno}) [${pointer}]`, { pointer, errno })

export const listenerFailed = (path: string, cause: unknown): TsrunError =>
  new TsrunError('system', `cannot send the seccomp listener to ${JSON.stringify(path)}: ${reasonOf(cause)} [${pointer}/listenerPath]`, {
    pointer: `${pointer}/listenerPath`,
    cause,
    ...(cause instanceof TsrunError && cause.errno !== undefined && { errno: cause.errno })
  })

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

export const unknownNames = (names: readonly string[]): TsrunError =>
  new TsrunError(
    'unsupported',
    `cannot filter ${names.map((name) => JSON.stringify(name)).join(', ')}: libseccomp knows no such system call [${pointer}]`,
    {
      pointer
    }
  )

/** Log lines. */
export const ignoredName = (name: string): string => `unknown seccomp syscall "${name}" ignored`
export const cacheUnsafe = (directory: string, why: string): string => `seccomp cache ${JSON.stringify(directory)} not used: ${why}`
export const cacheNotWritten = (directory: string, why: string): string =>
  `cannot write to the seccomp cache ${JSON.stringify(directory)}: ${why}`
