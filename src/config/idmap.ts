/** The id map of a bind mount: its own mappings, those in the option `idmap=…` (crun's, which Podman passes on), or those of the container. */
import { isBindMount, parseMountOptions } from '../plan/mount-options.ts'
import type { Config, IdMapping, Mount } from './types.ts'

/** The ids of the file system (containerID) and those that they become (hostID), as in /proc/PID/uid_map of a user namespace. */
export interface IdMap {
  readonly uids: readonly IdMapping[]
  readonly gids: readonly IdMapping[]
}

/** What a mount is mapped by; a problem when it cannot be told. */
export type MountIdMap =
  | { readonly kind: 'map'; readonly map: IdMap; readonly recursive: boolean; readonly field: string }
  /** The container's user namespace, which is joined. */
  | { readonly kind: 'joined'; readonly path: string; readonly recursive: boolean; readonly field: string }
  /** `field` is the end of the pointer, from the mount on. */
  | { readonly kind: 'problem'; readonly field: string; readonly message: string }

/** The option of a mount that asks for a map. The last one counts, as with all options. */
interface Asked {
  readonly recursive: boolean
  /** What stands behind `idmap=`. */
  readonly spec: string | undefined
  readonly field: string
}

/** How `mount` is mapped; undefined when it is not. */
export function idMapOf(mount: Mount, linux: Config['linux']): MountIdMap | undefined {
  const asked = askedFor(mount)
  const own = (mount.uidMappings?.length ?? 0) > 0 || (mount.gidMappings?.length ?? 0) > 0
  if (asked === undefined && !own) return undefined
  const field = asked?.field ?? '/uidMappings'
  if (!isBindMount(mount.type, parseMountOptions(mount.options))) {
    return { kind: 'problem', field, message: 'must not be given for a mount that is no bind mount' }
  }
  const recursive = asked?.recursive === true
  if (asked?.spec !== undefined) return ofSpec(asked.spec, linux, recursive, field)
  if (own) return { kind: 'map', map: { uids: mount.uidMappings ?? [], gids: mount.gidMappings ?? [] }, recursive, field: '/uidMappings' }
  return ofContainer(linux, recursive, field)
}

const OPTION = /^(r?)idmap(?:=(.*))?$/s

/** True for an option that asks for a map. */
export const isIdMapOption = (option: string): boolean => OPTION.test(option)

function askedFor({ options = [] }: Mount): Asked | undefined {
  const index = options.findLastIndex(isIdMapOption)
  const [, recursive, spec] = OPTION.exec(options[index] ?? '') ?? []
  return index < 0 ? undefined : { recursive: recursive === 'r', spec, field: `/options/${index}` }
}

const userNamespace = (linux: Config['linux']) => linux?.namespaces?.find(({ type }) => type === 'user')

function ofContainer(linux: Config['linux'], recursive: boolean, field: string): MountIdMap {
  const namespace = userNamespace(linux)
  if (namespace === undefined) {
    return {
      kind: 'problem',
      field,
      message: 'needs mappings: uidMappings and gidMappings of the mount, or a user namespace of the container'
    }
  }
  if (namespace.path) return { kind: 'joined', path: namespace.path, recursive, field }
  return { kind: 'map', map: { uids: linux?.uidMappings ?? [], gids: linux?.gidMappings ?? [] }, recursive, field }
}

const IDENTITY: readonly IdMapping[] = [{ containerID: 0, hostID: 0, size: 4294967295 }]

/** `uids=0-1-10#@10-11-10;gids=@0-100-10` (crun(1)). What is not named is as in the container. */
function ofSpec(spec: string, linux: Config['linux'], recursive: boolean, field: string): MountIdMap {
  const found: Partial<Record<'uids' | 'gids', readonly IdMapping[]>> = {}
  for (const part of spec.split(';')) {
    const [, kind, ranges] = /^(uids|gids)=(.*)$/s.exec(part) ?? []
    const problem = (message: string): MountIdMap => ({ kind: 'problem', field, message })
    if (kind !== 'uids' && kind !== 'gids')
      return problem(`${JSON.stringify(part)} must be "uids=…" or "gids=…", with ranges such as "0-1000-10"`)
    if (found[kind] !== undefined) return problem(`"${kind}" is given twice`)
    const result = rangesOf(ranges ?? '', containerMap(linux, kind))
    if (typeof result === 'string') return problem(result)
    found[kind] = result
  }
  const rest = (kind: 'uids' | 'gids'): readonly IdMapping[] => found[kind] ?? containerMap(linux, kind) ?? IDENTITY
  return { kind: 'map', map: { uids: rest('uids'), gids: rest('gids') }, recursive, field }
}

/** What ids of the container are on the host; without a user namespace of its own, the same. */
function containerMap(linux: Config['linux'], kind: 'uids' | 'gids'): readonly IdMapping[] {
  const mappings = (kind === 'uids' ? linux?.uidMappings : linux?.gidMappings) ?? []
  return userNamespace(linux) === undefined || mappings.length === 0 ? IDENTITY : mappings
}

const ID_MAX = 4294967294

/** `0-1000-10#@10-20-1`; behind an `@`, the second number is an id in the container. A text is a problem. */
function rangesOf(text: string, container: readonly IdMapping[]): readonly IdMapping[] | string {
  const found: IdMapping[] = []
  for (const range of text.split('#')) {
    const [containerID, hostID, size] = (/^@?(\d{1,10})-(\d{1,10})-(\d{1,10})$/.exec(range) ?? []).slice(1).map(Number)
    if (containerID === undefined || hostID === undefined || size === undefined || size === 0)
      return `the range ${JSON.stringify(range)} must be three numbers such as "0-1000-10": of the file system, of the host, how many`
    if (Math.max(containerID, hostID) + size - 1 > ID_MAX)
      return `the range ${JSON.stringify(range)} reaches beyond ${ID_MAX}, the largest id`
    const one = { containerID, hostID, size }
    const mapped = range.startsWith('@') ? throughContainer(one, container) : [one]
    if (mapped === undefined) return `the range ${JSON.stringify(range)} has ids that the user namespace of the container does not map`
    found.push(...mapped)
  }
  return found
}

/** A range whose hostID is an id of the container: the ranges of the host that it is there. Undefined when some id is none. */
function throughContainer(
  { containerID, hostID: inside, size }: IdMapping,
  container: readonly IdMapping[]
): readonly IdMapping[] | undefined {
  const found: IdMapping[] = []
  for (let done = 0; done < size; ) {
    const at = inside + done
    const extent = container.find((each) => at >= each.containerID && at < each.containerID + each.size)
    if (extent === undefined) return undefined
    const length = Math.min(size - done, extent.containerID + extent.size - at)
    found.push({ containerID: containerID + done, hostID: extent.hostID + at - extent.containerID, size: length })
    done += length
  }
  return found
}
