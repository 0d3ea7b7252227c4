/** The profile's rules, and everything that is refused in one. */
import t from 'tap'
import type { Seccomp, SeccompSyscall } from '../config/types.ts'
import { pointerOf, rulesOf } from './rules.ts'

const profile = (...syscalls: SeccompSyscall[]): Seccomp => ({ defaultAction: 'SCMP_ACT_ERRNO', syscalls })

t.test('a rule has the action with its errno, and knows its place', async (t) => {
  const { rules, defaultAction, problems } = rulesOf(
    profile({ names: ['read', 'write'], action: 'SCMP_ACT_ALLOW' }, { names: ['open'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 })
  )
  t.same(problems, [])
  t.equal(defaultAction, 0x0005_0001, 'EPERM is the default')
  t.match(rules, [
    { names: ['read', 'write'], action: 0x7fff_0000, args: [] },
    { names: ['open'], action: 0x0005_000d }
  ])
  t.equal(pointerOf(rules[1]!, 0), '/linux/seccomp/syscalls/1/names/0')
})

t.test('TRACE carries its data, EPERM when there is none', async (t) => {
  const { rules } = rulesOf(
    profile({ names: ['a'], action: 'SCMP_ACT_TRACE' }, { names: ['b'], action: 'SCMP_ACT_TRACE', errnoRet: 0xffff })
  )
  t.same(
    rules.map(({ action }) => action),
    [0x7ff0_0001, 0x7ff0_ffff]
  )
})

t.test('conditions are those of one rule, unless they repeat an argument: then each is a rule', async (t) => {
  const one = { index: 0, value: 1, op: 'SCMP_CMP_EQ' } as const
  const two = { index: 1, value: 2n ** 64n - 1n, valueTwo: 3, op: 'SCMP_CMP_MASKED_EQ' } as const
  const and = rulesOf(profile({ names: ['a'], action: 'SCMP_ACT_ALLOW', args: [one, two] })).rules
  t.same(
    and.map(({ args }) => args),
    [
      [
        { index: 0, op: 4, a: 1n, b: 0n },
        { index: 1, op: 7, a: 2n ** 64n - 1n, b: 3n }
      ]
    ]
  )
  const or = rulesOf(profile({ names: ['a'], action: 'SCMP_ACT_ALLOW', args: [one, two, { ...one, value: 9 }] })).rules
  t.same(
    or.map(({ args }) => args.map(({ a }) => a)),
    [[1n], [2n ** 64n - 1n], [9n]]
  )
})

const bad = <T>(value: unknown): T => value as T

const refusals: readonly (readonly [string, Seccomp, string, RegExp])[] = [
  ['NOTIFY by default', { defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/x' }, '/linux/seccomp/defaultAction', /default action/],
  ['an unknown default', { defaultAction: bad('ALLOW') }, '/linux/seccomp/defaultAction', /must be one of SCMP_ACT_KILL, .* not "ALLOW"/],
  ['a name of Object', { defaultAction: bad('toString') }, '/linux/seccomp/defaultAction', /must be one of/],
  [
    'an unknown architecture',
    { ...profile(), architectures: [bad('x86_64')] },
    '/linux/seccomp/architectures/0',
    /must be one of SCMP_ARCH_X86/
  ],
  ['an unknown flag', { ...profile(), flags: ['SECCOMP_FILTER_FLAG_LOG', bad('X')] }, '/linux/seccomp/flags/1', /must be one of/],
  ['metadata alone', { ...profile(), listenerMetadata: 'm' }, '/linux/seccomp/listenerMetadata', /without listenerPath/],
  ['metadata with an empty path', { ...profile(), listenerPath: '', listenerMetadata: 'm' }, '/linux/seccomp/listenerMetadata', /without/],
  ['NOTIFY without listener', profile({ names: ['a'], action: 'SCMP_ACT_NOTIFY' }), '/linux/seccomp/syscalls/0/action', /listenerPath/],
  [
    'NOTIFY on write',
    { ...profile({ names: ['read', 'write'], action: 'SCMP_ACT_NOTIFY' }), listenerPath: '/x' },
    '/linux/seccomp/syscalls/0/names/1',
    /write syscall/
  ],
  [
    'waiting without NOTIFY',
    { ...profile(), flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] },
    '/linux/seccomp/flags/0',
    /needs a syscall with SCMP_ACT_NOTIFY/
  ],
  [
    'errno of ALLOW',
    profile({ names: ['a'], action: 'SCMP_ACT_ALLOW', errnoRet: 1 }),
    '/linux/seccomp/syscalls/0/errnoRet',
    /SCMP_ACT_ALLOW/
  ],
  ['errno of a default KILL', { defaultAction: 'SCMP_ACT_KILL', defaultErrnoRet: 1 }, '/linux/seccomp/defaultErrnoRet', /SCMP_ACT_KILL/],
  [
    'an errno too large',
    profile({ names: ['a'], action: 'SCMP_ACT_ERRNO', errnoRet: 4096 }),
    '/linux/seccomp/syscalls/0/errnoRet',
    /0 to 4095/
  ],
  [
    'data too large',
    profile({ names: ['a'], action: 'SCMP_ACT_TRACE', errnoRet: 65536 }),
    '/linux/seccomp/syscalls/0/errnoRet',
    /0 to 65535/
  ],
  ['no names', profile({ names: [], action: 'SCMP_ACT_ALLOW' }), '/linux/seccomp/syscalls/0/names', /at least one/],
  ['an empty name', profile({ names: ['a', ''], action: 'SCMP_ACT_ALLOW' }), '/linux/seccomp/syscalls/0/names/1', /empty string/],
  ...(
    [
      ['index', { index: 6, value: 0, op: 'SCMP_CMP_EQ' }, /0 to 5, not 6/],
      ['op', { index: 0, value: 0, op: 'EQ' }, /must be one of SCMP_CMP_NE/],
      ['value', { index: 0, value: -1, op: 'SCMP_CMP_EQ' }, /not -1/],
      ['value', { index: 0, value: 1.5, op: 'SCMP_CMP_EQ' }, /not 1.5/],
      ['valueTwo', { index: 0, value: 0, valueTwo: 2n ** 64n, op: 'SCMP_CMP_EQ' }, /not 18446744073709551616/]
    ] as const
  ).map(
    ([field, arg, message]) =>
      [
        `a wrong ${field}: ${String(arg[field as 'value'])}`,
        profile({ names: ['a'], action: 'SCMP_ACT_ALLOW', args: [bad(arg)] }),
        `/linux/seccomp/syscalls/0/args/0/${field}`,
        message
      ] as const
  )
]

for (const [title, seccomp, pointer, message] of refusals)
  t.test(`refused: ${title}`, async (t) => {
    const { problems } = rulesOf(seccomp)
    t.same(
      problems.map((problem) => problem.pointer),
      [pointer]
    )
    t.match(problems[0]!.message, message)
  })

t.test('all problems at once', async (t) => {
  const { problems } = rulesOf({
    defaultAction: 'SCMP_ACT_KILL',
    defaultErrnoRet: 1,
    listenerMetadata: 'x',
    syscalls: [{ names: [], action: bad('?') }]
  })
  t.equal(problems.length, 4)
})
