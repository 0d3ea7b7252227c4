/** config-linux.md: seccomp, and the state that is sent to a listener. */
import { createServer } from 'node:net'
import { eventually } from '../container.ts'
import { is, like, succeeds, unlike } from '../expect.ts'
import { file, kernel } from '../machine.ts'
import { acts, both, type Case, type Change, type Need, refusals, scene, section, type Verdict } from '../requirement.ts'
import type { Stage } from '../stage.ts'

const seccomp = section('config-linux.md#seccomp')
const sent = section('config-linux.md#the-container-process-state')

const HAS: Need = file('/proc/sys/kernel/seccomp', 'seccomp')
const profile = (more: Readonly<Record<string, unknown>>): Change => ({
  linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', ...more } }
})
const rule = (names: readonly string[], action: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  names,
  action,
  ...more
})

/** Other architectures have mkdirat alone. */
const MKDIR = ['mkdir', 'mkdirat']
const onMkdir = (action: string, more: Readonly<Record<string, unknown>> = {}): Change => profile({ syscalls: [rule(MKDIR, action, more)] })
const TRY = 'mkdir /data/new 2>&1'
const done = succeeds
/** A shell that a signal ended has 128 and its number as status; SIGSYS is 31. */
const SIGSYS = 'mkdir /data/new; echo status $?'
const killed = like(/status 159/)
const EADDRNOTAVAIL = 99

const actions: readonly Case[] = [
  scene(onMkdir('SCMP_ACT_ERRNO'), [
    [seccomp.must('SCMP_ACT_ERRNO: the call fails, with EPERM by default', HAS), TRY, like(/not permitted/)],
    [seccomp.must('other calls have the default action', HAS), 'rmdir /there', done]
  ]),
  scene(onMkdir('SCMP_ACT_ERRNO', { errnoRet: EADDRNOTAVAIL }), [
    [seccomp.must('errnoRet is the error of the call', HAS), TRY, like(/assign requested address/)]
  ]),
  scene(onMkdir('SCMP_ACT_ERRNO', { errnoRet: 0 }), [
    [seccomp.must('errnoRet 0: the call does nothing, and succeeds', HAS), `${TRY} && ls /data`, unlike(/new/)]
  ]),
  scene(onMkdir('SCMP_ACT_KILL'), [[seccomp.must('SCMP_ACT_KILL ends the process', HAS), SIGSYS, killed]]),
  scene(onMkdir('SCMP_ACT_KILL_PROCESS'), [[seccomp.must('SCMP_ACT_KILL_PROCESS ends the process', HAS), SIGSYS, killed]]),
  scene(onMkdir('SCMP_ACT_KILL_THREAD'), [[seccomp.must('SCMP_ACT_KILL_THREAD ends the thread', HAS), SIGSYS, killed]]),
  scene(onMkdir('SCMP_ACT_TRAP'), [[seccomp.must('SCMP_ACT_TRAP sends SIGSYS', HAS), SIGSYS, killed]]),
  scene(onMkdir('SCMP_ACT_TRACE'), [
    [seccomp.must('SCMP_ACT_TRACE: without a tracer the call is not implemented', HAS), TRY, like(/not implemented/)]
  ]),
  scene(onMkdir('SCMP_ACT_LOG'), [[seccomp.must('SCMP_ACT_LOG: the call succeeds', HAS), TRY, done]]),
  scene(both(profile({ defaultAction: 'SCMP_ACT_LOG' }), { linux: { seccomp: { syscalls: [rule(MKDIR, 'SCMP_ACT_ALLOW')] } } }), [
    [seccomp.must('SCMP_ACT_ALLOW: the call succeeds', HAS), TRY, done]
  ]),
  scene({ linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } } }, [[seccomp.must('syscalls is optional', HAS), TRY, done]]),
  scene(onMkdir('SCMP_ACT_ERRNO'), [
    [seccomp.must('the filter is that of the process', HAS), "awk '/^Seccomp:/ { print $2 }' /proc/self/status", is('2')]
  ]),
  scene(profile({ syscalls: [rule(['no_such_call', ...MKDIR], 'SCMP_ACT_ERRNO')] }), [
    [seccomp.must('a name that the runtime does not know keeps the others from nothing', HAS), TRY, like(/not permitted/)]
  ]),
  scene(both(onMkdir('SCMP_ACT_ERRNO'), { process: { noNewPrivileges: true } }), [
    [seccomp.must('the filter is applied with noNewPrivileges', HAS), TRY, like(/not permitted/)]
  ])
]

/** All calls but a few, so that the default action shows: what a process needs is allowed by its name. */
const denied = (more: Readonly<Record<string, unknown>>): Change => {
  return profile({ syscalls: [rule(MKDIR, 'SCMP_ACT_ERRNO', more)], defaultAction: 'SCMP_ACT_ALLOW' })
}

const ordinary = [
  'read write open openat close stat fstat newfstatat lstat poll ppoll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn',
  'rt_sigsuspend ioctl pread64 access faccessat faccessat2 pipe pipe2 dup dup2 dup3 fcntl getpid getppid gettid getuid geteuid getgid getegid',
  'setpgid getpgrp getpgid getsid setsid clone clone3 fork vfork execve execveat exit exit_group wait4 waitid kill tgkill uname getcwd chdir fchdir umask arch_prctl',
  'set_tid_address set_robust_list rseq prlimit64 getrandom readlink readlinkat futex sysinfo statx getdents64 unlink unlinkat prctl capget capset',
  'setuid setgid setgroups setresuid setresgid sched_getaffinity sched_yield nanosleep clock_nanosleep clock_gettime madvise tgkill close_range sigaltstack',
  'getgroups time gettimeofday getrusage fstatfs statfs epoll_create1 epoll_ctl epoll_pwait eventfd2 mount setdomainname sendmsg recvmsg socket connect sendto'
]
  .join(' ')
  .split(' ')

const defaults: readonly Case[] = [
  scene(profile({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: EADDRNOTAVAIL, syscalls: [rule(ordinary, 'SCMP_ACT_ALLOW')] }), [
    [seccomp.must('defaultErrnoRet is the error of the default action', HAS), TRY, like(/assign requested address/)]
  ]),
  scene(profile({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: [rule(ordinary, 'SCMP_ACT_ALLOW')] }), [
    [seccomp.must('defaultAction is that of calls without a rule; its error is EPERM by default', HAS), TRY, like(/not permitted/)]
  ])
]

/** `renice N` calls setpriority(which, who, N): its third argument is chosen by the script, on every architecture. */
const onPriority = (op: string, value: number, valueTwo?: number): Change =>
  profile({
    syscalls: [
      rule(['setpriority'], 'SCMP_ACT_ERRNO', {
        errnoRet: EADDRNOTAVAIL,
        args: [{ index: 2, value, op, ...(valueTwo === undefined ? {} : { valueTwo }) }]
      })
    ]
  })
const renice = [4, 5, 6]
  .map((nice) => `renice ${nice} -p $$ 2>&1 | grep -q 'assign requested' && echo no ${nice} || echo yes ${nice}`)
  .join('; ')
const which = (...refused: readonly number[]): string =>
  [4, 5, 6].map((nice) => `${refused.includes(nice) ? 'no' : 'yes'} ${nice}`).join('\n')

const OPERATORS: readonly (readonly [op: string, value: number, valueTwo: number | undefined, refused: readonly number[]])[] = [
  ['SCMP_CMP_NE', 5, undefined, [4, 6]],
  ['SCMP_CMP_LT', 5, undefined, [4]],
  ['SCMP_CMP_LE', 5, undefined, [4, 5]],
  ['SCMP_CMP_EQ', 5, undefined, [5]],
  ['SCMP_CMP_GE', 5, undefined, [5, 6]],
  ['SCMP_CMP_GT', 5, undefined, [6]],
  ['SCMP_CMP_MASKED_EQ', 0b110, 0b100, [4, 5]]
]

const two = profile({
  syscalls: [
    rule(['setpriority'], 'SCMP_ACT_ERRNO', {
      errnoRet: EADDRNOTAVAIL,
      args: [
        { index: 0, value: 0, op: 'SCMP_CMP_EQ' },
        { index: 2, value: 5, op: 'SCMP_CMP_EQ' }
      ]
    })
  ]
})

const conditions: readonly Case[] = [
  ...OPERATORS.map(([op, value, valueTwo, refused]) =>
    scene(onPriority(op, value, valueTwo), [[seccomp.must(`${op} compares an argument`, HAS), renice, is(which(...refused))]])
  ),
  scene(two, [[seccomp.must('conditions on several arguments must all hold', HAS), renice, is(which(5))]])
]

/** Of little-endian machines: libseccomp does not mix byte orders in one filter. */
const ARCHITECTURES = ['X86', 'X86_64', 'X32', 'ARM', 'AARCH64', 'MIPSEL', 'MIPSEL64', 'MIPSEL64N32', 'PPC64LE', 'RISCV64']
const FLAGS = [
  ['SECCOMP_FILTER_FLAG_TSYNC', HAS],
  ['SECCOMP_FILTER_FLAG_LOG', HAS],
  ['SECCOMP_FILTER_FLAG_SPEC_ALLOW', HAS]
] as const

const lists: readonly Case[] = [
  ...ARCHITECTURES.map((name) =>
    scene(both(onMkdir('SCMP_ACT_ERRNO'), { linux: { seccomp: { architectures: [`SCMP_ARCH_${name}`] } } }), [
      [seccomp.must(`architectures: SCMP_ARCH_${name} is valid`, HAS), 'echo ran', is('ran')]
    ])
  ),
  ...FLAGS.map(([name, needs]) =>
    scene(both(onMkdir('SCMP_ACT_ERRNO'), { linux: { seccomp: { flags: [name] } } }), [
      [seccomp.must(`flags: ${name} is valid`, needs), TRY, like(/not permitted/)]
    ])
  )
]

const invalid: readonly Case[] = refusals(onMkdir('SCMP_ACT_ERRNO'), [
  [seccomp.required('defaultAction: without it seccomp is not valid', HAS), { linux: { seccomp: { defaultAction: undefined } } }],
  [seccomp.must('names contains at least one entry, or there is an error', HAS), profile({ syscalls: [rule([], 'SCMP_ACT_ERRNO')] })],
  [seccomp.required('names: a rule without it is not valid', HAS), profile({ syscalls: [{ action: 'SCMP_ACT_ERRNO' }] })],
  [seccomp.required('action: a rule without it is not valid', HAS), profile({ syscalls: [{ names: MKDIR }] })],
  [seccomp.must('an action that does not exist is an error', HAS), onMkdir('SCMP_ACT_NOSUCH')],
  [seccomp.must('an operator that does not exist is an error', HAS), onPriority('SCMP_CMP_NOSUCH', 1)],
  [seccomp.must('an index beyond the arguments of a call is an error', HAS), denied({ args: [{ index: 7, value: 1, op: 'SCMP_CMP_EQ' }] })],
  [seccomp.must('errnoRet with an action that has no errno is an error', HAS), onMkdir('SCMP_ACT_KILL', { errnoRet: 1 })],
  [seccomp.must('defaultErrnoRet with an action that has no errno is an error', HAS), profile({ defaultErrnoRet: 1 })],
  [
    seccomp.mustNot('listenerMetadata is set without listenerPath', HAS),
    profile({ listenerMetadata: 'x', syscalls: [rule(MKDIR, 'SCMP_ACT_ERRNO')] })
  ]
])

const NOTIFY = kernel('5.7')

/** Runs a container whose mkdir is notified to a socket; what came on each connection. */
async function listen(
  stage: Stage,
  judge: (received: readonly string[], id: string, pid: unknown) => Verdict,
  flags: readonly string[] = []
): Promise<Verdict> {
  using container = stage.container({ process: { args: ['/bin/sh', '-c', 'echo up; mkdir /data/new; exec sleep 1000'] } })
  const path = container.path('s')
  container.config.linux.seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    listenerPath: path,
    listenerMetadata: 'some metadata',
    ...(flags.length > 0 ? { flags } : {}),
    syscalls: [rule(MKDIR, 'SCMP_ACT_NOTIFY')]
  }
  const received: string[] = []
  const server = createServer((socket) => {
    const i = received.push('') - 1
    socket.on('data', (chunk) => void received.splice(i, 1, `${received[i]}${chunk}`))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  try {
    await container.mustRun()
    await eventually(() => received.some((text) => text.trimEnd().endsWith('}')))
    return judge(received, container.id, (await container.state()).pid)
  } finally {
    server.close()
  }
}

const parse = (received: readonly string[]): Record<string, unknown> => JSON.parse(received[0] ?? 'null') as Record<string, unknown>
const says = (found: unknown, wanted: unknown): Verdict =>
  found === wanted ? undefined : `saw ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`

const listeners: readonly Case[] = [
  ...acts([
    [
      seccomp.must('exactly one container process state is sent on a connection', NOTIFY),
      (stage) =>
        listen(stage, (received) =>
          received.length === 1 && typeof parse(received) === 'object' ? undefined : `saw ${JSON.stringify(received)}`
        )
    ],
    [
      sent.required('ociVersion is a string', NOTIFY),
      (stage) => listen(stage, (received) => says(typeof parse(received).ociVersion, 'string'))
    ],
    [
      sent.must('fds names the descriptor of seccomp', NOTIFY),
      (stage) => listen(stage, (received) => says(JSON.stringify(parse(received).fds), '["seccompFd"]'))
    ],
    [
      sent.required('pid is the id of the container process, as the runtime sees it', NOTIFY),
      (stage) => listen(stage, (received, _, pid) => says(parse(received).pid, pid))
    ],
    [
      sent.must('metadata is listenerMetadata', NOTIFY),
      (stage) => listen(stage, (received) => says(parse(received).metadata, 'some metadata'))
    ],
    [
      sent.required('state is the state of the container', NOTIFY),
      (stage) => listen(stage, (received, id) => says((parse(received).state as Record<string, unknown> | undefined)?.id, id))
    ]
  ]),
  ...acts([
    [
      seccomp.must('an error when sending to listenerPath fails', NOTIFY),
      async (stage) => {
        const control = await stage.accepts(onMkdir('SCMP_ACT_ERRNO'))
        if (control !== undefined) return `cannot tell: ${control}`
        using container = stage.container(profile({ listenerPath: '/does/not/exist.sock', syscalls: [rule(MKDIR, 'SCMP_ACT_NOTIFY')] }))
        return await container.isRefused()
      }
    ]
  ]),
  scene(onMkdirWithListener(), [[seccomp.must('listenerPath is ignored when SCMP_ACT_NOTIFY is not used', HAS), 'echo ran', is('ran')]])
]

function onMkdirWithListener(): Change {
  return both(onMkdir('SCMP_ACT_ERRNO'), { linux: { seccomp: { listenerPath: '/does/not/exist.sock' } } })
}

export const seccompCases: readonly Case[] = [...actions, ...defaults, ...conditions, ...lists, ...invalid, ...listeners]
