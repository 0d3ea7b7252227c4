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

/** Policies and flags of sched_setattr(2), by the spec's names (config.md#linux-process). The kernel reserves SCHED_ISO and refuses it. */
export const SCHEDULER_POLICIES = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6
} as const

export const SCHEDULER_FLAGS = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40
} as const

/** Bytes of struct sched_attr with its members sched_util_min and sched_util_max (Linux 5.3). */
export const SCHED_ATTR_SIZE_VER1 = 56
