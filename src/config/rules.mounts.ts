/** Checks of mounts and devices, as far as their paths and words tell. Symlinks in the root file system are the plan's affair. */
import type { Problem } from '../errors/error.ts'
import { known } from '../errors/wording.config.ts'
import { needsOldApi, parseMountOptions } from '../plan/mount-options.ts'
import { idMapOf } from './idmap.ts'
import { pointer } from './pointer.ts'
import type { Rule } from './rules.ts'
import { show } from './schema.ts'
import type { Config, Mount } from './types.ts'

/** Files of procfs that may be covered, because they tell of the host and decide nothing (lxcfs does it). */
const COVERABLE = new Set(
  [
    'cpuinfo',
    'diskstats',
    'meminfo',
    'stat',
    'swaps',
    'uptime',
    'loadavg',
    'slabinfo',
    'sys/kernel/ns_last_pid',
    'sys/crypto/fips_enabled'
  ].map((name) => `/proc/${name}`)
)

/** A mount is a bind mount by its options; the type alone says it as well. */
const isBind = ({ type, options }: Mount): boolean =>
  type === 'bind' || type === 'rbind' || (options?.some((option) => option === 'bind' || option === 'rbind') ?? false)

export const mountRules: readonly Rule[] = [
  {
    name: 'mount-destinations',
    why: 'a mount over the root or inside /proc would undo what protects the host (CVE-2019-16884, CVE-2023-28642)',
    check: ({ mounts }) => (mounts ?? []).flatMap((mount, i) => destinationProblems(mount, pointer('mounts', i, 'destination')))
  },
  {
    name: 'mount-sources',
    why: 'config.md#mounts: a bind mount needs a source, any other a type',
    check: ({ mounts }) => (mounts ?? []).flatMap((mount, i) => sourceProblems(mount, i))
  },
  {
    name: 'mount-data',
    why: 'mount(2): the kernel copies one page of data and forgets the rest',
    check: ({ mounts }) => (mounts ?? []).flatMap((mount, i) => dataProblems(mount, i))
  },
  {
    name: 'mount-mappings',
    why: 'config.md#posix-platform-mounts: both maps or none; only the tree of a bind mount can be mapped',
    check: ({ mounts, linux }) => (mounts ?? []).flatMap((mount, i) => mappingProblems(mount, linux, i))
  },
  {
    name: 'devices',
    why: 'config-linux.md#devices',
    check: ({ linux }) =>
      (linux?.devices ?? []).flatMap(({ type, path, ...device }, i) => [
        ...(path.startsWith('/')
          ? []
          : [{ pointer: pointer('linux', 'devices', i, 'path'), message: `must be an absolute path, not ${show(path)}` }]),
        ...((device.fileMode ?? 0) <= 0o177777
          ? []
          : [{ pointer: pointer('linux', 'devices', i, 'fileMode'), message: `must be at most 65535 (0o177777), not ${device.fileMode}` }]),
        ...(['major', 'minor'] as const)
          .filter((key) => type !== 'p' && device[key] === undefined)
          .map((key) => ({ pointer: pointer('linux', 'devices', i, key), message: `must be given for a device of type ${show(type)}` }))
      ])
  }
]

/** The destination as an absolute path without `.`, `..` and needless slashes. */
function clean(destination: string): string {
  const names: string[] = []
  for (const name of destination.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return `/${names.join('/')}`
}

function destinationProblems(mount: Mount, at: string): readonly Problem[] {
  const path = clean(mount.destination)
  if (path === '/') return [{ pointer: at, message: `mountpoint ${show(mount.destination)} ${known.onRootfs}` }]
  if (path === '/proc') {
    // Whether the source of a bind mount is a procfs is seen when it is opened.
    if (mount.type === 'proc' || isBind(mount)) return []
    return [
      { pointer: at, message: `${show(mount.destination)} cannot be mounted because it is not of type proc, but ${show(mount.type ?? '')}` }
    ]
  }
  if (!path.startsWith('/proc/') || COVERABLE.has(path)) return []
  return [{ pointer: at, message: `${show(mount.destination)} ${known.insideProc}` }]
}

function sourceProblems(mount: Mount, i: number): readonly Problem[] {
  // What is mounted there already has its own.
  if (mount.options?.includes('remount')) return []
  if (isBind(mount)) return mount.source ? [] : [{ pointer: pointer('mounts', i, 'source'), message: 'must be given for a bind mount' }]
  if (mount.type) return []
  return [{ pointer: pointer('mounts', i, 'type'), message: 'must be given unless the options have "bind" or "rbind"' }]
}

/** Of mount(2), with the NUL. */
const DATA_MAX = 4095

function dataProblems({ options }: Mount, i: number): readonly Problem[] {
  const parsed = parseMountOptions(options)
  if (!needsOldApi(parsed)) return []
  const length = new TextEncoder().encode(parsed.data.map(({ option }) => option).join(',')).length
  if (length <= DATA_MAX) return []
  return [{ pointer: pointer('mounts', i, 'options'), message: `must have at most ${DATA_MAX} bytes for the file system, not ${length}` }]
}

function mappingProblems(mount: Mount, linux: Config['linux'], i: number): readonly Problem[] {
  const at = pointer('mounts', i)
  const uid = (mount.uidMappings?.length ?? 0) > 0
  const gid = (mount.gidMappings?.length ?? 0) > 0
  if (uid !== gid) {
    const [missing, given] = uid ? ['gidMappings', 'uidMappings'] : ['uidMappings', 'gidMappings']
    return [{ pointer: `${at}/${missing}`, message: `must be given when ${given} is` }]
  }
  const mapped = idMapOf(mount, linux)
  return mapped?.kind === 'problem' ? [{ pointer: at + mapped.field, message: mapped.message }] : []
}
