/**
 * The program that becomes CRIU: in a mount namespace of its own, where the container's root file system is a mount, which CRIU asks for.
 * The host never sees that mount, and it ends with CRIU whatever happens. Pure, as the container's own plan.
 */
import { CLOSE_RANGE_CLOEXEC } from '../abi/fcntl.ts'
import { MS_BIND, MS_REC, MS_SLAVE } from '../abi/mount.ts'
import { CLONE_NEWNS } from '../abi/sched.ts'
import type { Architecture } from '../abi/syscalls.ts'
import { type Plan, type ProgramFd, type Step, slot, text } from '../plan/step.ts'
import { stringArray } from '../plan/structs.ts'

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
}

const RPC = 3
const SYNC = 4
/** The first descriptor beside the standard streams, the RPC and the report of failures. */
export const FIRST_EXTRA = 5

/**
 * Compiles it. Descriptors: `null` for standard input, `output` for the other two streams, `rpc`, `sync` for the report of a step that fails (it is
 * closed when CRIU is executed), and `extra`.
 */
export function compileCriu({ arch, path, env, root, terminal, extra }: CriuProgram): Plan {
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
    ...extra.map((name, index) => ({ name, fd: FIRST_EXTRA + index }))
  ]
  const steps: Step[] = [
    ...(root === undefined ? [] : ownMount(root)),
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
