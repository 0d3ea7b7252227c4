/** The user's command: its directory, where it is found, the wait for `start`, and execve. */

import { errnoNumber } from '../../abi/errno.ts'
import { AT_EACCESS, AT_FDCWD, CLOSE_RANGE_CLOEXEC, S_IFMT, S_IFREG, STATX_TYPE, X_OK } from '../../abi/fcntl.ts'
import { SOCK_CLOEXEC } from '../../abi/socket.ts'
import { type Candidate, environment } from '../environment.ts'
import { fdNumber, type Pass, type ProcessPass, slots } from '../input.ts'
import { bytes, type Step, slot, text, to } from '../step.ts'
import { buffer, flag, stringArray } from '../structs.ts'
import { close, openInRoot, STX_MODE, statxBuffer } from './files.ts'
import { askRuntime } from './sync.ts'

// ---------------------------------------------------------------- working directory

const directory = slot('directory')

/** Made if it is missing, before the root is entered: by descriptor, and inside. */
export const makeWorkingDirectory: Pass = (input) => {
  const cwd = input.config.process?.cwd ?? '/'
  if (cwd === '/') return []
  const pointer = '/process/cwd'
  return [
    ...openInRoot(input, {
      path: cwd,
      into: directory,
      make: 'directory',
      pointer,
      says: `make the working directory ${JSON.stringify(cwd)}`
    }),
    close(directory, pointer)
  ]
}

const notThere = slot('not in the working directory')
const there = flag(notThere, 1)
const zero = bytes('[0]', new Uint8Array(4))

const chdir = (cwd: string): Step => ({
  call: 'chdir',
  args: [text(cwd)],
  pointer: '/process/cwd',
  says: `enter the working directory ${JSON.stringify(cwd)}`
})

/** As root first: a directory that the user may not enter can still be where they start. */
export const enterWorkingDirectory: ProcessPass = ({ config }) => {
  const cwd = config.process?.cwd ?? '/'
  return cwd === '/' ? [] : [{ ...chdir(cwd), save: notThere, on: { EACCES: 'next' } }]
}

const PATH_MAX = 4096

/** As the user, if root could not (a file system that root has no rights on). It must be a place that the root reaches (CVE-2024-21626). */
export const reenterWorkingDirectory: ProcessPass = ({ config }) => {
  const cwd = config.process?.cwd ?? '/'
  if (cwd === '/') return []
  const pointer = '/process/cwd'
  const path = buffer(PATH_MAX, '{path}')
  return [
    {
      call: 'compare',
      args: [there, zero, 0, 4, errnoNumber('EAGAIN')],
      on: { EAGAIN: 'next' },
      then: { skip: 1 },
      pointer,
      says: 'see whether the working directory is entered'
    },
    chdir(cwd),
    { call: 'getcwd', args: [path, PATH_MAX], pointer, says: 'ask for the working directory', code: 'cwd-outside-root' },
    // The kernel puts "(unreachable)" before a path that is outside (getcwd(3)).
    {
      call: 'compare',
      args: [path, bytes('"/"', new Uint8Array([0x2f])), 0, 1, errnoNumber('EXDEV')],
      pointer,
      says: `use the working directory ${JSON.stringify(cwd)}, which is outside of the root file system`,
      code: 'cwd-outside-root'
    }
  ]
}

// ---------------------------------------------------------------- lookup

const stat = statxBuffer()
const regular = bytes('S_IFREG', new Uint8Array([S_IFREG & 0xff, S_IFREG >> 8]))
const typeMask = bytes('S_IFMT', new Uint8Array([S_IFMT & 0xff, S_IFMT >> 8]))
const pointer = '/process/args/0'

/** The command is looked for at `create`, as the user; what is not found or not executable is known before `start`. */
export const findCommand: ProcessPass = (input) => {
  const all = input.candidates
  const command = input.config.process?.args?.[0] ?? ''
  if (all.length === 1 && all[0]?.missing === undefined) return look(all[0]!.path, 'the one')
  const nowhere: Step = {
    call: 'compare',
    args: [bytes('[0]', new Uint8Array([0])), bytes('[1]', new Uint8Array([1])), 0, 1, errnoNumber('ENOENT')],
    pointer,
    says: `find ${JSON.stringify(command)} in PATH`,
    code: 'command-not-found'
  }
  return [...all.flatMap((candidate, i) => inPath(candidate, all.length - 1 - i)), nowhere]
}

/** Three looks at one path: it is there, it is a regular file, the user may execute it. */
function look(path: string, where: 'the one' | { readonly miss: (left: number) => Step['on'] }): Step[] {
  const on = (left: number) => (where === 'the one' ? {} : { on: where.miss(left)! })
  const notExecutable = { pointer, code: 'command-not-executable' as const }
  return [
    {
      call: 'statx',
      args: [AT_FDCWD, text(path), 0, STATX_TYPE, stat],
      ...on(2),
      pointer,
      says: `find ${JSON.stringify(path)}`,
      code: 'command-not-found'
    },
    {
      call: 'compare',
      args: [{ kind: 'inside', of: stat, offset: STX_MODE }, regular, typeMask, 2, errnoNumber('EACCES')],
      ...on(1),
      ...notExecutable,
      says: `execute ${JSON.stringify(path)}, which is no regular file`
    },
    {
      call: 'faccessat2',
      args: [AT_FDCWD, text(path), X_OK, AT_EACCESS],
      ...on(0),
      ...notExecutable,
      says: `execute ${JSON.stringify(path)}`
    }
  ]
}

const LOOKS = 3

function inPath(candidate: Candidate, after: number): Step[] {
  const steps = look(candidate.path, { miss: (left) => ({ any: left === 0 ? 'next' : { skip: left } }) })
  const found = steps.at(-1)!
  // On success: past the other candidates and past the step that fails for all.
  return [...steps.slice(0, -1), { ...found, save: candidate.missing!.slots![0]!.slot, then: { skip: after * LOOKS + 1 } }]
}

// ---------------------------------------------------------------- start

/**
 * Nothing but the standard streams and the descriptors that were asked for goes into the command (CVE-2024-21626), and a container that waits
 * holds on to nothing but what it waits on: whoever has the other end of the console socket sees its end now.
 */
export const closeDescriptors: ProcessPass = (input) => {
  const first = 3 + input.options.preserveFds
  const passed = input.fds.filter(({ name }) => name !== 'sync' && name !== 'start' && name !== 'listener')
  return [
    {
      call: 'close_range',
      args: [first + input.fds.length, -1, 0],
      pointer: '',
      says: 'close all descriptors that the program has opened'
    },
    ...passed.map(
      ({ name, fd }): Step => ({ call: 'close', args: [fd], on: { EBADF: 'next' }, pointer: '', says: `close the descriptor ${name}` })
    ),
    { call: 'close_range', args: [first, -1, CLOSE_RANGE_CLOEXEC], pointer: '', says: 'mark all other descriptors close-on-exec' }
  ]
}

/** Everything is prepared. */
export const ready: ProcessPass = (input) => askRuntime(input, 'ready', '', 'wait for the runtime')

const WAIT = 'wait for start'

/**
 * The wait for `start`: a connection that sends one byte. Failures from here on go to that connection.
 * One that closes without a byte (a `start` that was killed) is forgotten.
 */
export const waitForStart: Pass = (input) => {
  if (input.options.release === 'sync') return []
  const start = fdNumber(input, 'start')
  const sync = fdNumber(input, 'sync')
  const says = 'wait for start'
  return [
    { call: 'close', args: [sync], pointer: '', says: 'let go of the runtime' },
    {
      call: 'accept4',
      args: [start, 0, 0, SOCK_CLOEXEC],
      label: WAIT,
      save: slots.report,
      on: { EINTR: 'retry', ECONNABORTED: 'retry' },
      pointer: '',
      says
    },
    {
      call: 'read',
      args: [slots.report, buffer(1), 1],
      on: { EINTR: 'retry', any: 'next' },
      zero: 'next',
      then: { skip: 1 },
      pointer: '',
      says
    },
    { call: 'close', args: [slots.report], on: { any: to(WAIT) }, then: to(WAIT), pointer: '', says: 'forget a connection' },
    { call: 'close', args: [start], pointer: '', says: 'close the start socket' }
  ]
}

/** execve(2). */
export const execute: ProcessPass = (input) => {
  const argv = stringArray(input.config.process?.args ?? [])
  const envp = stringArray(environment(input))
  return input.candidates.flatMap(({ path, missing }): Step[] => {
    const exec: Step = {
      call: 'execve',
      args: [text(path), argv, envp],
      pointer,
      says: `execute ${JSON.stringify(path)}`,
      code: 'command-not-executable'
    }
    if (missing === undefined) return [exec]
    const says = `see whether the command is ${JSON.stringify(path)}`
    return [{ call: 'compare', args: [missing, zero, 0, 4, errnoNumber('EAGAIN')], on: { EAGAIN: { skip: 1 } }, pointer, says }, exec]
  })
}
