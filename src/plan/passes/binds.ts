/** Bind mounts: a tree of the host, cloned and detached, is moved into the container. */
import { errnoNumber } from '../../abi/errno.ts'
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, F_DUPFD_CLOEXEC } from '../../abi/fcntl.ts'
import { MS_SLAVE, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE, PROC_SUPER_MAGIC } from '../../abi/mount.ts'
import { STATFS_SIZE } from '../../abi/structs.ts'
import { idMapRefusals, sourceRefusals } from '../../errors/wording.plan.ts'
import { fdNumber, type Input, isBind, isNew, isOwn, type MountEntry, type Pass } from '../input.ts'
import { unlocked } from '../locked.ts'
import { bytes, type Slot, type Step, slot, text } from '../step.ts'
import { buffer, idMapAttr, mountAttr } from '../structs.ts'
import { copiesSymlink } from './fresh.ts'
import { attributes, setattr } from './mount-attributes.ts'
import { moveOnto, openTarget, quoted } from './mount-target.ts'

const tree = slot('mount')

/** Slot of a source that was opened before a user namespace took the right to. */
const sourceSlot = (entry: MountEntry): Slot => slot(`source of mount ${entry.index}`)

function openSource(input: Input, entry: MountEntry, into: Slot): Step[] {
  const source = input.facts.sources[entry.index]
  const recursive = entry.options.bind === 'rbind' || entry.mount.type === 'rbind' ? AT_RECURSIVE : 0
  const nofollow = entry.options.extensions.includes('src-nofollow') ? AT_SYMLINK_NOFOLLOW : 0
  const open: Step = {
    call: 'open_tree',
    args: [AT_FDCWD, text(source?.path ?? entry.mount.source ?? ''), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive | nofollow],
    save: into,
    pointer: `${entry.pointer}/source`,
    ...(input.facts.rootless && recursive === 0 ? { why: sourceRefusals } : {}),
    says: `open the source ${quoted(source?.path ?? entry.mount.source)}`
  }
  return [open, ...mapIds(input, entry, into)]
}

/** While the tree is nobody's yet, and with the rights that it was opened with. */
function mapIds(input: Input, { idMap, mount }: MountEntry, on: Slot): Step[] {
  if (idMap === undefined) return []
  const flags = AT_EMPTY_PATH | (idMap.recursive ? AT_RECURSIVE : 0)
  return [
    {
      call: 'mount_setattr',
      args: [on, text(''), flags, idMapAttr(fdNumber(input, idMap.fdName)), 32],
      pointer: idMap.pointer,
      says: `map the ids of ${quoted(mount.destination)}`,
      why: idMapRefusals
    }
  ]
}

/** The root of a user namespace may not reach the source, nor map its ids; the host's root can, before it enters. */
const opensSourcesEarly = (input: Input): boolean => isOwn(input, 'user') && !input.facts.rootless

/** Before a user namespace takes the right to reach them. */
export const bindSources: Pass = (input) =>
  opensSourcesEarly(input)
    ? input.mounts
        .filter((entry) => isBind(entry) && !entry.options.remount && !copiesSymlink(input, entry))
        .flatMap((entry) => [...openSource(input, entry, sourceSlot(entry)), enslave(entry)])
    : []

/** What is cloned on the host is still shared with it, and so would be what the container mounts there. */
const enslave = (entry: MountEntry): Step => {
  const slave = mountAttr(0, 0, MS_SLAVE, '{propagation=MS_SLAVE}')
  return setattr(sourceSlot(entry), true, slave, entry, 'make a slave of the source')
}

/**
 * One bind mount. A tree that was opened outside of the user namespace has lost the locks on its options: root of the container could take away what
 * the host has set. So it is opened again inside, where they hold; the other one is for what only root of the host can reach, or map.
 */
export function bind(input: Input, entry: MountEntry): Step[] {
  const early = opensSourcesEarly(input)
  const from = early && !opensAgain(input, entry) ? sourceSlot(entry) : tree
  return [
    ...(early ? [] : openSource(input, entry, tree)),
    ...(early && opensAgain(input, entry) ? openAgain(input, entry) : []),
    ...(entry.path.join('/') === 'proc' ? checkProc(entry, from) : []),
    ...attributes(input, entry, from, unlocked(entry.options, input.facts.sources[entry.index]?.attributes)),
    ...openTarget(input, entry),
    ...moveOnto(input, entry, from)
  ]
}

/** In a mount namespace that is joined the path may lead elsewhere. */
const opensAgain = (input: Input, entry: MountEntry): boolean => entry.idMap === undefined && isNew(input, 'mount')

/** EINVAL: something is mounted below that would be uncovered, which only root of the host may do (mount_namespaces(7)). */
function openAgain(input: Input, entry: MountEntry): Step[] {
  const [open] = openSource(input, entry, tree)
  const { pointer, says } = open!
  return [
    { ...open!, on: { EACCES: 'next', EINVAL: 'next' }, then: { skip: 1 } },
    { call: 'fcntl', args: [sourceSlot(entry), F_DUPFD_CLOEXEC, 0], save: tree, pointer, says }
  ]
}

const EINVAL = errnoNumber('EINVAL')
const fileSystem = buffer(STATFS_SIZE, '{statfs}')

/** Whoever believes what /proc says must not be told lies by a volume (CVE-2019-16884). */
function checkProc(entry: MountEntry, from: Slot): Step[] {
  const pointer = `${entry.pointer}/source`
  const says = `mount ${quoted(entry.mount.source)} on "/proc"`
  const magic = new Uint8Array(8)
  new DataView(magic.buffer).setUint32(0, PROC_SUPER_MAGIC, true)
  const why = { EINVAL: 'it cannot be mounted because it is not of type proc' }
  return [
    { call: 'fstatfs', args: [from, fileSystem], pointer, says },
    { call: 'compare', args: [fileSystem, bytes('PROC_SUPER_MAGIC', magic), 0, 8, EINVAL], pointer, says, why }
  ]
}
