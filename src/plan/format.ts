/** Prints a plan as strace would, with the place in config.json behind each line. */
import { CAPABILITIES } from '../abi/capability.ts'
import * as fcntl from '../abi/fcntl.ts'
import * as mount from '../abi/mount.ts'
import * as prctl from '../abi/prctl.ts'
import * as sched from '../abi/sched.ts'
import * as socket from '../abi/socket.ts'
import type { Architecture, SyscallName } from '../abi/syscalls.ts'
import type { Arg, Plan, Step, Target } from './step.ts'

type Printer = (value: number, arch: Architecture) => string
type Names = readonly (readonly [string, number])[]

const withPrefix = (header: object, prefix: string, except: RegExp = /^$/): Names =>
  Object.entries(header).filter(
    (entry): entry is [string, number] => entry[0].startsWith(prefix) && typeof entry[1] === 'number' && !except.test(entry[0])
  )

const hex: Printer = (value) => `0x${(value >>> 0).toString(16)}`
const octal: Printer = (value) => `0${value.toString(8)}`
const decimal: Printer = (value) => String(value)
const fd: Printer = (value) => (value === fcntl.AT_FDCWD ? 'AT_FDCWD' : String(value))
const pointer: Printer = (value) => (value === 0 ? 'NULL' : String(value))

/** Names joined with `|`; bits without a name as a number. */
const flags =
  (names: Names, none = '0'): Printer =>
  (value) => {
    const found: string[] = []
    let rest = value >>> 0
    for (const [name, bit] of names) {
      if (bit === 0 || (rest & bit) >>> 0 !== bit >>> 0) continue
      rest = (rest & ~bit) >>> 0
      found.push(name)
    }
    if (rest !== 0) found.push(`0x${rest.toString(16)}`)
    return found.length === 0 ? none : found.join('|')
  }

/** One name of an enumeration. */
const one =
  (names: Names): Printer =>
  (value) =>
    names.find(([, number]) => number === value)?.[0] ?? String(value)

const openNames = (arch: Architecture): Names => [
  ['O_DIRECTORY', fcntl.O_DIRECTORY[arch]],
  ['O_NOFOLLOW', fcntl.O_NOFOLLOW[arch]],
  ...withPrefix(fcntl, 'O_', /^O_RDONLY$/)
]

const open: Printer = (value, arch) => {
  const text = flags(openNames(arch), '')(value, arch)
  return (value & 3) === 0 && !(value & fcntl.O_PATH) ? ['O_RDONLY', text].filter(Boolean).join('|') : text
}

const cloneNames: Names = withPrefix(sched, 'CLONE_', /NEWTIME/)
const clone: Printer = (value) => {
  const signal = value & 0xff
  return [flags(cloneNames, '')(value & ~0xff, 'x64'), signal === 17 ? 'SIGCHLD' : ''].filter(Boolean).join('|')
}
const namespaces = flags(withPrefix(sched, 'CLONE_NEW'))
const attrs = flags(withPrefix(mount, 'MOUNT_ATTR_', /__ATIME|_RELATIME/))
const fsconfigCommands = withPrefix(mount, 'FSCONFIG_')
const mountFlags = flags(withPrefix(mount, 'MS_'))
const at = flags([
  ['AT_EMPTY_PATH', fcntl.AT_EMPTY_PATH],
  ['AT_RECURSIVE', fcntl.AT_RECURSIVE],
  ['AT_SYMLINK_NOFOLLOW', fcntl.AT_SYMLINK_NOFOLLOW]
])
const mode: Printer = (value) => {
  const type = one([...withPrefix(fcntl, 'S_IF', /S_IFMT/)])(value & fcntl.S_IFMT, 'x64')
  return value & fcntl.S_IFMT ? `${type}|${octal(value & 0o7777, 'x64')}` : octal(value, 'x64')
}
const prctlOptions = one(withPrefix(prctl, 'PR_', /AMBIENT_/))
const capability: Printer = (value) => CAPABILITIES[value] ?? String(value)
const limits = one(Object.entries(prctl.RLIMITS))
const socketType = flags([
  ['SOCK_CLOEXEC', socket.SOCK_CLOEXEC],
  ['SOCK_SEQPACKET', socket.SOCK_SEQPACKET],
  ['SOCK_DGRAM', socket.SOCK_DGRAM],
  ['SOCK_STREAM', socket.SOCK_STREAM]
])
const ioctls = one([...withPrefix(socket, 'TIOC'), ...withPrefix(socket, 'SIOC')])

/** How each argument of a call is printed; `pointer` where NULL is usual. A call that is not here prints numbers. */
const ARGUMENTS: Readonly<Partial<Record<SyscallName, readonly Printer[]>>> = {
  openat: [fd, pointer, open, octal],
  openat2: [fd, pointer, pointer, decimal],
  statx: [fd, pointer, at, hex],
  mkdirat: [fd, pointer, octal],
  mknodat: [fd, pointer, mode, hex],
  fchownat: [fd, pointer, decimal, decimal, at],
  utimensat: [fd, pointer, pointer, at],
  fchmod: [fd, octal],
  umask: [octal],
  unshare: [namespaces],
  setns: [fd, namespaces],
  clone: [clone, pointer, pointer, pointer, pointer],
  mount: [pointer, pointer, pointer, mountFlags, pointer],
  umount2: [pointer, flags([['MNT_DETACH', mount.MNT_DETACH]])],
  open_tree: [
    fd,
    pointer,
    flags([
      ['OPEN_TREE_CLONE', mount.OPEN_TREE_CLONE],
      ['OPEN_TREE_CLOEXEC', mount.OPEN_TREE_CLOEXEC],
      ['AT_RECURSIVE', fcntl.AT_RECURSIVE],
      ['AT_EMPTY_PATH', fcntl.AT_EMPTY_PATH],
      ['AT_SYMLINK_NOFOLLOW', fcntl.AT_SYMLINK_NOFOLLOW]
    ])
  ],
  move_mount: [fd, pointer, fd, pointer, flags(withPrefix(mount, 'MOVE_MOUNT_'))],
  mount_setattr: [fd, pointer, at, pointer, decimal],
  fsopen: [pointer, flags([['FSOPEN_CLOEXEC', mount.FSOPEN_CLOEXEC]])],
  fsconfig: [fd, one(fsconfigCommands), pointer, pointer, decimal],
  fsmount: [fd, flags([['FSMOUNT_CLOEXEC', mount.FSMOUNT_CLOEXEC]]), attrs],
  prctl: [prctlOptions, capability],
  prlimit64: [decimal, limits, pointer, pointer],
  socket: [
    one([
      ['AF_INET', socket.AF_INET],
      ['AF_UNIX', socket.AF_UNIX]
    ]),
    socketType
  ],
  accept4: [fd, pointer, pointer, socketType],
  ioctl: [fd, ioctls],
  keyctl: [one(withPrefix(prctl, 'KEYCTL_')), hex, hex],
  faccessat2: [fd, pointer, one([['X_OK', fcntl.X_OK]]), one([['AT_EACCESS', fcntl.AT_EACCESS]])],
  close_range: [decimal, (value) => (value === -1 ? '~0U' : String(value)), flags([['CLOSE_RANGE_CLOEXEC', fcntl.CLOSE_RANGE_CLOEXEC]])]
}

/** The second argument of prctl(2) is a capability only for one option, and an operation for another. */
function printNumber(step: Step, index: number, value: number, arch: Architecture): string {
  if (step.call === 'compare') return decimal(value, arch)
  if (step.call === 'prctl' && index === 1 && step.args[0] === prctl.PR_CAP_AMBIENT)
    return one(withPrefix(prctl, 'PR_CAP_AMBIENT_'))(value, arch)
  if (step.call === 'prctl' && index === 1 && step.args[0] !== prctl.PR_CAPBSET_DROP) return decimal(value, arch)
  if (step.call === 'prctl' && index === 2 && step.args[0] === prctl.PR_CAP_AMBIENT && value !== 0) return capability(value, arch)
  return (ARGUMENTS[step.call]?.[index] ?? decimal)(value, arch)
}

/** One argument as strace prints it; a slot by its name. */
export function formatArg(step: Step, index: number, arch: Architecture): string {
  const arg: Arg = step.args[index] ?? 0
  if (typeof arg === 'number') return printNumber(step, index, arg, arch)
  if (arg.kind === 'text') return JSON.stringify(arg.text)
  if (arg.kind === 'slot') return `<${arg.name}>`
  if (arg.kind === 'inside') return `${arg.of.shows}+${arg.offset}`
  return arg.shows
}

/** The call itself: `mkdirat(<root>, "dev", 0755)`. */
export function formatCall(step: Step, arch: Architecture): string {
  const call = `${step.call}(${step.args.map((_, i) => formatArg(step, i, arch)).join(', ')})`
  return step.save === undefined ? call : `${call} = <${step.save.name}>`
}

/** One step as data, with jumps as step numbers; `null` is the step itself. */
export interface ExplainedStep {
  readonly index: number
  readonly call: string
  readonly args: readonly string[]
  readonly save?: string
  readonly jumps: Readonly<Record<string, number>>
  readonly pointer: string
  readonly says: string
}

/** The plan as data for `explain --json` and for tests. */
export function explainPlan(plan: Plan): readonly ExplainedStep[] {
  const labels = new Map(plan.steps.flatMap((step, i) => (step.label === undefined ? [] : [[step.label, i] as const])))
  const find = (target: Target, from: number): number => {
    if (typeof target === 'number') return target
    if (target === 'next') return from + 1
    if (target === 'retry') return from
    return 'skip' in target ? from + 1 + target.skip : labels.get(target.to)!
  }
  return plan.steps.map((step, index) => ({
    index,
    call: step.call,
    args: step.args.map((_, i) => formatArg(step, i, plan.arch)),
    ...(step.save === undefined ? {} : { save: step.save.name }),
    jumps: Object.fromEntries(jumpsOf(step).map(([when, target]) => [when, find(target, index)])),
    pointer: step.pointer,
    says: step.says
  }))
}

const jumpsOf = (step: Step): readonly (readonly [string, Target])[] => [
  ...Object.entries(step.on ?? {}),
  ...(step.zero === undefined ? [] : [['0', step.zero] as const]),
  ...(step.then === undefined || step.then === 'next' ? [] : [['else', step.then] as const])
]

const formatJump = (when: string, target: number, from: number): string =>
  `${when}: ${target === from ? 'again' : target === from + 1 ? 'go on' : `to ${target}`}`

/** The whole plan, a line a step: number, call, jumps, pointer. `columns` is where the pointers start. */
export function formatPlan(plan: Plan, columns = 100): string {
  const width = String(plan.steps.length - 1).length
  const header = `# ${plan.arch}, ${plan.steps.length} steps; descriptors: ${plan.fds.map(({ name, fd }) => `${fd} ${name}`).join(', ')}\n`
  const explained = explainPlan(plan)
  const lines = plan.steps.map((step, i) => {
    const jumps = Object.entries(explained[i]!.jumps).map(([when, target]) => formatJump(when, target, i))
    const left = `${String(i).padStart(width)}  ${formatCall(step, plan.arch)}${jumps.length === 0 ? '' : `  [${jumps.join(', ')}]`}`
    return step.pointer === '' ? left : `${left.padEnd(columns)}  ${step.pointer}`
  })
  return `${header}${lines.join('\n')}\n`
}
