/** Made by scripts/generate-config.ts from schemas/config.json. Do not edit. */
/** a version such as "1.3.0" (semver.org 2.0.0) */
export type SemVer = string
export type StringList = readonly string[]
/** A user or group id. 4294967295 is (uid_t)-1, which no user can have. */
export type Id = number
export type Uint32 = number
export type Uint16 = number
export type RlimitType =
  | 'RLIMIT_AS'
  | 'RLIMIT_CORE'
  | 'RLIMIT_CPU'
  | 'RLIMIT_DATA'
  | 'RLIMIT_FSIZE'
  | 'RLIMIT_LOCKS'
  | 'RLIMIT_MEMLOCK'
  | 'RLIMIT_MSGQUEUE'
  | 'RLIMIT_NICE'
  | 'RLIMIT_NOFILE'
  | 'RLIMIT_NPROC'
  | 'RLIMIT_RSS'
  | 'RLIMIT_RTPRIO'
  | 'RLIMIT_RTTIME'
  | 'RLIMIT_SIGPENDING'
  | 'RLIMIT_STACK'
/** An unsigned integer of 64 bits: a number up to 2^53, a bigint beyond. */
export type Uint64 = number | bigint
export type SchedulerPolicy = 'SCHED_OTHER' | 'SCHED_FIFO' | 'SCHED_RR' | 'SCHED_BATCH' | 'SCHED_ISO' | 'SCHED_IDLE' | 'SCHED_DEADLINE'
export type Int32 = number
export type SchedulerFlag =
  | 'SCHED_FLAG_RESET_ON_FORK'
  | 'SCHED_FLAG_RECLAIM'
  | 'SCHED_FLAG_DL_OVERRUN'
  | 'SCHED_FLAG_KEEP_POLICY'
  | 'SCHED_FLAG_KEEP_PARAMS'
  | 'SCHED_FLAG_UTIL_CLAMP_MIN'
  | 'SCHED_FLAG_UTIL_CLAMP_MAX'
export type IoPriorityClass = 'IOPRIO_CLASS_RT' | 'IOPRIO_CLASS_BE' | 'IOPRIO_CLASS_IDLE'
/** a list of numbers and ranges such as "0-3,7" */
export type CpuList = string
export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time'
/** A signed integer of 64 bits: a number up to 2^53, a bigint beyond. */
export type Int64 = number | bigint
/** The major number of a device: 12 bits (linux/kdev_t.h). */
export type Major = number
/** The minor number of a device: 20 bits (linux/kdev_t.h). */
export type Minor = number
/** a composition of "r" (read), "w" (write) and "m" (mknod) */
export type DeviceAccess = string
/** a size of huge pages such as "64KB", "2MB" or "1GB" */
export type PageSize = string
export type SeccompAction =
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_TRACE'
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_LOG'
  | 'SCMP_ACT_NOTIFY'
export type SeccompArch =
  | 'SCMP_ARCH_X86'
  | 'SCMP_ARCH_X86_64'
  | 'SCMP_ARCH_X32'
  | 'SCMP_ARCH_ARM'
  | 'SCMP_ARCH_AARCH64'
  | 'SCMP_ARCH_MIPS'
  | 'SCMP_ARCH_MIPS64'
  | 'SCMP_ARCH_MIPS64N32'
  | 'SCMP_ARCH_MIPSEL'
  | 'SCMP_ARCH_MIPSEL64'
  | 'SCMP_ARCH_MIPSEL64N32'
  | 'SCMP_ARCH_PPC'
  | 'SCMP_ARCH_PPC64'
  | 'SCMP_ARCH_PPC64LE'
  | 'SCMP_ARCH_S390'
  | 'SCMP_ARCH_S390X'
  | 'SCMP_ARCH_PARISC'
  | 'SCMP_ARCH_PARISC64'
  | 'SCMP_ARCH_RISCV64'
  | 'SCMP_ARCH_LOONGARCH64'
  | 'SCMP_ARCH_M68K'
  | 'SCMP_ARCH_SH'
  | 'SCMP_ARCH_SHEB'
export type SeccompFlag =
  'SECCOMP_FILTER_FLAG_TSYNC' | 'SECCOMP_FILTER_FLAG_LOG' | 'SECCOMP_FILTER_FLAG_SPEC_ALLOW' | 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'
export type SeccompOperator =
  'SCMP_CMP_NE' | 'SCMP_CMP_LT' | 'SCMP_CMP_LE' | 'SCMP_CMP_EQ' | 'SCMP_CMP_GE' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ'
export type RootfsPropagation = '' | 'shared' | 'slave' | 'private' | 'unbindable' | 'rshared' | 'rslave' | 'rprivate' | 'runbindable'
export type MemoryPolicyMode =
  'MPOL_DEFAULT' | 'MPOL_BIND' | 'MPOL_INTERLEAVE' | 'MPOL_WEIGHTED_INTERLEAVE' | 'MPOL_PREFERRED' | 'MPOL_PREFERRED_MANY' | 'MPOL_LOCAL'
export type MemoryPolicyFlag = 'MPOL_F_NUMA_BALANCING' | 'MPOL_F_RELATIVE_NODES' | 'MPOL_F_STATIC_NODES'

/** config.json of the Open Container Initiative Runtime Specification 1.3, for Linux (config.md, config-linux.md). Properties that the specification does not name are allowed and ignored. */
export interface Config {
  readonly ociVersion: SemVer
  readonly root?: Root
  /** In the order in which they are mounted. */
  readonly mounts?: readonly Mount[]
  readonly process?: Process
  readonly hostname?: string
  readonly domainname?: string
  readonly hooks?: Hooks
  readonly annotations?: Strings
  readonly linux?: Linux
  readonly solaris?: OtherPlatform
  readonly windows?: OtherPlatform
  readonly vm?: OtherPlatform
  readonly zos?: OtherPlatform
  readonly freebsd?: OtherPlatform
}
/** The root file system (config.md#root). */
export interface Root {
  /** Absolute, or relative to the bundle. */
  readonly path: string
  readonly readonly?: boolean
}
/** One mount (config.md#mounts). */
export interface Mount {
  /** In the container; a relative one is relative to `/`. */
  readonly destination: string
  readonly type?: string
  /** A bind mount's source is absolute, or relative to the bundle. */
  readonly source?: string
  readonly options?: StringList
  readonly uidMappings?: readonly IdMapping[]
  readonly gidMappings?: readonly IdMapping[]
}
/** One line of /proc/PID/uid_map or gid_map (user_namespaces(7)). */
export interface IdMapping {
  readonly containerID: Id
  readonly hostID: Id
  readonly size: Uint32
}
/** The container's process (config.md#process); also the document of `exec --process`. */
export interface Process {
  readonly terminal?: boolean
  readonly consoleSize?: ConsoleSize
  /** Absolute. */
  readonly cwd: string
  readonly env?: StringList
  readonly args?: StringList
  readonly user?: User
  readonly capabilities?: Capabilities
  readonly rlimits?: readonly Rlimit[]
  readonly noNewPrivileges?: boolean
  readonly apparmorProfile?: string
  readonly selinuxLabel?: string
  /** proc_pid_oom_score_adj(5). */
  readonly oomScoreAdj?: number
  readonly scheduler?: Scheduler
  readonly ioPriority?: IoPriority
  readonly execCPUAffinity?: ExecCpuAffinity
}
/** In characters (struct winsize of ioctl_tty(2)). */
export interface ConsoleSize {
  readonly height: Uint16
  readonly width: Uint16
}
/** Ids of the container (config.md#user). What is absent is 0. */
export interface User {
  readonly uid?: Id
  readonly gid?: Id
  /** umask(2). */
  readonly umask?: number
  readonly additionalGids?: readonly Id[]
}
/** Names such as `CAP_KILL` (capabilities(7)); an unknown name is warned about, not refused. */
export interface Capabilities {
  readonly bounding?: StringList
  readonly effective?: StringList
  readonly inheritable?: StringList
  readonly permitted?: StringList
  readonly ambient?: StringList
}
/** getrlimit(2). 18446744073709551615 is RLIM_INFINITY. */
export interface Rlimit {
  readonly type: RlimitType
  readonly soft: Uint64
  readonly hard: Uint64
}
/** sched_setattr(2); times in nanoseconds. */
export interface Scheduler {
  readonly policy: SchedulerPolicy
  readonly nice?: number
  readonly priority?: Int32
  readonly flags?: readonly SchedulerFlag[]
  readonly runtime?: Uint64
  readonly deadline?: Uint64
  readonly period?: Uint64
}
/** ioprio_set(2). */
export interface IoPriority {
  readonly class: IoPriorityClass
  readonly priority?: number
}
/** The CPUs of a process of `exec`, before and after it joins the container's cgroup. */
export interface ExecCpuAffinity {
  readonly initial?: CpuList
  readonly final?: CpuList
}
/** config.md#posix-platform-hooks. */
export interface Hooks {
  /** Deprecated. */
  readonly prestart?: readonly Hook[]
  readonly createRuntime?: readonly Hook[]
  readonly createContainer?: readonly Hook[]
  readonly startContainer?: readonly Hook[]
  readonly poststart?: readonly Hook[]
  readonly poststop?: readonly Hook[]
}
/** One command of the hooks. */
export interface Hook {
  /** Absolute. */
  readonly path: string
  /** The whole argv, argv[0] included. */
  readonly args?: readonly string[]
  readonly env?: StringList
  /** Seconds. */
  readonly timeout?: number
}
/** Names to values. */
export interface Strings {
  readonly [k: string]: string
}
/** config-linux.md. */
export interface Linux {
  readonly namespaces?: readonly Namespace[]
  readonly uidMappings?: readonly IdMapping[]
  readonly gidMappings?: readonly IdMapping[]
  readonly timeOffsets?: TimeOffsets
  readonly devices?: readonly Device[]
  /** By name of the device on the host. */
  readonly netDevices?: {
    readonly [k: string]: NetDevice
  }
  readonly cgroupsPath?: string
  readonly resources?: Resources
  readonly sysctl?: Strings
  readonly seccomp?: Seccomp
  readonly rootfsPropagation?: RootfsPropagation
  readonly maskedPaths?: StringList
  readonly readonlyPaths?: StringList
  readonly mountLabel?: string
  readonly intelRdt?: IntelRdt
  readonly personality?: Personality
  readonly memoryPolicy?: MemoryPolicy
}
/** namespaces(7). */
export interface Namespace {
  readonly type: NamespaceType
  /** Absolute: the namespace to join. Absent or empty: a new one. */
  readonly path?: string
}
/** /proc/PID/timens_offsets (time_namespaces(7)). */
export interface TimeOffsets {
  readonly monotonic?: TimeOffset
  readonly boottime?: TimeOffset
}
/** The offset of one clock. */
export interface TimeOffset {
  readonly secs?: Int64
  readonly nanosecs?: number
}
/** mknod(2). Type `u` is `c`, unbuffered. */
export interface Device {
  readonly type: 'c' | 'b' | 'u' | 'p'
  /** Absolute, in the container. */
  readonly path: string
  readonly major?: Major
  readonly minor?: Minor
  readonly fileMode?: Uint32
  readonly uid?: Id
  readonly gid?: Id
}
/** A network device to move into the container (config-linux.md#network-devices). */
export interface NetDevice {
  /** In the container; absent: as on the host. */
  readonly name?: string
}
/** config-linux.md#control-groups. */
export interface Resources {
  /** In the order in which they apply. */
  readonly devices?: readonly DeviceRule[]
  readonly memory?: Memory
  readonly cpu?: Cpu
  readonly pids?: Pids
  readonly blockIO?: BlockIo
  readonly hugepageLimits?: readonly HugepageLimit[]
  readonly network?: Network
  /** By name of the device. */
  readonly rdma?: {
    readonly [k: string]: Rdma
  }
  readonly unified?: Strings
}
/** One rule of the list of allowed devices; what is absent stands for all, and so does -1. */
export interface DeviceRule {
  readonly allow: boolean
  readonly type?: 'a' | 'c' | 'b'
  readonly major?: number
  readonly minor?: number
  readonly access?: DeviceAccess
}
/** Bytes; -1 is unlimited. */
export interface Memory {
  readonly limit?: Int64
  readonly reservation?: Int64
  readonly swap?: Int64
  readonly kernel?: Int64
  readonly kernelTCP?: Int64
  readonly swappiness?: Uint64
  readonly disableOOMKiller?: boolean
  readonly useHierarchy?: boolean
  readonly checkBeforeUpdate?: boolean
}
/** Times in microseconds. */
export interface Cpu {
  readonly shares?: Uint64
  readonly quota?: Int64
  readonly burst?: Uint64
  readonly period?: Uint64
  readonly realtimeRuntime?: Int64
  readonly realtimePeriod?: Uint64
  /** Such as `0-3,7`. */
  readonly cpus?: string
  /** Such as `0-3,7`. */
  readonly mems?: string
  readonly idle?: number
}
/** The number of tasks; -1 is unlimited. */
export interface Pids {
  readonly limit?: Int64
}
/** config-linux.md#block-io. */
export interface BlockIo {
  readonly weight?: Uint16
  readonly leafWeight?: Uint16
  readonly weightDevice?: readonly WeightDevice[]
  readonly throttleReadBpsDevice?: readonly ThrottleDevice[]
  readonly throttleWriteBpsDevice?: readonly ThrottleDevice[]
  readonly throttleReadIOPSDevice?: readonly ThrottleDevice[]
  readonly throttleWriteIOPSDevice?: readonly ThrottleDevice[]
}
/** The weight of one device. */
export interface WeightDevice {
  readonly major: Major
  readonly minor: Minor
  readonly weight?: Uint16
  readonly leafWeight?: Uint16
}
/** Bytes or operations a second. */
export interface ThrottleDevice {
  readonly major: Major
  readonly minor: Minor
  readonly rate: Uint64
}
/** config-linux.md#huge-page-limits; the limit in bytes. */
export interface HugepageLimit {
  readonly pageSize: PageSize
  readonly limit: Uint64
}
/** config-linux.md#network. */
export interface Network {
  readonly classID?: Uint32
  readonly priorities?: readonly InterfacePriority[]
}
/** The priority of traffic that leaves through one interface. */
export interface InterfacePriority {
  readonly name: string
  readonly priority: Uint32
}
/** config-linux.md#rdma. */
export interface Rdma {
  readonly hcaHandles?: Uint32
  readonly hcaObjects?: Uint32
}
/** config-linux.md#seccomp. */
export interface Seccomp {
  readonly defaultAction: SeccompAction
  readonly defaultErrnoRet?: Uint16
  readonly architectures?: readonly SeccompArch[]
  readonly flags?: readonly SeccompFlag[]
  readonly listenerPath?: string
  readonly listenerMetadata?: string
  readonly syscalls?: readonly SeccompSyscall[]
}
/** One rule for some system calls. The errno is 16 bits in the filter (seccomp(2)). */
export interface SeccompSyscall {
  /** @minItems 1 */
  readonly names: readonly string[]
  readonly action: SeccompAction
  readonly errnoRet?: Uint16
  readonly args?: readonly SeccompArg[]
}
/** A condition on one argument of a system call. */
export interface SeccompArg {
  readonly index: number
  readonly value: Uint64
  readonly valueTwo?: Uint64
  readonly op: SeccompOperator
}
/** config-linux.md#intelrdt; enableCMT and enableMBM are of versions before 1.3. */
export interface IntelRdt {
  readonly closID?: string
  readonly schemata?: StringList
  readonly l3CacheSchema?: string
  readonly memBwSchema?: string
  readonly enableMonitoring?: boolean
  readonly enableCMT?: boolean
  readonly enableMBM?: boolean
}
/** personality(2). */
export interface Personality {
  readonly domain: 'LINUX' | 'LINUX32'
  readonly flags?: StringList
}
/** set_mempolicy(2). */
export interface MemoryPolicy {
  readonly mode: MemoryPolicyMode
  readonly nodes?: CpuList
  readonly flags?: readonly MemoryPolicyFlag[]
}
/** A section that concerns another platform; ignored. */
export interface OtherPlatform {}
