/**
 * `tmpcopyup`: what the directory holds that a tmpfs will cover is copied into the tmpfs while that is mounted nowhere yet. How much there is to copy
 * only the copying shows, so here init does one call after the other as the runtime asks for it (hands.ts), until the runtime lets it go on.
 *
 * Init does it, and not the runtime: its are the ids of the container's user namespace, and the memory limit that the copies count against.
 */
import { errnoNumber } from '../../abi/errno.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  F_GETFD,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV
} from '../../abi/fcntl.ts'
import type { Architecture } from '../../abi/syscalls.ts'
import {
  DATA_SIZE,
  REPLY_SIZE,
  REQUEST_SIZE,
  ReplyField,
  Request,
  RequestField,
  type RequestName,
  replyBuffer,
  requestBuffer,
  SHORT_REPLY_SIZE
} from '../hands.ts'
import { fdNumber, type Input, type MountEntry } from '../input.ts'
import { encodeNotice } from '../protocol.ts'
import { type Arg, type Bytes, bytes, type Slot, type Step, slot, type Target, text, to } from '../step.ts'
import { openHow } from '../structs.ts'
import { close } from './files.ts'
import { ORPHANED, tellRuntime } from './sync.ts'

const [source, tmpfs, result] = [slot('source directory'), slot('tmpfs directory'), slot('result of what was asked')]
const [input, output, copied] = [slot('file to copy'), slot('copy of the file'), slot('bytes copied')]
const [a, b, c, d, e, f] = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => slot(`asked ${name}`)) as [Slot, Slot, Slot, Slot, Slot, Slot]

const at = (field: number, save: Slot) => ({ offset: field, slot: save })
const request = {
  ...requestBuffer(),
  slots: [
    at(RequestField.a, a),
    at(RequestField.b, b),
    at(RequestField.c, c),
    at(RequestField.d, d),
    at(RequestField.e, e),
    at(RequestField.f, f)
  ]
}
const reply = {
  ...replyBuffer(),
  slots: [
    at(ReplyField.result, result),
    at(ReplyField.source, source),
    at(ReplyField.tmpfs, tmpfs),
    at(ReplyField.input, input),
    at(ReplyField.output, output),
    at(ReplyField.copied, copied)
  ]
}

const asked = (field: keyof typeof RequestField): Arg => ({ kind: 'inside', of: request, offset: RequestField[field] })
const [name, target, times] = [asked('name'), asked('target'), asked('times')]
const data: Arg = { kind: 'inside', of: reply, offset: ReplyField.data }

const EAGAIN = errnoNumber('EAGAIN')
/** Type, mode, owner, times, size and device: STATX_BASIC_STATS. */
const STATX_BASIC_STATS = 0x7ff

/** Where a service goes on: the call that follows unless told otherwise; past the last one, to the short answer. */
type Call = Pick<Step, 'call' | 'args' | 'save' | 'on' | 'then' | 'zero'>
type Service = (arch: Architecture, long: Target) => readonly Call[]

const OPEN_HOW_SIZE = 24
const lookHow = (arch: Architecture): Bytes =>
  openHow(
    O_PATH | O_CLOEXEC | O_NOFOLLOW[arch],
    0,
    RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
    '{flags=O_PATH|O_CLOEXEC|O_NOFOLLOW, resolve=RESOLVE_BENEATH|RESOLVE_NO_XDEV|RESOLVE_NO_SYMLINKS}'
  )

/** Makes the result 0. */
const nothing: Call = { call: 'compare', args: [text(''), text(''), 0, 1, EAGAIN], save: result }

/** The calls behind each request. @param long where the answer with all of the data is given */
const SERVICES: Readonly<Record<RequestName, Service>> = {
  begin: () => [{ call: 'fstatfs', args: [source, data] }],
  // What is mounted there is not copied: it may be a file system of the kernel. Descriptor 1 tells of it, which is never a result either.
  look: (arch) => [
    { call: 'openat2', args: [a, name, lookHow(arch), OPEN_HOW_SIZE], save: result, on: { ENOENT: { skip: 1 }, EXDEV: { skip: 2 } } },
    { call: 'statx', args: [result, text(''), AT_EMPTY_PATH, STATX_BASIC_STATS, data], then: { skip: 2 } },
    { ...nothing, then: { skip: 1 } },
    { call: 'fcntl', args: [source, F_GETFD], save: result }
  ],
  directory: (arch) => open(O_RDONLY | O_CLOEXEC | O_DIRECTORY[arch] | O_NOFOLLOW[arch]),
  list: (_, then) => [{ call: 'getdents64', args: [a, data, DATA_SIZE], save: result, then }],
  file: (arch, long) => [
    { call: 'openat', args: [AT_FDCWD, target, O_RDONLY | O_CLOEXEC, 0], save: input },
    { call: 'openat', args: [a, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW[arch], 0o600], save: output },
    { call: 'close', args: [f] },
    { call: 'sendfile', args: [output, input, 0, e], save: copied },
    {
      call: 'compare',
      args: [{ kind: 'inside', of: reply, offset: ReplyField.copied }, asked('g'), 0, 4, EAGAIN],
      on: { EAGAIN: { skip: 7 } }
    },
    ...finish(output),
    {
      call: 'flistxattr',
      args: [input, data, DATA_SIZE],
      save: result,
      on: { EOPNOTSUPP: 'next', ENOSYS: 'next' },
      zero: 'next',
      then: long
    },
    nothing,
    { call: 'close', args: [input] },
    { call: 'close', args: [output] }
  ],
  readlink: (_, then) => [{ call: 'readlinkat', args: [a, text(''), data, DATA_SIZE], save: result, then }],
  symlink: () => [{ call: 'symlinkat', args: [target, a, name] }, ...finishName],
  mkdir: () => [{ call: 'mkdirat', args: [a, name, b] }],
  // 1, the descriptor's FD_CLOEXEC, where devices may not be made.
  mknod: () => [
    { call: 'mknodat', args: [a, name, b, c], save: result, on: { EPERM: 'next' }, then: { skip: 1 } },
    { call: 'fcntl', args: [a, F_GETFD], save: result }
  ],
  copy: () => [{ call: 'sendfile', args: [a, b, 0, c], save: result }],
  listxattr: (_, then) => [
    { call: 'flistxattr', args: [a, data, DATA_SIZE], save: result, on: { EOPNOTSUPP: 'next', ENOSYS: 'next' }, then },
    nothing
  ],
  // A tmpfs does not keep every kind, nor may everybody set every one.
  xattr: () => [
    { call: 'fgetxattr', args: [a, name, data, DATA_SIZE], save: result, on: { ENODATA: { skip: 1 } } },
    { call: 'fsetxattr', args: [b, name, data, result, 0], on: { EOPNOTSUPP: 'next', EPERM: 'next' } }
  ],
  finish: () => finish(a),
  finishName: () => finishName,
  close: () => [{ call: 'close', args: [a] }]
}

/** What somebody removes while it is copied is not there: descriptor 0, which is never a result. */
const open = (flags: number): readonly Call[] => [
  { call: 'openat', args: [a, name, flags, 0], save: result, on: { ENOENT: { skip: 1 } } },
  { call: 'statx', args: [result, text(''), AT_EMPTY_PATH, STATX_BASIC_STATS, data], then: { skip: 1 } },
  nothing
]

/** Root of the container owns what belongs to ids that its user namespace does not know. fchown(2) clears S_ISUID, so the mode comes after it. */
function finish(fd: Slot): readonly Call[] {
  return [
    { call: 'fchown', args: [fd, b, c], on: { EINVAL: 'next' } },
    { call: 'fchmod', args: [fd, d] },
    { call: 'utimensat', args: [fd, 0, times, 0] }
  ]
}

const finishName: readonly Call[] = [
  { call: 'fchownat', args: [a, name, b, c, AT_SYMLINK_NOFOLLOW], on: { EINVAL: 'next' } },
  { call: 'utimensat', args: [a, name, times, AT_SYMLINK_NOFOLLOW] }
]

/**
 * Steps that copy.
 * @param from the directory that is covered, O_PATH
 * @param into the tmpfs
 */
export function copyUp(plan: Input, entry: MountEntry, from: Slot, into: Slot): Step[] {
  const { arch } = plan.facts
  const pointer = entry.pointer
  const says = `copy ${JSON.stringify(entry.mount.destination)} up`
  const step = (call: Call): Step => ({ ...call, pointer, says })
  const top = (directory: Slot, save: Slot): Step =>
    step({ call: 'openat', args: [directory, text('.'), O_RDONLY | O_CLOEXEC | O_DIRECTORY[arch], 0], save })
  const label = (name: string): string => `copy up ${entry.index}: ${name}`
  const sync = fdNumber(plan, 'sync')
  const answer = (size: number): Step => step({ call: 'write', args: [sync, reply, size], on: { EPIPE: to(ORPHANED) } })
  return [
    top(from, source),
    top(into, tmpfs),
    { ...tellRuntime(plan, bytes(`{copyUp, ${entry.index}}`, encodeNotice('copyUp', entry.index)), pointer, says), then: { skip: 2 } },
    { ...answer(REPLY_SIZE), label: label('long answer'), then: { skip: 1 } },
    { ...answer(SHORT_REPLY_SIZE), label: label('answer') },
    step({
      call: 'read',
      args: [sync, request, REQUEST_SIZE],
      on: { EINTR: 'retry', ECONNRESET: to(ORPHANED) },
      zero: to(ORPHANED)
    }),
    step({ ...isAsked(1), on: { EAGAIN: 'next' }, then: to(label('done')) }),
    ...(Object.keys(SERVICES) as RequestName[]).flatMap((what) =>
      service(what, SERVICES[what](arch, to(label('long answer'))), to(label('answer'))).map(step)
    ),
    { ...step({ call: 'exit_group', args: [1] }), says: 'end, for the runtime asks for what nobody knows' },
    { ...close(source, pointer), label: label('done') },
    close(tmpfs, pointer)
  ]
}

const isAsked = (what: number): Call => ({ call: 'compare', args: [request, bytes(`[${what}]`, new Uint8Array([what])), 0, 1, EAGAIN] })

/** The calls of a service, behind the question whether it is the one. */
function service(what: RequestName, calls: readonly Call[], answer: Target): Call[] {
  return [
    { ...isAsked(Request[what]), on: { EAGAIN: { skip: calls.length } } },
    ...calls.map((call, i) => ending(call, calls.length - 1 - i, answer))
  ]
}

/** What leads past the end of a service leads to the answer. @param left calls that follow */
function ending(call: Call, left: number, answer: Target): Call {
  const lead = (target: Target): Target => {
    const skip = target === 'next' ? 0 : typeof target === 'object' && 'skip' in target ? target.skip : -1
    return skip === left ? answer : target
  }
  const on = Object.entries(call.on ?? {}).map(([errno, where]) => [errno, lead(where)] as const)
  const then = lead(call.then ?? 'next')
  return { ...call, ...(on.length === 0 ? {} : { on: Object.fromEntries(on) }), ...(then === 'next' ? {} : { then }) }
}
