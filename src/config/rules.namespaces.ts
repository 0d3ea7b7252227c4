/** Checks of linux.namespaces, and of what needs a namespace of the container's own. */
import type { Problem } from '../errors/error.ts'
import { known } from '../errors/wording.config.ts'
import { pointer } from './pointer.ts'
import type { Rule } from './rules.ts'
import { show } from './schema.ts'
import { sysctlNamespace, sysctlPath } from './sysctl.ts'
import type { Config, Namespace, NamespaceType } from './types.ts'

const NAMESPACES = '/linux/namespaces'
/** The runtime's own namespace, or init's: joining it is the same as having none. */
const HOSTS = /^\/proc\/(?:self|thread-self|1)\/ns\/\w+$/

const find = (config: Config, type: NamespaceType): Namespace | undefined =>
  config.linux?.namespaces?.find((namespace) => namespace.type === type)

/** True when the container's namespace of this type is not the runtime's, as far as the config tells. */
export function isPrivate(config: Config, type: NamespaceType): boolean {
  const namespace = find(config, type)
  return namespace !== undefined && !HOSTS.test(namespace.path ?? '')
}

/** True when a namespace of this type is made for the container. */
export const isNew = (config: Config, type: NamespaceType): boolean => {
  const namespace = find(config, type)
  return namespace !== undefined && !namespace.path
}

/**
 * What is wrong with a config if its namespaces of the types `shared` are the runtime's own, which a path does not tell (a bind mount, `/proc/PID`).
 * A mount namespace that everyone is in cannot be given another root.
 */
export function sharedNamespaceProblems(config: Config, shared: ReadonlySet<NamespaceType>): readonly Problem[] {
  const namespaces = (config.linux?.namespaces ?? []).filter(({ type }) => !shared.has(type))
  const seen: Config = { ...config, linux: { ...config.linux, namespaces } }
  const index = (config.linux?.namespaces ?? []).findIndex(({ type }) => type === 'mount')
  const mount = shared.has('mount') ? [{ pointer: pointer('linux', 'namespaces', index, 'path'), message: known.ownMountNamespace }] : []
  return [...mount, ...namespaceRules.filter(({ needs }) => needs === NAMESPACES).flatMap(({ check }) => check(seen))]
}

export const namespaceRules: readonly Rule[] = [
  {
    name: 'namespace-duplicates',
    why: 'config-linux.md#namespaces: duplicates must be an error',
    check: ({ linux }) =>
      (linux?.namespaces ?? []).flatMap(({ type }, i, all) =>
        all.findIndex((other) => other.type === type) === i
          ? []
          : [{ pointer: pointer('linux', 'namespaces', i, 'type'), message: `${known.duplicatedNamespace} ${show(type)}` }]
      )
  },
  {
    name: 'namespace-paths',
    why: 'config-linux.md#namespaces: absolute',
    check: ({ linux }) =>
      (linux?.namespaces ?? []).flatMap(({ path }, i) =>
        path && !path.startsWith('/')
          ? [{ pointer: pointer('linux', 'namespaces', i, 'path'), message: `must be an absolute path, not ${show(path)}` }]
          : []
      )
  },
  {
    name: 'uts-names',
    why: "sethostname(2) would change the host's name",
    needs: NAMESPACES,
    check: (config) =>
      (['hostname', 'domainname'] as const)
        .filter((key) => config[key] && !isPrivate(config, 'uts'))
        .map((key) => ({ pointer: pointer(key), message: known[key] }))
  },
  {
    name: 'restricted-paths',
    why: 'config-linux.md#masked-paths, #readonly-paths: absolute',
    check: ({ linux }) =>
      (['maskedPaths', 'readonlyPaths'] as const).flatMap((key) =>
        (linux?.[key] ?? []).flatMap((path, i) => {
          if (!path.startsWith('/')) return [{ pointer: pointer('linux', key, i), message: `must be an absolute path, not ${show(path)}` }]
          if (key === 'readonlyPaths' || !path.split('/').every((name) => ['', '.', '..'].includes(name))) return []
          return [{ pointer: pointer('linux', key, i), message: `must not be the root file system, which ${show(path)} is` }]
        })
      )
  },
  {
    name: 'restricted-paths-namespace',
    why: 'the mounts would be made in the mount namespace of others',
    needs: NAMESPACES,
    check: (config) =>
      (['maskedPaths', 'readonlyPaths'] as const)
        .filter((key) => (config.linux?.[key]?.length ?? 0) > 0 && !isNew(config, 'mount'))
        .map((key) => ({ pointer: pointer('linux', key), message: known.restrict }))
  },
  {
    name: 'time-offsets',
    why: 'time_namespaces(7): offsets can be set only before the first process is inside',
    needs: NAMESPACES,
    check: (config) => {
      const { monotonic, boottime } = config.linux?.timeOffsets ?? {}
      if ((!monotonic && !boottime) || isNew(config, 'time')) return []
      return [{ pointer: '/linux/timeOffsets', message: find(config, 'time') ? known.timeWithPath : known.timeWithoutNamespace }]
    }
  },
  {
    name: 'sysctl',
    why: 'config-linux.md#sysctl, sysctl(8): what no namespace of the container holds is the host’s',
    needs: NAMESPACES,
    check: (config) => Object.keys(config.linux?.sysctl ?? {}).flatMap((key) => sysctlProblems(config, key))
  },
  {
    name: 'net-devices',
    why: 'config-linux.md#network-devices; dev_valid_name() of the kernel',
    needs: NAMESPACES,
    check: (config) => netDeviceProblems(config)
  }
]

function sysctlProblems(config: Config, key: string): readonly Problem[] {
  const at = pointer('linux', 'sysctl', key)
  const path = sysctlPath(key)
  const namespace = sysctlNamespace(path)
  if (path.split('/').some((name) => name === '' || name === '.' || name === '..')) {
    return [{ pointer: at, message: `${show(key)} is not the name of a sysctl` }]
  }
  if (path === 'kernel/hostname') return [{ pointer: at, message: `sysctl ${show(key)} conflicts with the OCI "hostname" field` }]
  if (path === 'kernel/domainname' && config.domainname) {
    return [{ pointer: at, message: `sysctl ${show(key)} conflicts with the OCI "domainname" field` }]
  }
  if (namespace !== undefined && isPrivate(config, namespace)) return []
  const remedy = namespace === undefined ? '' : `: it needs a ${namespace} namespace of the container's own`
  return [{ pointer: at, message: `sysctl ${show(key)} is not in a separate kernel namespace${remedy}` }]
}

/** IFNAMSIZ of linux/if.h is 16, with the NUL. `%d` asks the kernel for a number. */
const isDeviceName = (name: string): boolean => /^[^\s/:]{1,15}$/.test(name) && name !== '.' && name !== '..'

function netDeviceProblems(config: Config): readonly Problem[] {
  const devices = Object.entries(config.linux?.netDevices ?? {})
  const targets = devices.map(([host, { name }]) => name || host)
  const names = devices.flatMap(([host, { name }], i) => [
    ...(isDeviceName(host)
      ? []
      : [{ pointer: pointer('linux', 'netDevices', host), message: `invalid network device name: ${show(host)}` }]),
    ...(!name || isDeviceName(name)
      ? []
      : [{ pointer: pointer('linux', 'netDevices', host, 'name'), message: `invalid network device name: ${show(name)}` }]),
    ...(targets.indexOf(targets[i]!) === i || targets[i]?.includes('%d')
      ? []
      : [{ pointer: pointer('linux', 'netDevices', host), message: `must not have the name ${show(targets[i])} of another device` }])
  ])
  if (devices.length === 0 || isPrivate(config, 'network')) return names
  return [
    ...names,
    { pointer: '/linux/netDevices', message: "unable to move network devices without a NET namespace of the container's own" }
  ]
}
