/** Checks of user namespaces and their id maps (user_namespaces(7)). */
import type { Problem } from '../errors/error.ts'
import { known } from '../errors/wording.config.ts'
import { pointer } from './pointer.ts'
import { isNew } from './rules.namespaces.ts'
import type { Rule } from './rules.ts'
import type { Config, IdMapping } from './types.ts'

/** UID_GID_MAP_MAX_EXTENTS of linux/user_namespace.h. */
const EXTENTS_MAX = 340
/** 2^32 - 1: no id, and the most that a map may reach to. */
const NO_ID = 4294967295

const KINDS = ['uidMappings', 'gidMappings'] as const

export const mappingRules: readonly Rule[] = [
  {
    name: 'user-namespace-mappings',
    why: 'config-linux.md#user-namespace-mappings: a new user namespace without a map has no user',
    needs: '/linux/namespaces',
    check: userNamespaceProblems
  },
  {
    name: 'mapping-ranges',
    why: 'user_namespaces(7): EINVAL',
    check: ({ linux, mounts }) => [
      ...(linux ? rangesOf(linux, '/linux') : []),
      ...(mounts ?? []).flatMap((mount, i) => (mount.uidMappings || mount.gidMappings ? rangesOf(mount, pointer('mounts', i)) : []))
    ]
  },
  {
    name: 'mapped-user',
    why: 'setuid(2), setgid(2), setgroups(2): EINVAL for an id that the user namespace does not map',
    needs: '/linux',
    check: mappedUserProblems
  }
]

function userNamespaceProblems(config: Config): readonly Problem[] {
  const namespaces = config.linux?.namespaces ?? []
  const index = namespaces.findIndex(({ type }) => type === 'user')
  const given = KINDS.filter((kind) => (config.linux?.[kind]?.length ?? 0) > 0)
  if (index < 0) return given.map((kind) => ({ pointer: pointer('linux', kind), message: known.mappingsWithoutUser }))
  if (namespaces[index]?.path || given.length === 2) return []
  if (given.length === 0) return [{ pointer: pointer('linux', 'namespaces', index), message: known.userWithoutMappings }]
  const missing = given[0] === 'uidMappings' ? 'gidMappings' : 'uidMappings'
  return [{ pointer: pointer('linux', missing), message: `must be given when ${given[0]} is` }]
}

type Mapped = { readonly [Kind in (typeof KINDS)[number]]?: readonly IdMapping[] }

const rangesOf = (holder: Mapped, at: string): readonly Problem[] =>
  KINDS.flatMap((kind) => (holder[kind] ? rangeProblems(holder[kind], at + pointer(kind)) : []))

function rangeProblems(mappings: readonly IdMapping[], at: string): readonly Problem[] {
  const problems = mappings.flatMap((mapping, i) => extentProblems(mapping, `${at}/${i}`))
  if (mappings.length > EXTENTS_MAX)
    problems.push({ pointer: at, message: `must have at most ${EXTENTS_MAX} entries, not ${mappings.length}` })
  return [...problems, ...overlaps(mappings.slice(0, EXTENTS_MAX), at)]
}

function extentProblems({ containerID, hostID, size }: IdMapping, at: string): Problem[] {
  if (size === 0) return [{ pointer: `${at}/size`, message: 'must be at least 1, not 0' }]
  return Object.entries({ containerID, hostID }).flatMap(([key, first]) =>
    first + size > NO_ID
      ? [{ pointer: `${at}/size`, message: `must be at most ${NO_ID - first}, because ${key} is ${first}, not ${size}` }]
      : []
  )
}

function overlaps(mappings: readonly IdMapping[], at: string): readonly Problem[] {
  return (['containerID', 'hostID'] as const).flatMap((key) => {
    const sorted = mappings
      .map((mapping, index) => ({ first: mapping[key], end: mapping[key] + mapping.size, index }))
      .sort((a, b) => a.first - b.first)
    return sorted.flatMap(({ first, index }, i) => {
      const before = sorted[i - 1]
      if (before === undefined || before.end <= first) return []
      return [
        {
          pointer: `${at}/${index}/${key}`,
          message: `must not overlap with entry ${before.index}, which reaches to ${before.end - 1}; it is ${first}`
        }
      ]
    })
  })
}

function mappedUserProblems(config: Config): readonly Problem[] {
  const { uidMappings = [], gidMappings = [] } = config.linux ?? {}
  if (!isNew(config, 'user') || uidMappings.length === 0 || gidMappings.length === 0 || !config.process) return []
  const { uid = 0, gid = 0, additionalGids = [] } = config.process.user ?? {}
  const isMapped = (mappings: readonly IdMapping[], id: number): boolean =>
    mappings.some(({ containerID, size }) => id >= containerID && id < containerID + size)
  const say = (at: string, id: number, kind: string): Problem => ({
    pointer: `/process/user/${at}`,
    message: `${id} is not mapped by linux.${kind}`
  })
  return [
    ...(isMapped(uidMappings, uid) ? [] : [say('uid', uid, 'uidMappings')]),
    ...(isMapped(gidMappings, gid) ? [] : [say('gid', gid, 'gidMappings')]),
    ...additionalGids.flatMap((id, i) => (isMapped(gidMappings, id) ? [] : [say(`additionalGids/${i}`, id, 'gidMappings')]))
  ]
}
