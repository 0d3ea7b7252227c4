/** Made by scripts/generate-config.ts from schemas/config.json. Do not edit. */

/** By name of an object: its properties, and what each holds: `Name`, `[]Name` for a list of them, `{}Name` for a map, '' for anything else. */
export const SHAPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Config: { ociVersion: '', root: 'Root', mounts: '[]Mount', process: 'Process', hostname: '', domainname: '', hooks: 'Hooks', annotations: '', linux: 'Linux', solaris: '', windows: '', vm: '', zos: '', freebsd: '' },
  Root: { path: '', readonly: '' },
  Mount: { destination: '', type: '', source: '', options: '', uidMappings: '[]IdMapping', gidMappings: '[]IdMapping' },
  Process: { terminal: '', consoleSize: 'ConsoleSize', cwd: '', env: '', args: '', user: 'User', capabilities: 'Capabilities', rlimits: '[]Rlimit', noNewPrivileges: '', apparmorProfile: '', selinuxLabel: '', oomScoreAdj: '', scheduler: 'Scheduler', ioPriority: 'IoPriority', execCPUAffinity: 'ExecCpuAffinity' },
  ConsoleSize: { height: '', width: '' },
  User: { uid: '', gid: '', umask: '', additionalGids: '' },
  Capabilities: { bounding: '', effective: '', inheritable: '', permitted: '', ambient: '' },
  Rlimit: { type: '', soft: '', hard: '' },
  Scheduler: { policy: '', nice: '', priority: '', flags: '', runtime: '', deadline: '', period: '' },
  IoPriority: { class: '', priority: '' },
  ExecCpuAffinity: { initial: '', final: '' },
  Hooks: { prestart: '[]Hook', createRuntime: '[]Hook', createContainer: '[]Hook', startContainer: '[]Hook', poststart: '[]Hook', poststop: '[]Hook' },
  Hook: { path: '', args: '', env: '', timeout: '' },
  Linux: { namespaces: '[]Namespace', uidMappings: '[]IdMapping', gidMappings: '[]IdMapping', timeOffsets: 'TimeOffsets', devices: '[]Device', netDevices: '{}NetDevice', cgroupsPath: '', resources: 'Resources', sysctl: '', seccomp: 'Seccomp', rootfsPropagation: '', maskedPaths: '', readonlyPaths: '', mountLabel: '', intelRdt: 'IntelRdt', personality: 'Personality', memoryPolicy: 'MemoryPolicy' },
  Namespace: { type: '', path: '' },
  IdMapping: { containerID: '', hostID: '', size: '' },
  TimeOffsets: { monotonic: 'TimeOffset', boottime: 'TimeOffset' },
  TimeOffset: { secs: '', nanosecs: '' },
  Device: { type: '', path: '', major: '', minor: '', fileMode: '', uid: '', gid: '' },
  NetDevice: { name: '' },
  Resources: { devices: '[]DeviceRule', memory: 'Memory', cpu: 'Cpu', pids: 'Pids', blockIO: 'BlockIo', hugepageLimits: '[]HugepageLimit', network: 'Network', rdma: '{}Rdma', unified: '' },
  DeviceRule: { allow: '', type: '', major: '', minor: '', access: '' },
  Memory: { limit: '', reservation: '', swap: '', kernel: '', kernelTCP: '', swappiness: '', disableOOMKiller: '', useHierarchy: '', checkBeforeUpdate: '' },
  Cpu: { shares: '', quota: '', burst: '', period: '', realtimeRuntime: '', realtimePeriod: '', cpus: '', mems: '', idle: '' },
  Pids: { limit: '' },
  BlockIo: { weight: '', leafWeight: '', weightDevice: '[]WeightDevice', throttleReadBpsDevice: '[]ThrottleDevice', throttleWriteBpsDevice: '[]ThrottleDevice', throttleReadIOPSDevice: '[]ThrottleDevice', throttleWriteIOPSDevice: '[]ThrottleDevice' },
  WeightDevice: { major: '', minor: '', weight: '', leafWeight: '' },
  ThrottleDevice: { major: '', minor: '', rate: '' },
  HugepageLimit: { pageSize: '', limit: '' },
  Network: { classID: '', priorities: '[]InterfacePriority' },
  InterfacePriority: { name: '', priority: '' },
  Rdma: { hcaHandles: '', hcaObjects: '' },
  Seccomp: { defaultAction: '', defaultErrnoRet: '', architectures: '', flags: '', listenerPath: '', listenerMetadata: '', syscalls: '[]SeccompSyscall' },
  SeccompSyscall: { names: '', action: '', errnoRet: '', args: '[]SeccompArg' },
  SeccompArg: { index: '', value: '', valueTwo: '', op: '' },
  IntelRdt: { closID: '', schemata: '', l3CacheSchema: '', memBwSchema: '', enableMonitoring: '', enableCMT: '', enableMBM: '' },
  Personality: { domain: '', flags: '' },
  MemoryPolicy: { mode: '', nodes: '', flags: '' }
}

/** What a string that matches a pattern of the schema is. */
export const PATTERNS: ReadonlyMap<string, string> = new Map([
  ["^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)?$", "a version such as \"1.3.0\" (semver.org 2.0.0)"],
  ["^[0-9, -]*$", "a list of numbers and ranges such as \"0-3,7\""],
  ["^[rwm]*$", "a composition of \"r\" (read), \"w\" (write) and \"m\" (mknod)"],
  ["^[1-9][0-9]*[KMG]B$", "a size of huge pages such as \"64KB\", \"2MB\" or \"1GB\""]
])
