/**
 * The sentences about containers and their states.
 *
 * Engines and scripts match on parts of them, so those parts are runc's: containerd looks for `does not exist`, `container not running` and
 * `no such process`, CRI-O for `container not running`, Podman and Docker for `executable file not found in $PATH`,
 * `no such file or directory` and `permission denied`. What stands behind the matched part is ours.
 */
import { errnoName, errnoText } from '../abi/errno.ts'
import { type ErrorCode, type ErrorDetail, TsrunError } from './error.ts'

/** What a container is, for sentences: its id and where its state is kept. */
export interface Named {
  readonly id: string
  readonly root: string
}

/** No state directory. containerd's checkKillError and `delete` match `does not exist`. */
export const doesNotExist = ({ id, root }: Named): TsrunError =>
  new TsrunError('not-found', `container does not exist: ${JSON.stringify(id)} in ${root}`)

/** The id is taken. */
export const alreadyExists = ({ id, root }: Named): TsrunError =>
  new TsrunError('exists', `container with given ID already exists: ${JSON.stringify(id)} in ${root}`, {
    hint: `choose another id, or delete it with: ${deletion({ id, root })}`
  })

/** The command line that deletes a container, as it can be pasted into a shell. */
const deletion = ({ id, root }: Named): string =>
  `tsrun ${root === '/run/tsrun' ? '' : `--root ${shellWord(root)} `}delete --force ${shellWord(id)}`

const shellWord = (word: string): string => (/^[\w./+:@%-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** The directory of all states belongs to somebody else. @param hint which one to use */
export const rootRefused = (root: string, cause: unknown, hint: string): TsrunError =>
  systemError(`use the state directory ${JSON.stringify(root)}`, cause, { hint })

/** Hints for it. */
export const rootHints = {
  /** @param made the directory is there */
  unset: (uid: number, made: boolean): string =>
    `the state of an ordinary user's containers is kept in $XDG_RUNTIME_DIR, which is not set: ${
      made ? `set it with: export XDG_RUNTIME_DIR=/run/user/${uid}` : 'log in as that user (su and sudo do not set it)'
    }; or name a directory of your own with --root`,
  other: (): string => 'name a directory of your own with --root, or be the user that this one belongs to'
} as const

export const emptyId = (): TsrunError => new TsrunError('invalid-id', 'container id cannot be empty')

/** @param why what the rule is that the id breaks */
export const invalidId = (id: string, why: string): TsrunError =>
  new TsrunError('invalid-id', `invalid container ID format: ${JSON.stringify(id)}: ${why}`)

/** Why `start` is refused, by status. */
const startRefusals: Readonly<Record<string, string>> = {
  creating: 'cannot start a container that is still being created',
  running: 'cannot start an already running container',
  paused: 'cannot start a container in the paused state',
  stopped: 'cannot start a container that has stopped'
}

export const cannotStart = (status: string): TsrunError =>
  new TsrunError('bad-state', startRefusals[status] ?? `cannot start a container that is ${status}`)

/** `kill` of a stopped container: containerd and CRI-O match the whole text and take it for "gone". */
export const notRunning = (): TsrunError => new TsrunError('not-running', 'container not running')

export const cannotDelete = (id: string, status: string): TsrunError =>
  new TsrunError('bad-state', `cannot delete container ${id} that is not stopped: ${status}`, {
    hint: `stop it with "tsrun kill ${id}" first, or use: tsrun delete --force ${id}`
  })

/** Somebody else holds the container's lock for longer than we wait. */
export const busy = (id: string, holder: string): TsrunError =>
  new TsrunError('bad-state', `container ${id} is in use by another command${holder === '' ? '' : `: ${holder}`}`, {
    hint: 'wait for it to finish, or end that process'
  })

/** A state directory that cannot be understood. */
export const damagedState = (file: string, what: string, id: string): TsrunError =>
  new TsrunError('state', `cannot read the container's state from ${JSON.stringify(file)}: ${what}`, {
    hint: `remove the container with: ${deletion({ id, root: file.split(`/${id}/`)[0]! })}`
  })

export const newerState = (file: string, format: unknown): TsrunError =>
  new TsrunError(
    'state',
    `cannot read the container's state from ${JSON.stringify(file)}: its format is ${format}, this version of tsrun knows 1`,
    {
      hint: 'use the version of tsrun that created the container'
    }
  )

export const badRoot = (root: string): TsrunError =>
  new TsrunError(
    'usage',
    root === '' || root === '/' ? 'Option --root argument should not be set to /' : `--root ${JSON.stringify(root)} is not usable`
  )

/** A system call of the runtime itself failed: `cannot <action>: <errno's text> (<errno>)`, with the pointer behind it when there is one. */
export const systemError = (action: string, cause: unknown, detail: ErrorDetail = {}): TsrunError => {
  const errno = errnoNameOf(cause)
  const place = detail.pointer === undefined ? '' : ` [${detail.pointer}]`
  return new TsrunError('system', `cannot ${action}: ${reasonOf(cause)}${place}`, {
    ...detail,
    ...(errno === undefined ? {} : { errno }),
    cause
  })
}

/** Why a call of node:fs has failed, in our form: node's own is `ENOENT: no such file or directory, open '/x'`. Of other errors the message. */
export const reasonOf = (cause: unknown): string => {
  const message = cause instanceof Error ? cause.message : String(cause)
  const [, errno, text] = /^(E[A-Z0-9]+): ([^,]*)/.exec(message) ?? []
  return errno === undefined ? message : `${text} (${errno})`
}

/** The errno's name that an error of node:fs or of src/linux carries. */
export const errnoNameOf = (cause: unknown): string | undefined => {
  if (cause instanceof TsrunError) return cause.errno
  const code = (cause as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

/** For a symlink runc's sentence goes on as "not an absolute path, or a symlink". */
export const invalidRootfs = (path: string, why: string, isSymlink = false): TsrunError =>
  new TsrunError(
    'config',
    `invalid rootfs: ${isSymlink ? 'not an absolute path, or a symlink: ' : ''}${JSON.stringify(path)}: ${why} [/root/path]`,
    {
      pointer: '/root/path',
      problems: [{ pointer: '/root/path', message: `${JSON.stringify(path)}: ${why}` }]
    }
  )

export const missingSource = (path: string, index: number, reason: string): TsrunError =>
  new TsrunError('config', `cannot bind mount ${JSON.stringify(path)}: ${reason} [/mounts/${index}/source]`, {
    pointer: `/mounts/${index}/source`,
    problems: [{ pointer: `/mounts/${index}/source`, message: `${JSON.stringify(path)}: ${reason}` }],
    errno: 'ENOENT'
  })

/** @param kept what the source has, against the options */
export const lockedOptions = (destination: string, kept: readonly string[], index: number): string =>
  `the mount on ${JSON.stringify(destination)} keeps ${kept.join(', ')} of its source, which a user namespace cannot take away [/mounts/${index}/options]`

export const ttyWithoutSocket = (): TsrunError =>
  new TsrunError('console', 'cannot allocate tty if tsrun will detach without setting console socket [/process/terminal]', {
    pointer: '/process/terminal',
    hint: 'give --console-socket, or set process.terminal to false'
  })

export const socketWithoutTty = (): TsrunError =>
  new TsrunError('console', 'cannot use console socket if tsrun will not detach or allocate tty', {
    hint: 'set process.terminal to true, or leave --console-socket out'
  })

export const missingPreservedFd = (fd: number, count: number): TsrunError =>
  new TsrunError('usage', `please check that preserved-fd ${fd - 3} (of ${count}) is present: descriptor ${fd} is not open`)

export const interrupted = (signal: string): TsrunError => new TsrunError('died', `interrupted by ${signal}; everything was undone`)

/** Init is gone without having said why: somebody killed it, or the kernel did. */
export const initDied = (how: string, hint?: string): TsrunError =>
  new TsrunError('died', `container init ended before it was ready: ${how}`, hint === undefined ? {} : { hint })

/** A step of the program as its plan describes it. */
interface DescribedStep {
  readonly says: string
  readonly pointer: string
  readonly code?: ErrorCode
  readonly why?: { readonly [errno: string]: string | undefined }
}

/** `cannot mount "proc" on "/proc": operation not permitted (EPERM) [/mounts/3]`. */
export function stepFailed({ says, pointer, code, why }: DescribedStep, errno: number): TsrunError {
  const name = errnoName(errno)
  const more = why?.[name] === undefined ? '' : `: ${why[name]}`
  const sentence = `cannot ${says}: ${errnoText(errno)} (${name})${more}`
  if (pointer === '') return new TsrunError(code ?? 'step', sentence, { errno: name })
  return new TsrunError(code ?? 'step', `${sentence} [${pointer}]`, { errno: name, pointer })
}

export const unknownStep = (index: number, errno: number): TsrunError =>
  new TsrunError('bug', `step ${index} failed, which the plan does not have: ${errnoText(errno)} (${errnoName(errno)})`)
