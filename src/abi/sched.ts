/** linux/sched.h: the namespaces of clone(2), unshare(2) and setns(2). */

/** Not a flag of clone(2), where these bits are the exit signal; unshare(2) and setns(2) only. Linux 5.6. */
export const CLONE_NEWTIME = 0x80
export const CLONE_PARENT = 0x8000
/** clone3(2) only; Linux 5.7. */
export const CLONE_INTO_CGROUP = 0x200000000n
export const CLONE_NEWNS = 0x20000
export const CLONE_NEWCGROUP = 0x2000000
export const CLONE_NEWUTS = 0x4000000
export const CLONE_NEWIPC = 0x8000000
export const CLONE_NEWUSER = 0x10000000
export const CLONE_NEWPID = 0x20000000
export const CLONE_NEWNET = 0x40000000

/** By the spec's name of the namespace (config-linux.md#namespaces). */
export const NAMESPACE_FLAGS = {
  pid: CLONE_NEWPID,
  network: CLONE_NEWNET,
  mount: CLONE_NEWNS,
  ipc: CLONE_NEWIPC,
  uts: CLONE_NEWUTS,
  user: CLONE_NEWUSER,
  cgroup: CLONE_NEWCGROUP,
  time: CLONE_NEWTIME
} as const

export type NamespaceType = keyof typeof NAMESPACE_FLAGS
