/** Bind mounts: a tree of the host, cloned and detached, is moved into the container. */
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW } from '../../abi/fcntl.ts'
import { OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE } from '../../abi/mount.ts'
import { idMapRefusals } from '../../errors/wording.plan.ts'
import { fdNumber, type Input, isBind, isOwn, type MountEntry, type Pass } from '../input.ts'
import { type Slot, type Step, slot, text } from '../step.ts'
import { idMapAttr } from '../structs.ts'
import { copiesSymlink } from './fresh.ts'
import { attributes } from './mount-attributes.ts'
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
        .flatMap((entry) => openSource(input, entry, sourceSlot(entry)))
    : []

/** One bind mount. */
export function bind(input: Input, entry: MountEntry): Step[] {
  const early = opensSourcesEarly(input)
  const from = early ? sourceSlot(entry) : tree
  const { set, clear } = entry.options
  return [
    ...(early ? [] : openSource(input, entry, tree)),
    ...attributes(input, entry, from, { set, clear }),
    ...openTarget(input, entry),
    ...moveOnto(input, entry, from)
  ]
}
