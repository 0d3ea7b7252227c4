/** config.md: process, user, POSIX limits, what is Linux's own; and runtime-linux.md. */
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { is, like, unlike } from '../expect.ts'
import { all, capability, cgroupFile, file, lsm, noLsm, twoCpus } from '../machine.ts'
import { acts, both, type Case, type Change, refusals, scene, section, type Verdict } from '../requirement.ts'
import type { Stage } from '../stage.ts'
import { onTerminal } from '../terminal.ts'

const processes = section('config.md#process')
const user = section('config.md#posix-platform-user')
const posix = section('config.md#posix-process')
const linux = section('config.md#linux-process')
const descriptors = section('runtime-linux.md#file-descriptors')

const programs: readonly Case[] = [
  scene({ process: { cwd: '/data', env: ['PATH=/bin', 'NAME=a value', 'EMPTY=', 'SAME=a=b'] } }, [
    [processes.must('cwd is the working directory set for the executable'), 'pwd', is('/data')],
    [processes.must('env has the semantics of environ: a value with a space arrives whole'), 'echo "$NAME"', is('a value')],
    [processes.must('env has the semantics of environ: an empty value is set'), 'echo "${EMPTY-unset}+"', is('+')],
    [processes.must('env has the semantics of environ: a value may have an equals sign'), 'echo "$SAME"', is('a=b')],
    [processes.must('terminal defaults to false: standard input is no terminal'), 'test -t 0 && echo tty || echo none', is('none')],
    [processes.must('terminal is false: standard output is no terminal'), 'test -t 1 && echo tty || echo none', is('none')]
  ]),
  ...acts([
    [
      processes.must('args are the arguments of the program, each as it is'),
      (stage) => prints(stage, ['/bin/printf', '[%s]', 'a b', '', '$X'], '[a b][][$X]')
    ],
    [
      processes.must("the first of args has the semantics of execvp's file: PATH is searched"),
      (stage) => prints(stage, ['printf', 'found'], 'found')
    ],
    [
      processes.must("the first of args has the semantics of execvp's file: a path with a slash is relative to cwd"),
      (stage) => prints(stage, ['bin/printf', 'relative'], 'relative')
    ],
    [
      processes.must('the environment of the runtime does not reach the process'),
      async (stage) => {
        using container = stage.container({ process: { args: ['/bin/env'] } })
        container.options.env = { OF_THE_RUNTIME: '1' }
        await container.mustRun()
        await container.stopped()
        return like(/PATH=/)(container.output, 0) ?? unlike(/OF_THE_RUNTIME/)(container.output, 0)
      }
    ],
    [processes.must('terminal: standard input is a terminal'), (stage) => onTerminal(stage, {}, 'test -t 0 && echo yes', is('yes'))],
    [processes.must('terminal: standard output is a terminal'), (stage) => onTerminal(stage, {}, 'test -t 3 && echo yes', is('yes'))],
    [processes.must('terminal: standard error is a terminal'), (stage) => onTerminal(stage, {}, 'test -t 2 && echo yes', is('yes'))],
    [
      processes.must('consoleSize is the size of the terminal'),
      (stage) => onTerminal(stage, { consoleSize: { height: 33, width: 77 } }, 'stty size', is('33 77'))
    ]
  ]),
  scene({ process: { consoleSize: { height: 25, width: 80 } } }, [
    [processes.must('consoleSize is ignored when terminal is not set'), 'echo ran', is('ran')]
  ]),
  ...refusals({}, [
    [processes.must('cwd is an absolute path: a relative one is an error'), { process: { cwd: 'data' } }],
    [processes.required('cwd: without it the configuration is not valid'), { process: { cwd: undefined } }],
    [processes.required('args has one entry at least: an empty list is an error'), { process: { args: [] } }],
    [processes.required('args: without it there is nothing to start'), { process: { args: undefined } }],
    [processes.must('a program that does not exist is an error'), { process: { args: ['/bin/does-not-exist'] } }],
    [processes.must('a program that is not in PATH is an error'), { process: { args: ['does-not-exist'] } }],
    [processes.must('a program that is not executable is an error'), { process: { args: ['/data/file'] } }]
  ])
]

async function prints(stage: Stage, args: readonly string[], wanted: string): Promise<Verdict> {
  using container = stage.container({ process: { args } })
  await container.mustRun()
  await container.stopped()
  return is(wanted)(container.output, 0)
}

const users: readonly Case[] = [
  scene({ process: { user: { uid: 1000, gid: 1001, additionalGids: [5, 6] } } }, [
    [user.must('uid is the user id in the container namespace'), 'id -u', is('1000')],
    [user.must('gid is the group id in the container namespace'), 'id -g', is('1001')],
    [user.must('additionalGids are added to the process'), "grep Groups /proc/self/status | tr -s ' \\t' ' '", like(/Groups: 5 6/)],
    [user.must('uid is that of all four ids of the process'), "grep Uid: /proc/self/status | tr '\\t' ' '", is('Uid: 1000 1000 1000 1000')],
    [user.must('gid is that of all four ids of the process'), "grep Gid: /proc/self/status | tr '\\t' ' '", is('Gid: 1001 1001 1001 1001')]
  ]),
  scene({ process: { user: { uid: 0, gid: 0 } } }, [
    [
      user.must('without additionalGids the groups of the runtime are not inherited'),
      "grep Groups /proc/self/status | tr -d ' \\t'",
      like(/^Groups:0?$/)
    ]
  ]),
  scene({ process: { user: { umask: 0o027 } } }, [
    [user.must('umask is the umask of the user'), 'umask', is('0027')],
    [user.must('umask is that of new files'), 'touch /data/new && stat -c %a /data/new', is('640')]
  ])
]

const TYPES: readonly (readonly [type: string, name: string, soft: number, hard: number])[] = [
  ['RLIMIT_AS', 'Max address space', 2 ** 33, 2 ** 34],
  ['RLIMIT_CORE', 'Max core file size', 1024, 4096],
  ['RLIMIT_CPU', 'Max cpu time', 100, 200],
  ['RLIMIT_DATA', 'Max data size', 2 ** 30, 2 ** 31],
  ['RLIMIT_FSIZE', 'Max file size', 2 ** 20, 2 ** 21],
  ['RLIMIT_LOCKS', 'Max file locks', 10, 20],
  ['RLIMIT_MEMLOCK', 'Max locked memory', 4096, 8192],
  ['RLIMIT_MSGQUEUE', 'Max msgqueue size', 4096, 8192],
  ['RLIMIT_NICE', 'Max nice priority', 0, 0],
  ['RLIMIT_NOFILE', 'Max open files', 100, 200],
  ['RLIMIT_NPROC', 'Max processes', 300, 400],
  ['RLIMIT_RSS', 'Max resident set', 2 ** 24, 2 ** 25],
  ['RLIMIT_RTPRIO', 'Max realtime priority', 0, 0],
  ['RLIMIT_RTTIME', 'Max realtime timeout', 1000, 2000],
  ['RLIMIT_SIGPENDING', 'Max pending signals', 50, 60],
  ['RLIMIT_STACK', 'Max stack size', 2 ** 22, 2 ** 23]
]

const rlimits = (...limits: readonly Record<string, unknown>[]): Change => ({ process: { rlimits: limits } })

const limits: readonly Case[] = [
  ...TYPES.map(([type, name, soft, hard]) =>
    scene(rlimits({ type, soft, hard }), [
      [
        posix.must(`rlimits: soft and hard are those of getrlimit(${type})`),
        `grep '^${name}' /proc/self/limits | sed 's/^${name} *//' | awk '{ print $1, $2 }'`,
        is(`${soft} ${hard}`)
      ]
    ])
  ),
  scene(rlimits({ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }), [
    [posix.must('rlimits: soft is enforced'), 'ulimit -Sn', is('10')],
    [posix.must('rlimits: hard is the ceiling of soft'), 'ulimit -Hn', is('20')]
  ]),
  ...refusals(rlimits({ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }), [
    [posix.must('rlimits: a type that the kernel does not know is an error'), rlimits({ type: 'RLIMIT_NOSUCH', soft: 10, hard: 20 })],
    [posix.must('rlimits: a type without its prefix is an error'), rlimits({ type: 'nofile', soft: 10, hard: 20 })],
    [
      posix.must('rlimits: two entries of the same type are an error'),
      rlimits({ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }, { type: 'RLIMIT_NOFILE', soft: 11, hard: 20 })
    ],
    [
      posix.must('rlimits: a soft limit above the hard one, which cannot be set, is an error'),
      rlimits({ type: 'RLIMIT_NOFILE', soft: 30, hard: 20 })
    ],
    [posix.required('rlimits: an entry without soft is not valid'), rlimits({ type: 'RLIMIT_NOFILE', hard: 20 })],
    [posix.required('rlimits: an entry without hard is not valid'), rlimits({ type: 'RLIMIT_CORE', soft: 0 })],
    [posix.must('rlimits: a limit that is a string is an error'), rlimits({ type: 'RLIMIT_NOFILE', soft: '10', hard: 20 })]
  ])
]

/** CAP_CHOWN is bit 0, CAP_KILL 5, CAP_NET_BIND_SERVICE 10, CAP_SYS_CHROOT 18. */
const SETS = {
  bounding: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SYS_CHROOT'],
  permitted: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'],
  inheritable: ['CAP_KILL', 'CAP_NET_BIND_SERVICE'],
  effective: ['CAP_NET_BIND_SERVICE'],
  ambient: ['CAP_NET_BIND_SERVICE']
}
const set = (name: string): string => `awk '/^${name}:/ { print $2 }' /proc/self/status`
const mask = (...bits: readonly number[]): string =>
  bits
    .reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n)
    .toString(16)
    .padStart(16, '0')

const capabilities: readonly Case[] = [
  scene({ process: { user: { uid: 0, gid: 0 }, capabilities: SETS } }, [
    [linux.must('capabilities.bounding are the bounding capabilities of the process'), set('CapBnd'), is(mask(0, 5, 10, 18))],
    [linux.must('capabilities.inheritable are the inheritable capabilities of the process'), set('CapInh'), is(mask(5, 10))]
  ]),
  // Of a program that root executes the kernel raises what is in the bounding set: an ordinary user keeps what is ambient.
  scene({ process: { user: { uid: 1000, gid: 1000 }, capabilities: SETS } }, [
    [linux.must('capabilities.ambient are the ambient capabilities of the process'), set('CapAmb'), is(mask(10))],
    [
      linux.must('capabilities.effective: those of an ordinary user who executes a program are the ambient ones'),
      set('CapEff'),
      is(mask(10))
    ],
    [
      linux.must('capabilities.permitted: those of an ordinary user who executes a program are the ambient ones'),
      set('CapPrm'),
      is(mask(10))
    ]
  ]),
  scene({ process: { capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] } } }, [
    [linux.must('capabilities that are empty leave none in the bounding set'), set('CapBnd'), is(mask())],
    [linux.must('capabilities that are empty leave none in the effective set'), set('CapEff'), is(mask())]
  ]),
  scene({ process: { capabilities: { bounding: ['CAP_CHOWN', 'CAP_NO_SUCH'], effective: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'] } } }, [
    [linux.shouldNot('the runtime fails for a capability that cannot be granted: one that does not exist'), set('CapBnd'), is(mask(0))]
  ]),
  ...refusalOfGrant()
]

/** A capability that the runtime itself does not have. */
function refusalOfGrant(): readonly Case[] {
  const missing = (): string | undefined =>
    capability('CAP_SYS_RESOURCE')({ capabilities: own() } as never) === undefined
      ? 'root has CAP_SYS_RESOURCE here: there is nothing that cannot be granted'
      : undefined
  const wanted = ['CAP_CHOWN', 'CAP_SYS_RESOURCE']
  return [
    scene({ process: { capabilities: { bounding: wanted, effective: wanted, permitted: wanted } } }, [
      [
        linux.shouldNot('the runtime fails for a capability that cannot be granted: one that the runtime does not have', missing),
        'echo ran',
        is('ran')
      ]
    ])
  ]
}

const own = (): bigint => BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`)

/** Field of /proc/PID/stat of the shell itself: 18 priority, 19 nice, 40 rt_priority, 41 policy. */
const stat = (...fields: readonly number[]): string =>
  `sed 's/.*) //' /proc/$$/stat | awk '{ print ${fields.map((field) => `$${field - 2}`).join(', ')} }'`
const scheduler = (policy: string, more: Readonly<Record<string, unknown>> = {}): Change => ({
  process: { scheduler: { policy, ...more } }
})

/** In a cgroup of v1 without realtime of its own the kernel refuses realtime policies. */
const realtime = (policy: string, more: Readonly<Record<string, unknown>>): Change =>
  both(scheduler(policy, more), (config, { machine }) => {
    if (cgroupFile('cpu', 'cpu.rt_runtime_us', undefined)(machine) !== undefined) return
    config.linux.resources = { cpu: { realtimeRuntime: 10_000, realtimePeriod: 1_000_000 } }
  })
const NICE = capability('CAP_SYS_NICE')

const schedulers: readonly Case[] = [
  scene(scheduler('SCHED_OTHER', { nice: 5 }), [[linux.must('scheduler: SCHED_OTHER with a nice value'), stat(41, 19), is('0 5')]]),
  scene(scheduler('SCHED_BATCH', { nice: 3 }), [[linux.must('scheduler: SCHED_BATCH with a nice value'), stat(41, 19), is('3 3')]]),
  scene(scheduler('SCHED_IDLE'), [[linux.must('scheduler: SCHED_IDLE'), stat(41), is('5')]]),
  scene(realtime('SCHED_FIFO', { priority: 7 }), [[linux.must('scheduler: SCHED_FIFO with a priority', NICE), stat(41, 40), is('1 7')]]),
  scene(realtime('SCHED_RR', { priority: 9 }), [[linux.must('scheduler: SCHED_RR with a priority', NICE), stat(41, 40), is('2 9')]]),
  scene(
    scheduler('SCHED_DEADLINE', { runtime: 1_000_000, deadline: 10_000_000, period: 10_000_000, flags: ['SCHED_FLAG_RESET_ON_FORK'] }),
    [[linux.must('scheduler: SCHED_DEADLINE with runtime, deadline and period', NICE), stat(41), is('6')]]
  ),
  scene(realtime('SCHED_FIFO', { priority: 7, flags: ['SCHED_FLAG_RESET_ON_FORK'] }), [
    [
      linux.must('scheduler: SCHED_FLAG_RESET_ON_FORK: a child has the default policy', NICE),
      "sed 's/.*) //' /proc/self/stat | awk '{ print $39 }'",
      is('0')
    ]
  ]),
  ...refusals(scheduler('SCHED_OTHER'), [
    [linux.must('scheduler: a policy that does not exist is an error'), scheduler('SCHED_NOSUCH')],
    [linux.required('scheduler: without a policy it is not valid'), { process: { scheduler: { policy: undefined, nice: 1 } } }],
    [linux.must('scheduler: a flag that does not exist is an error'), scheduler('SCHED_OTHER', { flags: ['SCHED_FLAG_NOSUCH'] })]
  ])
]

const ioPriority = (ioClass: string, priority: number): Change => ({ process: { ioPriority: { class: ioClass, priority } } })

const priorities: readonly Case[] = [
  scene(ioPriority('IOPRIO_CLASS_BE', 6), [
    [linux.must('ioPriority: IOPRIO_CLASS_BE and its priority'), 'ionice -p $$', like(/best-effort: prio 6/)]
  ]),
  scene(ioPriority('IOPRIO_CLASS_RT', 2), [
    [linux.must('ioPriority: IOPRIO_CLASS_RT and its priority'), 'ionice -p $$', like(/realtime: prio 2/)]
  ]),
  scene(ioPriority('IOPRIO_CLASS_IDLE', 0), [[linux.must('ioPriority: IOPRIO_CLASS_IDLE'), 'ionice -p $$', like(/idle/)]]),
  ...refusals(ioPriority('IOPRIO_CLASS_BE', 4), [
    [linux.must('ioPriority: a class that does not exist is an error'), ioPriority('IOPRIO_CLASS_NOSUCH', 4)],
    [linux.must('ioPriority: a priority above 7 is an error'), ioPriority('IOPRIO_CLASS_BE', 8)],
    [linux.must('ioPriority: a negative priority is an error'), ioPriority('IOPRIO_CLASS_BE', -1)]
  ])
]

const NO_NEW_PRIVILEGES = "awk '/^NoNewPrivs:/ { print $2 }' /proc/self/status"
const OOM = 'cat /proc/self/oom_score_adj'
/** Sets the runtime's own value first, so that what is inherited can be told from what is set. */
const WITH_OOM_SCORE = ['sh', '-c', 'echo 123 > /proc/self/oom_score_adj; exec "$@"', 'sh']

const others: readonly Case[] = [
  scene({ process: { noNewPrivileges: true } }, [[linux.must('noNewPrivileges true is set'), NO_NEW_PRIVILEGES, is('1')]]),
  scene({ process: { noNewPrivileges: false } }, [[linux.must('noNewPrivileges false is not set'), NO_NEW_PRIVILEGES, is('0')]]),
  scene({}, [[linux.must('noNewPrivileges is not set without the property'), NO_NEW_PRIVILEGES, is('0')]]),
  scene({ process: { oomScoreAdj: 200 } }, [[linux.must('oomScoreAdj is set to the given value'), OOM, is('200')]]),
  scene({ process: { oomScoreAdj: 1000 } }, [[linux.must('oomScoreAdj is set to the highest value'), OOM, is('1000')]]),
  scene({}, [[linux.mustNot('oom_score_adj is changed when oomScoreAdj is not set'), OOM, is('123')]], { wrapper: WITH_OOM_SCORE }),
  ...acts([
    [
      linux.must("execCPUAffinity does not apply to the container's init process", twoCpus),
      async (stage) => {
        const cpus = async (change: Change): Promise<string> => {
          using container = stage.container(change)
          return (await container.look(["awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status"]))[0]!.output
        }
        // What init has otherwise is the runtime's choice: the caller's, or all of the cpuset.
        const usual = await cpus({})
        if (usual === '') return 'a container without it shows no affinity'
        return is(usual)(await cpus({ process: { execCPUAffinity: { initial: '0', final: '0' } } }), 0)
      }
    ]
  ]),
  ...refusals({}, [
    [
      linux.must('apparmorProfile that cannot be applied is an error: AppArmor is off', noLsm('apparmor')),
      { process: { apparmorProfile: 'some-profile' } }
    ],
    [linux.must('apparmorProfile that does not exist is an error', lsm('apparmor')), { process: { apparmorProfile: 'no-such-profile' } }],
    [
      linux.must('selinuxLabel that cannot be applied is an error: SELinux is off', noLsm('selinux')),
      { process: { selinuxLabel: 'u:r:t:s0' } }
    ]
  ]),
  scene({ process: { apparmorProfile: 'unconfined' } }, [
    [
      linux.must('apparmorProfile is the profile of the process', all(lsm('apparmor'), file('/proc/self/attr/current'))),
      'cat /proc/self/attr/current',
      like(/unconfined/)
    ]
  ])
]

const OPEN = 'ls /proc/$$/fd | xargs'

const files: readonly Case[] = [
  scene({}, [[descriptors.must('stdin, stdout and stderr are open'), OPEN, like(/^0 1 2\b/)]]),
  ...acts([
    [
      descriptors.must('only stdin, stdout and stderr are kept open: one that the caller of the runtime has open is not'),
      async (stage) => {
        using container = stage.container({ process: { args: ['/bin/sh', '-c', 'ls /proc/$$/fd; :'] } })
        mkdirSync(container.path('opened'))
        const fd = openSync(container.path('opened'), 'r')
        container.options.fds = [fd, fd, fd]
        await container.mustRun()
        closeSync(fd)
        await container.stopped()
        return is('0\n1\n2')(container.output, 0)
      }
    ]
  ])
]

export const processCases: readonly Case[] = [
  ...programs,
  ...users,
  ...limits,
  ...capabilities,
  ...schedulers,
  ...priorities,
  ...others,
  ...files
]
