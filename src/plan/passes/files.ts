/** Opening and making files inside the root file system: always by descriptor, never outside, whatever symlinks the image holds. */
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  S_IFREG,
  STATX_MODE,
  STATX_TYPE
} from '../../abi/fcntl.ts'
import type { Architecture } from '../../abi/syscalls.ts'
import { type Input, slots } from '../input.ts'
import { components, directoryOf } from '../paths.ts'
import { type Bytes, type Slot, type Step, slot, text } from '../step.ts'
import { buffer, openHow } from '../structs.ts'

/** Where the kernel puts stx_mode and stx_rdev_major, stx_rdev_minor in struct statx (linux/stat.h). */
export const STATX_SIZE = 256
export const STX_MODE = 28
export const STX_RDEV = 128

export interface InRoot {
  /** Path in the container; `..` and absolute symlinks stay inside. */
  readonly path: string
  /** Where the path starts, and what it cannot leave, for what is not made; default the root. */
  readonly from?: Slot
  readonly into: Slot
  /** What is made, with its parents, when nothing is there; `undefined` leaves ENOENT to `missing`. */
  readonly make?: 'directory' | 'file' | undefined
  /** Steps to skip when nothing is there; without it, a missing file is an error. */
  readonly missing?: number
  /** Steps to skip when the path leads to something that is no directory; asks for a directory. */
  readonly notDirectory?: number
  readonly directory?: boolean
  /** No component may be a symlink. */
  readonly noSymlinks?: boolean
  /** A symlink at the end is opened itself. */
  readonly noFollow?: boolean
  readonly pointer: string
  readonly says: string
}

/** Closes what a slot holds. */
export const close = (fd: Slot, pointer = ''): Step => ({ call: 'close', args: [fd], pointer, says: `close ${fd.name}` })

/** Fills `into` (STATX_SIZE bytes) with type, mode and device of an open file. */
export const statxFd = (fd: Slot | number, into: Bytes, pointer: string, says: string): Step => ({
  call: 'statx',
  args: [fd, text(''), AT_EMPTY_PATH, STATX_TYPE | STATX_MODE, into],
  pointer,
  says
})

/** A buffer for statx(2). */
export const statxBuffer = (slotsInside: readonly { offset: number; slot: Slot }[] = []): Bytes => {
  const empty = buffer(STATX_SIZE, '{statx}')
  return slotsInside.length === 0 ? empty : { ...empty, slots: slotsInside }
}

/**
 * Opens a path below the root with O_PATH. `RESOLVE_IN_ROOT` makes the container's `/` the top for `..` and absolute symlinks;
 * EAGAIN is the kernel's word for a rename that raced with `..` (openat2(2)), and is tried again.
 */
export function openInRoot(input: Input, want: InRoot): Step[] {
  const open = openStep(input, want)
  if (want.make === undefined) return [{ ...open, on: { ...open.on, ...absentTargets(want) } }]
  // At the end of a symlink to nothing the kernel would make nothing.
  const end = want.noSymlinks ? undefined : danglingEnd(input, want)
  const chain = makeChain(input, end === undefined ? want : { ...want, path: end })
  return [{ ...open, on: { ...open.on, ENOENT: 'next' }, then: { skip: chain.length } }, ...chain]
}

function danglingEnd({ facts: { dangling = {} } }: Input, { path, noFollow }: InRoot): string | undefined {
  if (!noFollow) return dangling[path]
  const parent = dangling[directoryOf(path)]
  return parent === undefined ? undefined : `${parent}/${components(path).at(-1)}`
}

function absentTargets(want: InRoot): NonNullable<Step['on']> {
  return {
    ...(want.missing === undefined ? {} : { ENOENT: { skip: want.missing } }),
    ...(want.notDirectory === undefined ? {} : { ENOTDIR: { skip: want.notDirectory } })
  }
}

const hows = new Map<string, Bytes>()

/** How a path is opened; the few variants are made once. */
function howOf(arch: Architecture, directory: boolean, noSymlinks: boolean, noFollow: boolean): Bytes {
  const key = `${arch}${directory ? 'd' : ''}${noSymlinks ? 's' : ''}${noFollow ? 'n' : ''}`
  let how = hows.get(key)
  if (how === undefined) {
    const shows = `{flags=O_PATH|O_CLOEXEC${directory ? '|O_DIRECTORY' : ''}${noFollow ? '|O_NOFOLLOW' : ''}, resolve=RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS${noSymlinks ? '|RESOLVE_NO_SYMLINKS' : ''}}`
    const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (noSymlinks ? RESOLVE_NO_SYMLINKS : 0)
    const flags = O_PATH | O_CLOEXEC | (directory ? O_DIRECTORY[arch] : 0) | (noFollow ? O_NOFOLLOW[arch] : 0)
    how = openHow(flags, 0, resolve, shows)
    hows.set(key, how)
  }
  return how
}

function openStep(input: Input, want: InRoot): Step {
  const directory = want.directory || want.make === 'directory' || want.notDirectory !== undefined
  return {
    call: 'openat2',
    args: [
      want.from ?? slots.root,
      text(components(want.path).join('/') || '.'),
      howOf(input.facts.arch, directory, want.noSymlinks === true, want.noFollow === true),
      24
    ],
    save: want.into,
    on: { EAGAIN: 'retry' },
    pointer: want.pointer,
    says: want.says
  }
}

const parents = [slot('parent a'), slot('parent b')] as const

/** `mkdir -p`, a component at a time, each below the descriptor of the one before. */
function makeChain(input: Input, want: InRoot): Step[] {
  const names = components(want.path)
  const steps: Step[] = []
  let parent: Slot = slots.root
  names.forEach((name, i) => {
    const last = i === names.length - 1
    const path = names.slice(0, i + 1).join('/')
    steps.push(makeStep(parent, name, last ? want.make : 'directory', path, want.pointer))
    const into = last ? want.into : parents[i % 2]!
    const kind = last ? want : { ...want, make: 'directory' as const, noSymlinks: false, noFollow: false }
    steps.push(openStep(input, { ...kind, path, into }))
    if (parent !== slots.root) steps.push(close(parent, want.pointer))
    parent = into
  })
  return steps
}

function makeStep(parent: Slot, name: string, make: InRoot['make'], path: string, pointer: string): Step {
  const common = { on: { EEXIST: 'next' }, pointer } as const
  return make === 'file'
    ? { call: 'mknodat', args: [parent, text(name), S_IFREG | 0o644, 0], says: `make the file "/${path}"`, ...common }
    : { call: 'mkdirat', args: [parent, text(name), 0o755], says: `make the directory "/${path}"`, ...common }
}
