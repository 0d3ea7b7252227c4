/** Sentences of the compiler: what a config may say but no plan can do. */

export const badNodeList = (list: string): string =>
  `invalid list of NUMA nodes: ${JSON.stringify(list)} must be numbers and ranges such as "0-3,7"`

export const badCpuList = (list: string): string =>
  `invalid list of CPUs: ${JSON.stringify(list)} must be numbers and ranges such as "0-3,7"`

export const notifiesOfSendmsg =
  'cannot use SCMP_ACT_NOTIFY with "sendmsg" without CAP_SYS_PTRACE: the process itself has to send the listener by that call'

/** What the kernel means when it refuses to map the ids of a mount (mount_setattr(2)). */
export const idMapRefusals = {
  EINVAL: 'this kernel cannot map the ids of its file system',
  EPERM: "only the root user of the file system's user namespace may do that, and only where the ids are not mapped already",
  ENOSYS: 'it takes Linux 5.12'
} as const

/** Why no process may be in a cgroup of v2 (Documentation/admin-guide/cgroup-v2.rst, "Threads" and "No Internal Process Constraint"). */
export const cgroupRefusals = {
  EBUSY: 'the cgroup hands controllers down to cgroups below it, and so may hold no processes: choose another linux.cgroupsPath',
  EOPNOTSUPP:
    'a cgroup above it holds processes and hands controllers down, so that no cgroup below it may hold any: move these processes into a cgroup of their own'
} as const

/** Why the kernel refuses a profile (proc_pid_attr(5)). */
export const apparmorRefusals = {
  ENOENT: 'it is not loaded, which apparmor_parser does',
  EACCES: 'the profile of whoever has called the runtime does not allow the change',
  EPERM: 'the profile of whoever has called the runtime does not allow the change'
} as const

/** Why it refuses a scheduler (sched(7), Documentation/scheduler/sched-rt-group.rst). */
export const schedulerRefusals = {
  EPERM: 'it takes CAP_SYS_NICE, a real-time policy with cgroup v1 linux.resources.cpu.realtimeRuntime, and SCHED_DEADLINE all CPUs',
  EBUSY: 'there is not so much time left'
} as const

/** Why it refuses a memory policy (set_mempolicy(2)). */
export const memoryPolicyRefusals = { EINVAL: "its nodes must be there, and in the container's cpuset" } as const

/** Why an ordinary user may make no namespaces (user_namespaces(7)). */
export const namespaceRefusals = { EPERM: 'an ordinary user needs a new user namespace among them' } as const

/** Why it does not give the directory without what is mounted below it: that could uncover what was to be hidden (mount_namespaces(7)). */
export const sourceRefusals = { EINVAL: 'an ordinary user can bind what is mounted below it only as well, with rbind' } as const

/** The same for the attributes of a mount. */
export const attributeRefusals = {
  EPERM: 'a user namespace cannot take away what was set outside of it',
  ENOSYS: 'it takes Linux 5.12'
} as const

export const notMounted = 'nothing is mounted there'
export const fileOnDirectory = 'the source is no directory, and the mount point is one'
