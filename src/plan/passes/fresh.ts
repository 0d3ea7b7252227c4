/**
 * A tmpfs of the container is empty, and nobody else's until it is moved into place. Mount points and devices that come to lie in it
 * are therefore made while it is detached: by plain paths, which no symlink can bend, and without a look at what is there already.
 */
import { S_IFREG } from '../../abi/fcntl.ts'
import { type Input, isBind, type MountEntry } from '../input.ts'
import { needsOldApi } from '../mount-options.ts'
import { components } from '../paths.ts'
import { type Slot, type Step, text } from '../step.ts'

/** By the texts alone, so never for a path with `..`, whose meaning depends on symlinks. */
export const isInside = (path: readonly string[], top: readonly string[]): boolean =>
  path.length > top.length && startsWith(path, top) && !path.includes('..')

/** Every mount is compared with every other, and with every path: a loop takes a third of the time that `every` takes. */
function startsWith(path: readonly string[], top: readonly string[]): boolean {
  for (let i = 0; i < top.length; i++) if (path[i] !== top[i]) return false
  return true
}

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && startsWith(a, b)

/** The mount before `index` that covers `path`, by their texts. */
function covering(input: Input, path: readonly string[], index: number): MountEntry | undefined {
  for (let i = index - 1; i >= 0; i--) {
    if (isInside(path, input.mounts[i]!.path)) return input.mounts[i]
  }
  return undefined
}

function isFreshTmpfs(entry: MountEntry | undefined): boolean {
  if (entry === undefined || entry.mount.type !== 'tmpfs' || isBind(entry)) return false
  // mount(2) makes no detached mounts.
  return !entry.options.remount && entry.options.extensions.length === 0 && !needsOldApi(entry.options)
}

/** True when the mount point of `entry` was made together with the tmpfs that it lies in. */
export const isMadeInside = (input: Input, entry: MountEntry): boolean => isFreshTmpfs(covering(input, entry.path, entry.index))

/** True when `path`, of a device, lies directly in a tmpfs of the container, no mount is at or over it, and no other device has it. */
export function isFresh(input: Input, path: string): boolean {
  const names = components(path)
  if ((input.config.linux?.devices ?? []).filter((device) => isSame(components(device.path), names)).length > 1) return false
  if (input.mounts.some((entry) => isSame(entry.path, names))) return false
  const cover = covering(input, names, input.mounts.length)
  return isFreshTmpfs(cover) && cover!.path.length === names.length - 1
}

/** The kind of mount point that a mount needs. */
export const mountPointKind = (input: Input, entry: MountEntry): 'directory' | 'file' =>
  isBind(entry) && input.facts.sources[entry.index]?.kind === 'other' ? 'file' : 'directory'

/** True for a bind mount in whose place its source, a symlink, is made anew. */
export const copiesSymlink = (input: Input, entry: MountEntry): boolean =>
  isBind(entry) && entry.options.extensions.includes('copy-symlink') && input.facts.sources[entry.index]?.symlink !== undefined

/** Steps that make the mount points that lie in the detached tmpfs `tree`. */
export function makeInside(input: Input, entry: MountEntry, tree: Slot): Step[] {
  if (!isFreshTmpfs(entry)) return []
  const top = entry.path
  const made = new Set<string>()
  const steps: Step[] = []
  for (const later of input.mounts.slice(entry.index + 1)) {
    const { path } = later
    if (copiesSymlink(input, later) || covering(input, path, later.index) !== entry) continue
    const relative = path.slice(top.length)
    for (let depth = 1; depth <= relative.length; depth++) {
      const name = relative.slice(0, depth).join('/')
      if (made.has(name)) continue
      made.add(name)
      steps.push(makeOne(tree, name, depth === relative.length ? mountPointKind(input, later) : 'directory', later))
    }
  }
  return steps
}

function makeOne(tree: Slot, name: string, kind: 'directory' | 'file', { mount, pointer }: MountEntry): Step {
  const common = { pointer: `${pointer}/destination`, says: `make the mount point ${JSON.stringify(mount.destination)}` }
  return kind === 'file'
    ? { call: 'mknodat', args: [tree, text(name), S_IFREG | 0o644, 0], ...common }
    : { call: 'mkdirat', args: [tree, text(name), 0o755], ...common }
}
