/**
 * The program that becomes CRIU: in a mount namespace of its own, where the container's root file system is a mount, which CRIU asks for.
 * The host never sees that mount, and it ends with CRIU whatever happens. Pure, as the container's own plan.
 */
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, CLOSE_RANGE_CLOEXEC } from '../abi/fcntl.ts'
import { MOVE_MOUNT_F_EMPTY_PATH, MS_BIND, MS_REC, MS_SLAVE, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE } from '../abi/mount.ts'
import { CLONE_NEWNS } from '../abi/sched.ts'
import type { Architecture } from '../abi/syscalls.ts'
import { idMapRefusals } from '../errors/wording.plan.ts'
import { type Plan, type ProgramFd, type Step, slot, text } from '../plan/step.ts'
import { idMapAttr, stringArray } from '../plan/structs.ts'

/** What of the host is mounted for CRIU with its ids mapped, of which CRIU itself knows nothing. */
export interface MappedTree {
  /** Absolute, as `place`: a directory or file that is there, and is covered in CRIU's mount namespace only. */
  readonly source: string
  readonly place: string
  /** With what is mounted below the source. */
  readonly recursive: boolean
  /** The map is also for what is mounted below. */
  readonly mapsBelow: boolean
  /** Of what has asked for the map. */
  readonly pointer: string
}

export interface CriuProgram {
  readonly arch: Architecture
  /** Absolute. */
  readonly path: string
  readonly env: readonly string[]
  /** Root file system that is to be a mount; absent: CRIU stays in the runtime's mount namespace. */
  readonly root?: string
  /** It keeps the runtime's standard streams. */
  readonly terminal: boolean
  /** Names of more descriptors, which CRIU gets from `FIRST_EXTRA` on. */
  readonly extra: readonly string[]
  /** Each with a descriptor of the user namespace that maps it, named by `idMapFd`. */
  readonly mapped?: readonly MappedTree[]
}

/** Name of the descriptor for the mapped tree of that index. */
export const idMapFd = (index: number): string => `idmap ${index}`

const RPC = 3
const SYNC = 4
/** The first descriptor beside the standard streams, the RPC and the report of failures. */
export const FIRST_EXTRA = 5

/**
 * Compiles it. Descriptors: `null` for standard input, `output` for the other two streams, `rpc`, `sync` for the report of a step that fails (it is
 * closed when CRIU is executed), `extra`, and those of `mapped`, which needs a `root`.
 */
export function compileCriu({ arch, path, env, root, terminal, extra, mapped = [] }: CriuProgram): Plan {
  const args = ['criu', 'swrk', String(RPC)]
  const streams = [
    { name: 'null', fd: 0 },
    { name: 'output', fd: 1 },
    { name: 'output', fd: 2 }
  ]
  const fds: ProgramFd[] = [
    ...(terminal ? [] : streams),
    { name: 'rpc', fd: RPC },
    { name: 'sync', fd: SYNC },
    ...[...extra, ...mapped.map((_, index) => idMapFd(index))].map((name, index) => ({ name, fd: FIRST_EXTRA + index }))
  ]
  const steps: Step[] = [
    ...(root === undefined ? [] : ownMount(root)),
    ...mapped.flatMap((tree, index) => mountMapped(tree, FIRST_EXTRA + extra.length + index)),
    { call: 'close_range', args: [SYNC, SYNC, CLOSE_RANGE_CLOEXEC], pointer: '', says: 'close the report at execve' },
    {
      call: 'execve',
      args: [text(path), stringArray(args), stringArray(env)],
      pointer: '',
      says: `execute ${JSON.stringify(path)}`
    }
  ]
  return Object.freeze({ arch, steps, fds, report: slot('report'), reportFd: SYNC })
}

function ownMount(root: string): Step[] {
  const pointer = '/root/path'
  return [
    { call: 'unshare', args: [CLONE_NEWNS], pointer, says: 'make a mount namespace for CRIU' },
    // Mounts of the host still arrive, as they would in the container; none of ours goes out.
    { call: 'mount', args: [0, text('/'), 0, MS_SLAVE | MS_REC, 0], pointer, says: 'keep the mounts of CRIU from the host' },
    {
      call: 'mount',
      args: [text(root), text(root), 0, MS_BIND | MS_REC, 0],
      pointer,
      says: `mount ${JSON.stringify(root)} on itself`
    }
  ]
}

const tree = slot('mapped tree')

function mountMapped({ source, place, recursive, mapsBelow, pointer }: MappedTree, map: number): Step[] {
  const clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0)
  const quoted = JSON.stringify(source)
  return [
    { call: 'open_tree', args: [AT_FDCWD, text(source), clone], save: tree, pointer, says: `open the source ${quoted}` },
    {
      call: 'mount_setattr',
      args: [tree, text(''), AT_EMPTY_PATH | (mapsBelow ? AT_RECURSIVE : 0), idMapAttr(map), 32],
      pointer,
      says: `map the ids of ${quoted}`,
      why: idMapRefusals
    },
    {
      call: 'move_mount',
      args: [tree, text(''), AT_FDCWD, text(place), MOVE_MOUNT_F_EMPTY_PATH],
      pointer,
      says: `mount ${quoted} for CRIU`
    },
    { call: 'close', args: [tree], pointer, says: `close ${quoted}` },
    { call: 'close', args: [map], pointer, says: 'close the user namespace' }
  ]
}
