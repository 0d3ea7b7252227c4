/**
 * The types of config.json: runtime-spec 1.3, the parts that concern Linux, with the spec's own names.
 *
 * A `Config` that `parseConfig` has returned is frozen, satisfies the schema and every rule in rules.ts, and holds no field
 * that is refused by unsupported.ts. Numbers of 64 bits are `number | bigint`: a `bigint` only where the value exceeds 2^53.
 */

/** A 64-bit integer: a number up to 2^53, a bigint beyond. */
export type Int64 = number | bigint

/** The whole document (config.md). */
export interface Config {
  readonly ociVersion: string
  readonly root?: Root
  readonly mounts?: readonly Mount[]
  readonly process?: Process
  readonly hostname?: string
  readonly domainname?: string
  readonly hooks?: Hooks
  readonly annotations?: Readonly<Record<string, string>>
  readonly linux?: Linux
}

/** config.md#root. */
export interface Root {
  /** Absolute, or relative to the bundle. */
  readonly path: string
  readonly readonly?: boolean
}

/** config.md#mounts. */
export interface Mount {
  /** In the container; a relative one is relative to `/`. */
  readonly destination: string
  readonly type?: string
  readonly source?: string
  readonly options?: readonly string[]
  readonly uidMappings?: readonly IdMapping[]
  readonly gidMappings?: readonly IdMapping[]
}

/** config.md#process; also the document of `exec --process`. */
export interface Process {
  readonly terminal?: boolean
  /** In characters. */
  readonly consoleSize?: { readonly height: number; readonly width: number }
  readonly cwd: string
  readonly env?: readonly string[]
  readonly args?: readonly string[]
  /** Absent means root, as for every engine. */
  readonly user?: User
  readonly capabilities?: Capabilities
  readonly rlimits?: readonly Rlimit[]
  readonly noNewPrivileges?: boolean
  readonly apparmorProfile?: string
  readonly selinuxLabel?: string
  readonly oomScoreAdj?: number
  readonly scheduler?: Scheduler
  readonly ioPriority?: IoPriority
  readonly execCPUAffinity?: ExecCpuAffinity
}

/** config.md#user; ids are those of the container. */
export interface User {
  readonly uid?: number
  readonly gid?: number
  readonly umask?: number
  readonly additionalGids?: readonly number[]
}

/** Names such as `CAP_KILL`; unknown names are warned about, not refused. */
export interface Capabilities {
  readonly bounding?: readonly string[]
  readonly effective?: readonly string[]
  readonly inheritable?: readonly string[]
  readonly permitted?: readonly string[]
  readonly ambient?: readonly string[]
}

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

/** getrlimit(2). RLIM_INFINITY is 18446744073709551615n. */
export interface Rlimit {
  readonly type: RlimitType
  readonly soft: Int64
  readonly hard: Int64
}

/** sched_setattr(2). */
export interface Scheduler {
  readonly policy: 'SCHED_OTHER' | 'SCHED_FIFO' | 'SCHED_RR' | 'SCHED_BATCH' | 'SCHED_ISO' | 'SCHED_IDLE' | 'SCHED_DEADLINE'
  readonly nice?: number
  readonly priority?: number
  readonly flags?: readonly SchedulerFlag[]
  /** Nanoseconds, as the two below. */
  readonly runtime?: Int64
  readonly deadline?: Int64
  readonly period?: Int64
}

export type SchedulerFlag =
  | 'SCHED_FLAG_RESET_ON_FORK'
  | 'SCHED_FLAG_RECLAIM'
  | 'SCHED_FLAG_DL_OVERRUN'
  | 'SCHED_FLAG_KEEP_POLICY'
  | 'SCHED_FLAG_KEEP_PARAMS'
  | 'SCHED_FLAG_UTIL_CLAMP_MIN'
  | 'SCHED_FLAG_UTIL_CLAMP_MAX'

/** ioprio_set(2). */
export interface IoPriority {
  readonly class: 'IOPRIO_CLASS_RT' | 'IOPRIO_CLASS_BE' | 'IOPRIO_CLASS_IDLE'
  readonly priority?: number
}

/** Lists of CPUs such as `0-3,7`. */
export interface ExecCpuAffinity {
  readonly initial?: string
  readonly final?: string
}

/** config.md#posix-platform-hooks. */
export interface Hooks {
  readonly prestart?: readonly Hook[]
  readonly createRuntime?: readonly Hook[]
  readonly createContainer?: readonly Hook[]
  readonly startContainer?: readonly Hook[]
  readonly poststart?: readonly Hook[]
  readonly poststop?: readonly Hook[]
}

export interface Hook {
  readonly path: string
  /** The whole argv, argv[0] included. */
  readonly args?: readonly string[]
  readonly env?: readonly string[]
  /** Seconds. */
  readonly timeout?: number
}

/** config-linux.md. */
export interface Linux {
  readonly namespaces?: readonly Namespace[]
  readonly uidMappings?: readonly IdMapping[]
  readonly gidMappings?: readonly IdMapping[]
  readonly timeOffsets?: { readonly monotonic?: TimeOffset; readonly boottime?: TimeOffset }
  readonly devices?: readonly Device[]
  /** By name of the device on the host. */
  readonly netDevices?: Readonly<Record<string, NetDevice>>
  readonly cgroupsPath?: string
  readonly resources?: Resources
  readonly sysctl?: Readonly<Record<string, string>>
  readonly seccomp?: Seccomp
  readonly rootfsPropagation?: RootfsPropagation
  readonly maskedPaths?: readonly string[]
  readonly readonlyPaths?: readonly string[]
  readonly mountLabel?: string
  readonly intelRdt?: IntelRdt
  readonly personality?: Personality
  readonly memoryPolicy?: MemoryPolicy
}

export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time'

export type RootfsPropagation = '' | 'shared' | 'slave' | 'private' | 'unbindable' | 'rshared' | 'rslave' | 'rprivate' | 'runbindable'

/** namespaces(7). */
export interface Namespace {
  readonly type: NamespaceType
  /** Absolute; the namespace to join. Absent: a new one. */
  readonly path?: string
}

/** One line of /proc/PID/uid_map (user_namespaces(7)). */
export interface IdMapping {
  readonly containerID: number
  readonly hostID: number
  readonly size: number
}

/** One clock of /proc/PID/timens_offsets (time_namespaces(7)). */
export interface TimeOffset {
  readonly secs?: Int64
  readonly nanosecs?: number
}

export type TimeOffsets = NonNullable<Linux['timeOffsets']>

/** mknod(2). `u` is `c` without buffering. */
export interface Device {
  readonly type: 'c' | 'b' | 'u' | 'p'
  readonly path: string
  readonly major?: number
  readonly minor?: number
  readonly fileMode?: number
  readonly uid?: number
  readonly gid?: number
}

/** config-linux.md#network-devices: the new name in the container. */
export interface NetDevice {
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
  readonly rdma?: Readonly<Record<string, Rdma>>
  /** cgroup v2: file name to content. */
  readonly unified?: Readonly<Record<string, string>>
}

export interface DeviceRule {
  readonly allow: boolean
  readonly type?: 'a' | 'c' | 'b'
  /** Absent (or -1): all. */
  readonly major?: Int64
  readonly minor?: Int64
  /** Of `r`, `w`, `m`. */
  readonly access?: string
}

/** Bytes; -1 is unlimited. */
export interface Memory {
  readonly limit?: Int64
  readonly reservation?: Int64
  /** Memory and swap together. */
  readonly swap?: Int64
  readonly kernel?: Int64
  readonly kernelTCP?: Int64
  readonly swappiness?: Int64
  readonly disableOOMKiller?: boolean
  readonly useHierarchy?: boolean
  readonly checkBeforeUpdate?: boolean
}

/** Times in microseconds. */
export interface Cpu {
  readonly shares?: Int64
  readonly quota?: Int64
  readonly burst?: Int64
  readonly period?: Int64
  readonly realtimeRuntime?: Int64
  readonly realtimePeriod?: Int64
  readonly cpus?: string
  readonly mems?: string
  readonly idle?: Int64
}

export interface BlockIo {
  readonly weight?: number
  readonly leafWeight?: number
  readonly weightDevice?: readonly WeightDevice[]
  readonly throttleReadBpsDevice?: readonly ThrottleDevice[]
  readonly throttleWriteBpsDevice?: readonly ThrottleDevice[]
  readonly throttleReadIOPSDevice?: readonly ThrottleDevice[]
  readonly throttleWriteIOPSDevice?: readonly ThrottleDevice[]
}

export interface WeightDevice {
  readonly major: Int64
  readonly minor: Int64
  readonly weight?: number
  readonly leafWeight?: number
}

/** Bytes or operations a second. */
export interface ThrottleDevice {
  readonly major: Int64
  readonly minor: Int64
  readonly rate: Int64
}

export interface Pids {
  readonly limit?: Int64
}

export interface HugepageLimit {
  /** Such as `2MB`. */
  readonly pageSize: string
  readonly limit: Int64
}

export interface Network {
  readonly classID?: number
  readonly priorities?: readonly { readonly name: string; readonly priority: number }[]
}

export interface Rdma {
  readonly hcaHandles?: number
  readonly hcaObjects?: number
}

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

export type SeccompOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ'

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
  | 'SECCOMP_FILTER_FLAG_TSYNC'
  | 'SECCOMP_FILTER_FLAG_LOG'
  | 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'
  | 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'

/** config-linux.md#seccomp. */
export interface Seccomp {
  readonly defaultAction: SeccompAction
  readonly defaultErrnoRet?: number
  readonly architectures?: readonly SeccompArch[]
  readonly flags?: readonly SeccompFlag[]
  readonly listenerPath?: string
  readonly listenerMetadata?: string
  readonly syscalls?: readonly SeccompSyscall[]
}

export interface SeccompSyscall {
  readonly names: readonly string[]
  readonly action: SeccompAction
  readonly errnoRet?: number
  readonly args?: readonly SeccompArg[]
}

export interface SeccompArg {
  readonly index: number
  readonly value: Int64
  readonly valueTwo?: Int64
  readonly op: SeccompOperator
}

/** config-linux.md#intelrdt. */
export interface IntelRdt {
  readonly closID?: string
  readonly schemata?: readonly string[]
  readonly l3CacheSchema?: string
  readonly memBwSchema?: string
  readonly enableMonitoring?: boolean
  readonly enableCMT?: boolean
  readonly enableMBM?: boolean
}

/** personality(2). */
export interface Personality {
  readonly domain: 'LINUX' | 'LINUX32'
  readonly flags?: readonly string[]
}

/** set_mempolicy(2). */
export interface MemoryPolicy {
  readonly mode: string
  /** Such as `0-3,5`. */
  readonly nodes?: string
  readonly flags?: readonly string[]
}
