/** The conformance suite in parts that each run within the time of one test file: what the titles of their requirements contain. */
export const PARTS = {
  runtime: ['runtime.md#'],
  document: [
    'config.md#specification-version',
    'config.md#root',
    'config.md#hostname',
    'config.md#domainname',
    'config.md#annotations',
    'config.md#extensibility',
    'config.md#valid-values'
  ],
  mounts: ['config.md#mounts', 'config.md#posix-platform-mounts', 'config.md#linux-mount-options'],
  process: [
    'config.md#process',
    'config.md#posix-process',
    'config.md#posix-platform-user',
    'config.md#linux-process',
    'runtime-linux.md#file-descriptors'
  ],
  hooks: [
    'config.md#posix-platform-hooks',
    'config.md#prestart',
    'config.md#createruntime-hooks',
    'config.md#createcontainer-hooks',
    'config.md#startcontainer-hooks',
    'config.md#poststart',
    'config.md#poststop'
  ],
  namespaces: [
    'config-linux.md#default-filesystems',
    'config-linux.md#namespaces',
    'config-linux.md#user-namespace-mappings',
    'config-linux.md#offset-for-time-namespace',
    'config-linux.md#devices',
    'config-linux.md#default-devices',
    'config-linux.md#allowed-device-list',
    'runtime-linux.md#dev-symbolic-links'
  ],
  resources: [
    'config-linux.md#cgroup',
    'config-linux.md#memory MUST',
    'config-linux.md#cpu',
    'config-linux.md#block-io',
    'config-linux.md#huge-page-limits',
    'config-linux.md#network MUST',
    'config-linux.md#pids',
    'config-linux.md#unified'
  ],
  kernel: [
    'config-linux.md#network-devices',
    'config-linux.md#sysctl',
    'config-linux.md#rootfs-mount-propagation',
    'config-linux.md#masked-paths',
    'config-linux.md#readonly-paths',
    'config-linux.md#mount-label',
    'config-linux.md#personality',
    'config-linux.md#memory-policy',
    'config-linux.md#intelrdt'
  ],
  seccomp: ['config-linux.md#seccomp', 'config-linux.md#the-container-process-state']
} as const satisfies Readonly<Record<string, readonly string[]>>
