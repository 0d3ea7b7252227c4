/** The program that holds a user namespace while a descriptor of it is taken: what maps the ids of a mount is a user namespace (mount_setattr(2)). */
import { CLONE_NEWUSER } from '../abi/sched.ts'
import type { Architecture } from '../abi/syscalls.ts'
import { encodeNotice } from './protocol.ts'
import { bytes, type Plan, slot } from './step.ts'
import { buffer } from './structs.ts'

const SYNC = 3

/** Descriptor: `sync`. It asks for its maps, and ends at the answer, or at the end of file. @param pointer of what wants the namespace */
export const compileUserNamespace = (arch: Architecture, pointer: string): Plan =>
  Object.freeze<Plan>({
    arch,
    steps: [
      { call: 'unshare', args: [CLONE_NEWUSER], pointer, says: 'make a user namespace' },
      { call: 'write', args: [SYNC, bytes('{maps}', encodeNotice('maps')), 8], pointer, says: 'wait for the id mappings' },
      { call: 'read', args: [SYNC, buffer(1), 1], on: { any: 'next' }, zero: 'next', pointer, says: 'wait for the id mappings' },
      { call: 'exit_group', args: [0], pointer, says: 'end' }
    ],
    fds: [{ name: 'sync', fd: SYNC }],
    report: slot('report'),
    reportFd: SYNC
  })
