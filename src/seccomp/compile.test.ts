/** What compiled programs answer, in the interpreter: against libseccomp's own programs, and against the conditions' plain meaning. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { defaultProfile, forArchitectures } from '../../test/seccomp-profile.ts'
import type { Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompSyscall } from '../config/types.ts'
import type { TsrunError } from '../errors/error.ts'
import { compileSeccomp } from './compile.ts'
import { supportedFlags } from './flags.ts'
import { type Call, interpret } from './interpret.ts'
import { type Libseccomp, libseccomp } from './libseccomp.ts'
import { actions, flags, operators, RET_ENOSYS } from './names.ts'
import { rulesOf } from './rules.ts'

const X86_64 = 0xc000_003e
const X86 = 0x4000_0003
const AARCH64 = 0xc000_00b7
const X32_BIT = 0x4000_0000
const ALLOW = actions.SCMP_ACT_ALLOW
const EPERM = actions.SCMP_ACT_ERRNO + 1

/** Repeatable numbers (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) % below
  }
}

function libraryOrSkip(): Libseccomp | undefined {
  try {
    return libseccomp()
  } catch {
    return undefined
  }
}
const library = libraryOrSkip()
const skip = library === undefined && 'libseccomp is not installed'
const onX64 = process.arch !== 'x64' ? 'needs an x86-64 machine' : skip

const x64 = (profile: Seccomp): Uint8Array => compileSeccomp(profile, { arch: 'x64' }).program
const number = (name: string, token = X86_64): number => library!.syscall(token, name)

const refused = (profile: Seccomp): TsrunError => {
  try {
    compileSeccomp(profile, { arch: 'x64' })
  } catch (error) {
    return error as TsrunError
  }
  throw new Error('accepted')
}

const EEXIST = 17

/** The whole profile, by libseccomp alone; undefined when rules contradict each other. */
function reference(profile: Seccomp, tokens: readonly number[]): Uint8Array | undefined {
  const { rules, defaultAction } = rulesOf(profile)
  using filter = library!.filter(defaultAction)
  for (const token of tokens) filter.addArchitecture(token)
  filter.setAttribute(2, actions.SCMP_ACT_KILL_PROCESS)
  for (const { names, action, args } of rules.filter(({ action }) => action !== defaultAction))
    for (const name of names) {
      const found = library!.syscall(library!.native, name)
      if (found !== -1 && filter.addRule(action, found, args) === -EEXIST) return undefined
    }
  return filter.export()
}

const edges = [0n, 1n, 5n, 0xffff_ffffn, 0x1_0000_0000n, 0x1_0000_0005n, 0x7fff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn]
const around = edges.flatMap((edge) => [edge - 1n, edge, edge + 1n]).filter((value) => value >= 0n && value < 1n << 64n)

/** Every number there is, and some more, on every architecture. */
function* calls(args: readonly bigint[][]): Generator<Call> {
  const odd = [X32_BIT - 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]
  for (let i = 0; i < 600; i++) for (const one of args) yield* [X86_64, X86, AARCH64].map((arch) => ({ arch, number: i, args: one }))
  for (let i = 0; i < 600; i++) for (const one of args) yield { arch: X86_64, number: X32_BIT + i, args: one }
  for (const i of odd) yield* [X86_64, X86, AARCH64].map((arch) => ({ arch, number: i }))
}

/** Calls at which `program` says something else than `expected`, which may also be ENOSYS where `expected` says `fallback`. */
function differences(program: Uint8Array, expected: Uint8Array, fallback: number, args: readonly bigint[][]): Call[] {
  const wrong: Call[] = []
  for (const call of calls(args)) {
    const ours = interpret(program, call)
    const theirs = interpret(expected, call)
    if (ours !== theirs && !(ours === RET_ENOSYS && theirs === fallback)) wrong.push(call)
  }
  return wrong
}

t.test('a default profile says what libseccomp alone would say', { skip: onX64 }, async (t) => {
  const args = [[0n], [8n], [40n], [0x1_0000_0028n], [0x1000_0000n], [0xffff_ffffn]]
  const alone = reference(defaultProfile, [X86_64, X86, 0x4000_003e])!
  t.same(differences(x64(defaultProfile), alone, EPERM, args), [])
  t.ok(x64(defaultProfile).length < alone.length / 2, 'in less than half the length')
})

const operatorNames = Object.keys(operators) as SeccompOperator[]
const meaning: Readonly<Record<SeccompOperator, (value: bigint, one: bigint, two: bigint) => boolean>> = {
  SCMP_CMP_NE: (value, one) => value !== one,
  SCMP_CMP_LT: (value, one) => value < one,
  SCMP_CMP_LE: (value, one) => value <= one,
  SCMP_CMP_EQ: (value, one) => value === one,
  SCMP_CMP_GE: (value, one) => value >= one,
  SCMP_CMP_GT: (value, one) => value > one,
  SCMP_CMP_MASKED_EQ: (value, one, two) => (value & one) === (two & one)
}

const someNames = ['read', 'openat', 'socket', 'accept', 'semop', 'socketcall', 'ipc', 'personality', 'mmap2', 'clone', 'futex', 'openat2']
const someActions: SeccompAction[] = [
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_TRAP',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_LOG',
  'SCMP_ACT_TRACE'
]

/** @param conditional of four rules, how many have conditions */
function randomProfile(pick: (below: number) => number, conditional: number, of = someNames): Seccomp {
  const one = <T>(list: readonly T[]): T => list[pick(list.length)]!
  const arg = (): SeccompArg => ({ index: pick(3), value: one(edges), valueTwo: one(edges), op: one(operatorNames) })
  const syscall = (): SeccompSyscall => ({
    names: Array.from({ length: 1 + pick(4) }, () => one(of)),
    action: one(someActions),
    ...(pick(4) < conditional && { args: Array.from({ length: 1 + pick(3) }, arg) })
  })
  return { defaultAction: one(someActions), syscalls: Array.from({ length: pick(12) }, syscall) }
}

t.test('random profiles without conditions say what libseccomp alone would say', { skip: onX64 }, async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const profile = forArchitectures(randomProfile(random(seed), 0), 'SCMP_ARCH_X86', 'SCMP_ARCH_X32')
    const alone = reference(profile, [X86_64, X86, 0x4000_003e])
    if (alone === undefined) {
      t.match(refused(profile), {
        code: 'config',
        message: /with the same conditions and a different action \[\/linux\/seccomp\/syscalls\//
      })
      continue
    }
    const wrong = differences(x64(profile), alone, rulesOf(profile).defaultAction, [[0n], [1n]])
    t.same(wrong.slice(0, 3), [], `profile ${seed}`)
  }
})

/** What the rules say of a call, read off them; undefined when none names it. */
function plainAnswer(profile: Seccomp, name: string, args: readonly bigint[]): number | undefined {
  const { rules, defaultAction } = rulesOf(profile)
  const named = rules.filter(({ names }) => names.includes(name))
  if (named.length === 0) return undefined
  const effective = named.filter(({ action }) => action !== defaultAction)
  const decisive = effective.find((rule) => rule.args.length === 0)
  if (decisive !== undefined) return decisive.action
  const opOf = (code: number) => operatorNames.find((op) => operators[op] === code)!
  const holding = effective.filter((rule) => rule.args.every(({ index, op, a, b }) => meaning[opOf(op)](args[index]!, a, b)))
  return holding.length === 0 ? defaultAction : Math.min(...holding.map(({ action }) => action | 0)) >>> 0
}

/** A few calls at which the program for `profile` does not say what its rules mean, for arguments cut to what is below `limit`. */
function meaningless(profile: Seccomp, token: number, arch: number, limit: bigint, seed: number): unknown[] {
  const program = x64(profile)
  const pick = random(seed)
  const wrong: unknown[] = []
  for (const name of someNames.filter((name) => number(name, token) >= 0))
    for (let i = 0; i < 60; i++) {
      const args = [0, 1, 2].map(() => around[pick(around.length)]!)
      const cut = args.map((arg) => arg % limit)
      const expected = plainAnswer(limit === 2n ** 64n ? profile : narrowed(profile), name, cut)
      const actual = interpret(program, { arch, number: number(name, token), args })
      if (expected !== undefined && actual !== expected) wrong.push({ name, args, expected, actual })
    }
  return wrong.slice(0, 3)
}

const cutNegative = (value: bigint): bigint => (value >= 0xffff_ffff_8000_0000n ? value & 0xffff_ffffn : value)

/** The profile with negative values of 64 bits cut to 32. */
function narrowed(profile: Seccomp): Seccomp {
  const arg = ({ index, value, valueTwo = 0, op }: SeccompArg): SeccompArg => {
    const [one, two] = [BigInt(value), BigInt(valueTwo)]
    if (op !== 'SCMP_CMP_MASKED_EQ') return { index, op, value: cutNegative(one) }
    const masked = cutNegative(one & two)
    // No argument is as large as a value that does not fit.
    if (masked > 0xffff_ffffn) return { index, op: 'SCMP_CMP_EQ', value: masked }
    return { index, op, value: one, valueTwo: masked }
  }
  return { ...profile, syscalls: profile.syscalls!.map((one) => ({ ...one, ...(one.args && { args: one.args.map(arg) }) })) }
}

t.test('random profiles with conditions say what they mean', { skip }, async (t) => {
  for (let seed = 1; seed <= 150; seed++) {
    const profile = randomProfile(random(seed), 3)
    t.same(meaningless(profile, X86_64, X86_64, 2n ** 64n, seed), [], `profile ${seed}`)
  }
})

t.test('on 32-bit architectures an argument has 32 bits', { skip: onX64 }, async (t) => {
  const direct = ['read', 'openat', 'personality', 'mmap2', 'clone', 'futex', 'openat2']
  for (let seed = 1; seed <= 60; seed++) {
    const profile = forArchitectures(randomProfile(random(seed), 3, direct), 'SCMP_ARCH_X86', 'SCMP_ARCH_X32')
    t.same(meaningless(profile, X86, X86, 2n ** 32n, seed), [], `i386, profile ${seed}`)
    t.same(meaningless(profile, 0x4000_003e, X86_64, 2n ** 32n, seed), [], `x32, profile ${seed}`)
  }
})

t.test('a negative number is one on 32-bit architectures, too', { skip: onX64 }, async (t) => {
  const args: SeccompArg[] = [{ index: 0, value: 2n ** 64n - 100n, op: 'SCMP_CMP_EQ' }]
  const profile = forArchitectures(
    { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['openat'], action: 'SCMP_ACT_ERRNO', args }] },
    'SCMP_ARCH_X86'
  )
  const says = (arch: number, first: bigint) => interpret(x64(profile), { arch, number: number('openat', arch), args: [first] })
  t.equal(says(X86_64, 2n ** 64n - 100n), EPERM)
  t.equal(says(X86_64, 2n ** 32n - 100n), ALLOW)
  t.equal(says(X86, 2n ** 32n - 100n), EPERM)
})

t.test('rules about one argument do not disturb each other, as they do in libseccomp', { skip }, async (t) => {
  const of = (...args: SeccompArg[]): Seccomp => ({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: args.map((arg) => ({ names: ['ioctl'], action: 'SCMP_ACT_ERRNO', args: [arg] }))
  })
  const program = x64(of({ index: 2, value: 0x1_0000_0000, op: 'SCMP_CMP_GE' }, { index: 2, value: 1, op: 'SCMP_CMP_LE' }))
  const says = (value: bigint) => interpret(program, { arch: X86_64, number: number('ioctl'), args: [0n, 0n, value] })
  t.same([0n, 1n, 2n, 5n, 0xffff_ffffn, 0x1_0000_0000n, 0x1_0000_0001n].map(says), [EPERM, EPERM, ALLOW, ALLOW, ALLOW, EPERM, EPERM])
})

t.test('where two rules hold, the stricter wins', { skip }, async (t) => {
  const rule = (action: SeccompAction, index: number): SeccompSyscall => ({
    names: ['ioctl'],
    action,
    args: [{ index, value: 1, op: 'SCMP_CMP_EQ' }]
  })
  for (const syscalls of [
    [rule('SCMP_ACT_LOG', 0), rule('SCMP_ACT_KILL_PROCESS', 1), rule('SCMP_ACT_TRAP', 2)],
    [rule('SCMP_ACT_TRAP', 2), rule('SCMP_ACT_LOG', 0), rule('SCMP_ACT_KILL_PROCESS', 1)]
  ]) {
    const program = x64({ defaultAction: 'SCMP_ACT_ALLOW', syscalls })
    const says = (...args: bigint[]) => interpret(program, { arch: X86_64, number: number('ioctl'), args })
    t.equal(says(1n, 1n, 1n), actions.SCMP_ACT_KILL_PROCESS)
    t.equal(says(1n, 0n, 1n), actions.SCMP_ACT_TRAP)
    t.equal(says(1n, 0n, 0n), actions.SCMP_ACT_LOG)
  }
})

for (const op of operatorNames)
  t.test(`${op} compares all 64 bits`, { skip }, async (t) => {
    const wrong: unknown[] = []
    for (const value of edges)
      for (const valueTwo of op === 'SCMP_CMP_MASKED_EQ' ? edges : [0n]) {
        const profile: Seccomp = {
          defaultAction: 'SCMP_ACT_ERRNO',
          syscalls: [{ names: ['ioctl'], action: 'SCMP_ACT_ALLOW', args: [{ index: 1, value, valueTwo, op }] }]
        }
        const program = x64(profile)
        for (const actual of around) {
          const allowed = interpret(program, { arch: X86_64, number: number('ioctl'), args: [7n, actual] }) === ALLOW
          if (allowed !== meaning[op](actual, value, valueTwo)) wrong.push({ value, valueTwo, actual, allowed })
        }
      }
    t.same(wrong, [])
  })

t.test('all conditions of a rule must hold; a repeated argument makes alternatives', { skip }, async (t) => {
  const args: SeccompArg[] = [
    { index: 0, value: 1, op: 'SCMP_CMP_EQ' },
    { index: 1, value: 2, op: 'SCMP_CMP_EQ' }
  ]
  const compiled = (more: SeccompArg[]) =>
    x64({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['ioctl'], action: 'SCMP_ACT_ALLOW', args: [...args, ...more] }] })
  const says = (program: Uint8Array, ...values: bigint[]) => interpret(program, { arch: X86_64, number: number('ioctl'), args: values })
  t.equal(says(compiled([]), 1n, 2n), ALLOW)
  t.equal(says(compiled([]), 1n, 3n), EPERM)
  const repeated = compiled([{ index: 0, value: 9, op: 'SCMP_CMP_EQ' }])
  for (const [one, two] of [
    [1n, 0n],
    [9n, 0n],
    [0n, 2n]
  ] as const)
    t.equal(says(repeated, one, two), ALLOW)
  t.equal(says(repeated, 0n, 0n), EPERM)
})

t.test('the machine is filtered whether it is listed or not; what is not listed kills', { skip }, async (t) => {
  const allowRead: Seccomp = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }] }
  for (const profile of [allowRead, forArchitectures(allowRead, 'SCMP_ARCH_X86'), forArchitectures(allowRead)]) {
    t.equal(interpret(x64(profile), { arch: X86_64, number: 0 }), ALLOW)
    t.equal(interpret(x64(profile), { arch: AARCH64, number: 63 }), actions.SCMP_ACT_KILL_PROCESS)
    t.equal(interpret(x64(profile), { arch: X86_64, number: X32_BIT }), actions.SCMP_ACT_KILL_PROCESS, 'x32')
  }
  t.equal(interpret(x64(allowRead), { arch: X86, number: 3 }), actions.SCMP_ACT_KILL_PROCESS)
  t.equal(interpret(x64(forArchitectures(allowRead, 'SCMP_ARCH_X86')), { arch: X86, number: 3 }), ALLOW)
})

t.test('a program for arm64 is made on any machine', { skip }, async (t) => {
  const profile = forArchitectures(defaultProfile, 'SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM')
  const { program } = compileSeccomp(profile, { arch: 'arm64' })
  const arm = library!.architecture('arm')
  t.equal(interpret(program, { arch: AARCH64, number: 63 }), ALLOW, 'read')
  t.equal(interpret(program, { arch: AARCH64, number: 40 }), EPERM, 'mount')
  t.equal(interpret(program, { arch: AARCH64, number: 198, args: [2n] }), ALLOW, 'socket')
  t.equal(interpret(program, { arch: AARCH64, number: 198, args: [40n] }), EPERM, 'socket(AF_VSOCK)')
  t.equal(interpret(program, { arch: AARCH64, number: 1000 }), RET_ENOSYS)
  t.equal(interpret(program, { arch: arm, number: 3 }), ALLOW, 'read')
  t.equal(interpret(program, { arch: X86_64, number: 0 }), actions.SCMP_ACT_KILL_PROCESS)
})

t.test('calls newer than the profile do not exist', { skip }, async (t) => {
  const profile: Seccomp = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['read', 'openat2'], action: 'SCMP_ACT_ALLOW' }] }
  const says = (seccomp: Seccomp, called: number) => interpret(x64(seccomp), { arch: X86_64, number: called })
  t.equal(says(profile, 437), ALLOW)
  t.equal(says(profile, 438), RET_ENOSYS)
  t.equal(says(profile, 436), EPERM)
  t.equal(says({ ...profile, defaultAction: 'SCMP_ACT_KILL_PROCESS' }, 438), RET_ENOSYS)
  t.equal(says({ ...profile, defaultAction: 'SCMP_ACT_LOG' }, 438), actions.SCMP_ACT_LOG)
  t.equal(says({ ...profile, defaultErrnoRet: 38 }, 438), RET_ENOSYS)
  t.equal(says({ defaultAction: 'SCMP_ACT_ERRNO' }, 438), EPERM, 'a profile without names')
  const named: Seccomp = { ...profile, syscalls: [...profile.syscalls!, { names: ['faccessat2'], action: 'SCMP_ACT_ERRNO' }] }
  t.equal(says(named, 439), EPERM, 'a name counts, even with the default action')
})

t.test('names that libseccomp is too old for have the number that all architectures share', { skip }, async (t) => {
  const profile = forArchitectures(
    { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['file_setattr'], action: 'SCMP_ACT_ALLOW' }] },
    'SCMP_ARCH_X86',
    'SCMP_ARCH_X32'
  )
  t.equal(interpret(x64(profile), { arch: X86_64, number: 469 }), ALLOW)
  t.equal(interpret(x64(profile), { arch: X86, number: 469 }), ALLOW)
  t.equal(interpret(x64(profile), { arch: X86_64, number: X32_BIT + 469 }), ALLOW)
  t.equal(interpret(x64(profile), { arch: X86_64, number: 470 }), RET_ENOSYS)
})

t.test('unknown names are skipped, and the debug log says so', { skip }, async (t) => {
  const lines: string[] = []
  const log = (level: string, message: string) => void lines.push(`${level} ${message}`)
  const profile: Seccomp = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['no_such', 'read'], action: 'SCMP_ACT_ALLOW' }] }
  t.equal(interpret(compileSeccomp(profile, { arch: 'x64', log }).program, { arch: X86_64, number: 0 }), ALLOW)
  t.same(lines, ['debug unknown seccomp syscall "no_such" ignored'])
})

t.test('a rule that repeats the default says nothing', { skip }, async (t) => {
  const syscalls: SeccompSyscall[] = [
    { names: ['read'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 },
    { names: ['read'], action: 'SCMP_ACT_ALLOW' }
  ]
  t.equal(interpret(x64({ defaultAction: 'SCMP_ACT_ERRNO', syscalls }), { arch: X86_64, number: 0 }), ALLOW)
})

t.test('flags', { skip }, async (t) => {
  const flagsOf = (profile: Partial<Seccomp>) => compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', ...profile }, { arch: 'x64' }).flags
  t.equal(flagsOf({}), flags.SECCOMP_FILTER_FLAG_SPEC_ALLOW, 'without a list')
  t.equal(flagsOf({ flags: [] }), 0, 'with an empty list')
  t.equal(flagsOf({ flags: ['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_LOG'] }), 3)
  t.ok(supportedFlags().includes('SECCOMP_FILTER_FLAG_LOG'))
})

t.test('a rule that notifies needs a listener, and its flags go together', { skip }, async (t) => {
  const notifying = (names: string[], more: Partial<Seccomp> = {}) =>
    compileSeccomp(
      { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/x', flags: [], syscalls: [{ names, action: 'SCMP_ACT_NOTIFY' }], ...more },
      { arch: 'x64' }
    )
  t.match(notifying(['mkdirat']), { listener: true, flags: 8 })
  t.match(notifying(['mkdirat'], { flags: ['SECCOMP_FILTER_FLAG_TSYNC'] }), { flags: 1 | 8 | 16 })
  t.match(notifying(['no_such']), { listener: false, flags: 0 }, 'unless the call does not exist')
  t.match(compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/x' }, { arch: 'x64' }), { listener: false })
  if (supportedFlags().includes('SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV')) {
    t.match(notifying(['mkdirat'], { flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] }), { flags: 8 | 32 })
    t.match(notifying(['no_such'], { flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] }), { flags: 0 })
  }
})

t.test('a wrong profile is refused with all its problems', { skip }, async (t) => {
  const error = refused({ defaultAction: 'SCMP_ACT_NOTIFY', listenerMetadata: 'x' })
  t.equal(error.code, 'config')
  t.equal(error.problems?.length, 2)
  t.match(error.message, /invalid seccomp profile: .*\[\/linux\/seccomp\/listenerMetadata\]; .*\[\/linux\/seccomp\/defaultAction\]/)
})

t.test('an architecture that cannot be combined is refused with its place', { skip }, async (t) => {
  const error = refused(forArchitectures({ defaultAction: 'SCMP_ACT_ALLOW' }, 'SCMP_ARCH_X86', 'SCMP_ARCH_S390X'))
  t.match(error, { code: 'unsupported', pointer: '/linux/seccomp/architectures/1' })
  t.match(error.message, /byte order/)
})

t.test(
  'without libseccomp the error says which package to install',
  { skip: process.geteuid!() === 0 ? skip : 'needs root' },
  async (t) => {
    const program = `import(${JSON.stringify(new URL('compile.js', import.meta.url).href)})
    .then(({ compileSeccomp }) => compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW' }, { arch: 'x64' }))
    .catch((error) => console.log(JSON.stringify({ ...error, message: error.message })))`
    const hide = 'mount --bind /dev/null "$(realpath "$1")" && exec "$2" -e "$3"'
    const args = ['--mount', 'sh', '-c', hide, 'sh', library!.path(), process.execPath, program]
    const { stdout } = spawnSync('unshare', args, { encoding: 'utf8' })
    t.match(JSON.parse(stdout), { code: 'unsupported', pointer: '/linux/seccomp', hint: /package libseccomp2 on Debian/ })
    t.match(JSON.parse(stdout).message, /libseccomp is missing: .*libseccomp.so.2/)
  }
)
