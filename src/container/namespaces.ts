/** Which namespaces a container has to itself. */
import { readlinkSync, statSync } from 'node:fs'
import { NAMESPACE_FLAGS, type NamespaceType } from '../abi/sched.ts'

const procNames: Readonly<Record<NamespaceType, string>> = {
  pid: 'pid',
  network: 'net',
  mount: 'mnt',
  ipc: 'ipc',
  uts: 'uts',
  user: 'user',
  cgroup: 'cgroup',
  time: 'time'
}

const types = Object.keys(NAMESPACE_FLAGS) as readonly NamespaceType[]

/**
 * Types of namespaces of process `pid` that are not ours. To join one's own user namespace is an error (setns(2)).
 *
 * The pid may have been given to another process: whoever relies on the answer holds a pidfd, and asks afterwards whether its process still lives.
 */
export const foreignNamespaces = (pid: number): readonly NamespaceType[] =>
  types.filter((type) => namespaceLink('self', type) !== namespaceLink(pid, type))

/** True when `path` leads to our own namespace, whatever it is called; false for one that is not there. */
export function isOurs(type: NamespaceType, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false })
  const own = statSync(`/proc/self/ns/${procNames[type]}`, { throwIfNoEntry: false })
  return named !== undefined && own !== undefined && named.dev === own.dev && named.ino === own.ino
}

function namespaceLink(pid: number | 'self', type: NamespaceType): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${procNames[type]}`)
  } catch {
    // This kernel has no such namespace.
    return ''
  }
}
