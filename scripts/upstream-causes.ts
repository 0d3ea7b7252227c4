/**
 * Why validation programs of opencontainers/runtime-tools (v0.9.0-141-g5e63903) fail with a runtime that does what the specification says.
 *
 * Each cause was looked up in the program's source, and tried: what a machine lacks by giving it that, what the program gets wrong by doing the
 * same by hand.
 */

/** Whose the failure is: the program's own, the machine's that it ran on, or a decision of ours that it does not agree with. */
export interface Cause {
  readonly whose: 'program' | 'machine' | 'decision'
  readonly says: string
  /** True where it is the scheduler's choice who wins: a failure says nothing of the runtime, though another one may have passed. */
  readonly races?: boolean
}

const program = (says: string): Cause => ({ whose: 'program', says })
const machine = (says: string): Cause => ({ whose: 'machine', says })

const POINTERS = program('compares two pointers, and not the limits that they lead to (util/linux_resources_pids.go)')
const LEAVES = machine('blkio.leaf_weight went with the CFQ scheduler in Linux 5.0')
const KERNEL_MEMORY = machine('memory.kmem.limit_in_bytes takes a value and keeps none since Linux 5.16')
const V1_ONLY = machine('looks for a cgroup of v1; hugetlb is in v2 here, where the limit is set')
const NETWORK = machine('net_cls and net_prio are not mounted; it passes where they are')

/** By the name of the program. */
export const CAUSES: Readonly<Record<string, Cause>> = {
  delete: {
    whose: 'decision',
    says: 'wants `delete` of a created container refused; runc and crun delete it, which containerd relies on'
  },
  delete_resources: POINTERS,
  linux_cgroups_pids: POINTERS,
  linux_cgroups_relative_pids: POINTERS,
  hooks: program('wants a text that its own hooks do not write ("post-start1" where they write "post-start1 called")'),
  hooks_stdin: program('wants the status "created" in prestart hooks; runtime.md has "creating" until create is done'),
  linux_cgroups_blkio: LEAVES,
  linux_cgroups_relative_blkio: LEAVES,
  linux_cgroups_hugetlb: V1_ONLY,
  linux_cgroups_relative_hugetlb: V1_ONLY,
  linux_cgroups_memory: KERNEL_MEMORY,
  linux_cgroups_relative_memory: KERNEL_MEMORY,
  linux_cgroups_network: NETWORK,
  linux_cgroups_relative_network: NETWORK,
  linux_mount_label: machine('the kernel has no SELinux'),
  linux_process_apparmor_profile: machine('the kernel has no AppArmor'),
  misc_props: program('its first bundle executes /runtimetest and does not hold it'),
  pidfile: {
    whose: 'program',
    says: 'wants to kill `true`, which has mostly ended by itself: then every runtime refuses, and runc fails as often',
    races: true
  },
  poststart_fail: program('wants poststart hooks that fail to be a warning; since 1.3.0 they are an error (runtime.md#lifecycle, step 9)'),
  prestart: program('wants prestart hooks at `start`; config.md#prestart has them at `create`'),
  process_capabilities: machine('CAP_SYS_RESOURCE is not in the bounding set of this machine'),
  process_capabilities_fail: program('wants an unknown capability refused; config.md#linux-process has it warned about'),
  process_rlimits: program('is told by a program in Go, which raises its own soft RLIMIT_NOFILE as it starts'),
  process_rlimits_fail: program('prints no TAP when the runtime refuses what it should refuse'),
  start: program(
    'wants `start` to succeed without a process, contrary to its own words; before that `create` without one, which tsrun refuses as runc does'
  )
}
