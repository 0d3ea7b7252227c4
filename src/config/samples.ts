/** Documents for tests. */
import { specDocument } from './spec.ts'
import type { Config } from './types.ts'

/** A small document that everything accepts. */
export const minimal: Config = {
  ociVersion: '1.3.0',
  root: { path: 'rootfs' },
  process: { cwd: '/', args: ['sh'], user: { uid: 0, gid: 0 } },
  linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }] }
}

/** What `tsrun spec` writes. */
export const usual: Config = specDocument({ rootless: false, euid: 0, egid: 0, cgroupV2: true })

/** What `tsrun spec --rootless` writes. */
export const rootless: Config = specDocument({ rootless: true, euid: 1000, egid: 100, cgroupV2: true })

/** Every field of the spec once, in order, though this version does not do everything that it asks for. */
export const everything: Config = {
  ociVersion: '1.3.0',
  hostname: 'h',
  domainname: 'd',
  annotations: {
    a: 'b'
  },
  root: {
    path: 'rootfs',
    readonly: true
  },
  mounts: [
    {
      destination: '/data',
      source: '/srv/data',
      options: ['rbind', 'ro'],
      uidMappings: [
        {
          containerID: 0,
          hostID: 1000,
          size: 1
        }
      ],
      gidMappings: [
        {
          containerID: 0,
          hostID: 1000,
          size: 1
        }
      ]
    }
  ],
  process: {
    terminal: true,
    consoleSize: {
      height: 24,
      width: 80
    },
    cwd: '/',
    env: ['A=b'],
    args: ['sh'],
    user: {
      uid: 1,
      gid: 1,
      umask: 18,
      additionalGids: [5]
    },
    capabilities: {
      bounding: ['CAP_KILL'],
      effective: ['CAP_KILL'],
      inheritable: ['CAP_KILL'],
      permitted: ['CAP_KILL'],
      ambient: ['CAP_KILL']
    },
    rlimits: [
      {
        type: 'RLIMIT_NOFILE',
        soft: 1,
        hard: 2
      }
    ],
    noNewPrivileges: true,
    apparmorProfile: 'p',
    selinuxLabel: 'l',
    oomScoreAdj: 100,
    scheduler: {
      policy: 'SCHED_DEADLINE',
      nice: 0,
      priority: 0,
      flags: ['SCHED_FLAG_RECLAIM'],
      runtime: 1,
      deadline: 2,
      period: 3
    },
    ioPriority: {
      class: 'IOPRIO_CLASS_BE',
      priority: 4
    },
    execCPUAffinity: {
      initial: '0',
      final: '0-3,7'
    }
  },
  hooks: {
    prestart: [
      {
        path: '/a',
        args: ['a'],
        env: ['a=b'],
        timeout: 1
      }
    ],
    createRuntime: [
      {
        path: '/a'
      }
    ],
    createContainer: [
      {
        path: '/a'
      }
    ],
    startContainer: [
      {
        path: '/a'
      }
    ],
    poststart: [
      {
        path: '/a'
      }
    ],
    poststop: [
      {
        path: '/a'
      }
    ]
  },
  linux: {
    namespaces: [
      {
        type: 'pid',
        path: '/proc/2/ns/pid'
      },
      {
        type: 'mount'
      },
      {
        type: 'network'
      },
      {
        type: 'uts'
      },
      {
        type: 'ipc'
      },
      {
        type: 'user'
      },
      {
        type: 'time'
      }
    ],
    uidMappings: [
      {
        containerID: 0,
        hostID: 1000,
        size: 10
      }
    ],
    gidMappings: [
      {
        containerID: 0,
        hostID: 1000,
        size: 10
      }
    ],
    timeOffsets: {
      monotonic: {
        secs: 1,
        nanosecs: 2
      },
      boottime: {
        secs: -1
      }
    },
    devices: [
      {
        type: 'c',
        path: '/dev/x',
        major: 1,
        minor: 2,
        fileMode: 438,
        uid: 0,
        gid: 0
      }
    ],
    netDevices: {
      eth0: {
        name: 'eth1'
      }
    },
    cgroupsPath: '/a/b',
    resources: {
      devices: [
        {
          allow: true,
          type: 'c',
          major: 1,
          minor: 2,
          access: 'rwm'
        }
      ],
      memory: {
        limit: 1,
        reservation: 1,
        swap: 1,
        kernel: 1,
        kernelTCP: 1,
        swappiness: 1,
        disableOOMKiller: false,
        useHierarchy: true,
        checkBeforeUpdate: true
      },
      cpu: {
        shares: 2,
        quota: 1000,
        burst: 1,
        period: 1000,
        realtimeRuntime: 1,
        realtimePeriod: 2,
        cpus: '0',
        mems: '0',
        idle: 1
      },
      pids: {
        limit: 5
      },
      blockIO: {
        weight: 10,
        leafWeight: 10,
        weightDevice: [
          {
            major: 8,
            minor: 0,
            weight: 500,
            leafWeight: 300
          }
        ],
        throttleReadBpsDevice: [
          {
            major: 8,
            minor: 0,
            rate: 1
          }
        ],
        throttleWriteBpsDevice: [
          {
            major: 8,
            minor: 0,
            rate: 1
          }
        ],
        throttleReadIOPSDevice: [
          {
            major: 8,
            minor: 0,
            rate: 1
          }
        ],
        throttleWriteIOPSDevice: [
          {
            major: 8,
            minor: 0,
            rate: 1
          }
        ]
      },
      hugepageLimits: [
        {
          pageSize: '2MB',
          limit: 1
        }
      ],
      network: {
        classID: 1,
        priorities: [
          {
            name: 'eth0',
            priority: 1
          }
        ]
      },
      rdma: {
        mlx5_1: {
          hcaHandles: 1,
          hcaObjects: 2
        }
      },
      unified: {
        'memory.high': '1'
      }
    },
    sysctl: {
      'net.ipv4.ip_forward': '1'
    },
    seccomp: {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 1,
      architectures: ['SCMP_ARCH_X86_64'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      listenerPath: '/l',
      listenerMetadata: 'm',
      syscalls: [
        {
          names: ['read'],
          action: 'SCMP_ACT_ERRNO',
          errnoRet: 1,
          args: [
            {
              index: 0,
              value: 1,
              valueTwo: 2,
              op: 'SCMP_CMP_EQ'
            }
          ]
        }
      ]
    },
    rootfsPropagation: 'slave',
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/sys'],
    mountLabel: 'l',
    intelRdt: {
      closID: 'c',
      schemata: ['L2:0=f'],
      l3CacheSchema: 'L3:0=f',
      memBwSchema: 'MB:0=1',
      enableMonitoring: true
    },
    personality: {
      domain: 'LINUX',
      flags: []
    },
    memoryPolicy: {
      mode: 'MPOL_BIND',
      nodes: '0',
      flags: ['MPOL_F_STATIC_NODES']
    }
  }
}
