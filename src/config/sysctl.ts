/** Names of sysctls: which file under /proc/sys they are, and which namespace keeps them from being the host's. */
import type { NamespaceType } from './types.ts'

/**
 * The path below /proc/sys. `net.ipv4.ip_forward` and `net/ipv4/ip_forward` are one; in the second form a dot is part of a name,
 * in the first a slash stands for such a dot (sysctl.d(5)).
 */
export function sysctlPath(key: string): string {
  const first = key.search(/[./]/)
  return first < 0 || key[first] === '/' ? key : key.replaceAll(/[./]/g, (c) => (c === '.' ? '/' : '.'))
}

/** Which namespace a sysctl belongs to: ipc_namespaces(7), network_namespaces(7), uts_namespaces(7), user_namespaces(7). */
const OWNERS: readonly (readonly [RegExp, NamespaceType])[] = [
  [/^kernel\/(?:msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)$/, 'ipc'],
  [/^fs\/mqueue\/[^/]+$/, 'ipc'],
  [/^net\/./, 'network'],
  [/^kernel\/(?:hostname|domainname)$/, 'uts'],
  [/^user\/[^/]+$/, 'user']
]

/** The namespace that a sysctl (as a path) belongs to; undefined when it is the host's. */
export const sysctlNamespace = (path: string): NamespaceType | undefined => OWNERS.find(([pattern]) => pattern.test(path))?.[1]
