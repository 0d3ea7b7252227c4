/** Descriptors of the user namespaces that idmapped mounts are mapped by. Imported only for containers that have some. */
import { constants, openSync } from 'node:fs'
import { type IdMap, idMapOf } from '../config/idmap.ts'
import type { Config } from '../config/types.ts'
import { stepFailed, systemError } from '../errors/wording.ts'
import { type OwnedFd, own } from '../linux/fd.ts'
import { architecture } from '../linux/ffi.ts'
import { socketpairSeqpacket } from '../linux/socket.ts'
import { compileUserNamespace } from '../plan/user-namespace.ts'
import { type Pointers, writeIdMaps } from './idmaps.ts'
import type { Interrupt } from './interrupt.ts'
import { killChild } from './program.ts'
import { nextMessage } from './protocol.ts'
import { spawnPlan } from './spawn-plan.ts'

/**
 * Opens the user namespace for mount `index`, which asks for one.
 * @param fallbackDirectory see spawnPlan
 * @returns a descriptor that the caller closes
 * @throws TsrunError with the pointer, for a map that the kernel refuses
 */
export async function openIdMap(
  { mounts = [], linux }: Config,
  index: number,
  fallbackDirectory: string,
  interrupt: Interrupt
): Promise<OwnedFd> {
  const mapped = idMapOf(mounts[index]!, linux)
  if (mapped === undefined || mapped.kind === 'problem') throw new RangeError(`mount ${index} has no map`)
  const pointer = `/mounts/${index}${mapped.field}`
  if (mapped.kind === 'joined') return openNamespace(mapped.path, pointer)
  const gid = pointer.replace(/uidMappings$/, 'gidMappings')
  return makeNamespace(mapped.map, { uid: pointer, gid }, fallbackDirectory, interrupt)
}

function openNamespace(path: string, pointer: string): OwnedFd {
  try {
    return own(openSync(path, constants.O_RDONLY))
  } catch (cause) {
    throw systemError(`open the user namespace ${JSON.stringify(path)}`, cause, { pointer })
  }
}

/** A user namespace lives as long as a process is in it, or somebody holds a descriptor. */
async function makeNamespace(map: IdMap, at: Pointers, fallbackDirectory: string, interrupt: Interrupt): Promise<OwnedFd> {
  const plan = compileUserNamespace(architecture, at.uid)
  const [ours, theirs] = socketpairSeqpacket()
  using sync = ours
  const child = spawnPlan(plan, { named: { sync: theirs.fd }, preserve: 0, fallbackDirectory, detached: false })
  theirs[Symbol.dispose]()
  try {
    const message = await nextMessage(sync.fd, interrupt)
    if (message?.kind === 'failed') throw stepFailed(plan.steps[message.step]!, message.errno)
    await writeIdMaps(child.pid, map, at)
    return openNamespace(`/proc/${child.pid}/ns/user`, at.uid)
  } finally {
    await killChild(child)
    child.pidfd[Symbol.dispose]()
  }
}
