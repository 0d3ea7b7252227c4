/** Compiled filters in the kernel: throwaway programs load one and then try what it says. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Outcome, planOf, runPlan, step } from '../../test/run-image.ts'
import { defaultProfile, forArchitectures } from '../../test/seccomp-profile.ts'
import type { ErrnoName } from '../abi/errno.ts'
import { SECCOMP_SET_MODE_FILTER } from '../abi/seccomp.ts'
import { type Architecture, syscallNumber } from '../abi/syscalls.ts'
import type { Seccomp, SeccompAction, SeccompArg, SeccompSyscall } from '../config/types.ts'
import { bytes, type Step, text, to } from '../plan/step.ts'
import { INSTRUCTION_SIZE } from './bpf.ts'
import { compileSeccomp } from './compile.ts'

const arch = process.arch as Architecture
const PR_SET_NO_NEW_PRIVS = 38

function whyNot(): string | false {
  if (arch !== 'x64' && arch !== 'arm64') return `no programs for ${process.arch}`
  try {
    compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW' }, { arch })
    return false
  } catch (error) {
    return String(error)
  }
}
const skip = whyNot()

/** Sets no_new_privs and loads the filter. */
function load(profile: Seccomp): Step[] {
  const { program, flags } = compileSeccomp(profile, { arch })
  const header = new Uint8Array(16)
  new DataView(header.buffer).setUint16(0, program.length / INSTRUCTION_SIZE, true)
  const filter = { ...bytes('{}', header), pointers: [{ offset: 8, to: bytes('[]', program) }] }
  return [step('prctl', [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]), step('seccomp', [SECCOMP_SET_MODE_FILTER, flags, filter])]
}

/** Loads the filter, makes each call, and writes a line with what came of it: an errno, or `ok`. */
function outcome(profile: Seccomp, ...calls: readonly Step[]): Outcome {
  const errnos: ErrnoName[] = ['EPERM', 'ENOSYS', 'EBADF', 'EINVAL']
  const say = (what: string, rest: Partial<Step> = {}) => step('write', [1, text(`${what}\n`), what.length + 1], rest)
  const steps = calls.flatMap((call, i) => [
    { ...call, on: Object.fromEntries(errnos.map((errno) => [errno, to(`${errno} ${i}`)])) },
    say('ok', { then: to(`end ${i}`) }),
    ...errnos.map((errno) => say(errno, { label: `${errno} ${i}`, then: to(`end ${i}`) })),
    step('getpid', [], { label: `end ${i}` })
  ])
  return runPlan(planOf(arch, [...load(profile), ...steps, step('exit_group', [0])]))
}

const said = (...parameters: Parameters<typeof outcome>): string[] =>
  outcome(...parameters)
    .stdout.trim()
    .split('\n')

const umask = step('umask', [0])
const on = (name: string, action: SeccompAction, more: Partial<SeccompSyscall> = {}): Seccomp => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: [name], action, ...more }]
})

t.test('ERRNO gives its errno, EPERM if it has none', { skip }, async (t) => {
  t.same(said(on('umask', 'SCMP_ACT_ERRNO'), umask), ['EPERM'])
  t.same(said(on('umask', 'SCMP_ACT_ERRNO', { errnoRet: 22 }), umask), ['EINVAL'])
  t.same(said(on('umask', 'SCMP_ACT_ERRNO', { errnoRet: 0 }), umask), ['ok'])
})

t.test('ALLOW and LOG let calls pass', { skip }, async (t) => {
  for (const action of ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG'] as const) t.same(said(on('umask', action), umask), ['ok'])
})

t.test('KILL, KILL_THREAD, KILL_PROCESS and TRAP end a program with SIGSYS', { skip }, async (t) => {
  for (const action of ['SCMP_ACT_KILL', 'SCMP_ACT_KILL_THREAD', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_TRAP'] as const)
    t.match(outcome(on('umask', action), umask), { signal: 'SIGSYS', stdout: '' }, action)
})

t.test('TRACE without a tracer is ENOSYS', { skip }, async (t) => {
  t.same(said(on('umask', 'SCMP_ACT_TRACE'), umask), ['ENOSYS'])
})

t.test('all flags are taken', { skip }, async (t) => {
  const flags = ['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'] as const
  t.same(said({ ...on('umask', 'SCMP_ACT_ERRNO'), flags }, umask), ['EPERM'])
})

t.test('a default profile is loaded and holds', { skip }, async (t) => {
  const profile = arch === 'x64' ? defaultProfile : forArchitectures(defaultProfile, 'SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM')
  const mount = step('mount', [text('none'), text('/'), text('tmpfs'), 0, 0])
  const clone = step('clone3', [0, 0])
  t.same(said(profile, umask, mount, clone, step('socket', [40, 1, 0]), step('socket', [1, 1, 0]), step('close', [77])), [
    'ok',
    'EPERM',
    'ENOSYS',
    'EPERM',
    'ok',
    'EBADF'
  ])
})

t.test('a call newer than the profile does not exist', { skip }, async (t) => {
  const profile: Seccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['write', 'exit_group', 'getpid', 'umask', 'openat'], action: 'SCMP_ACT_ALLOW' }]
  }
  t.same(said(profile, umask, step('openat2', [0, 0, 0, 0]), step('chdir', [text('/')])), ['ok', 'ENOSYS', 'EPERM'])
})

t.test('arguments are compared with all their bits', { skip }, async (t) => {
  const args = (op: SeccompArg['op'], value: bigint): SeccompArg[] => [{ index: 0, value, op }]
  // -1 is passed as 2^64 - 1.
  const close = step('close', [-1])
  const refuse = (op: SeccompArg['op'], value: bigint) => said(on('close', 'SCMP_ACT_ERRNO', { args: args(op, value) }), close)[0]
  const max = 2n ** 64n - 1n
  t.equal(refuse('SCMP_CMP_EQ', max), 'EPERM')
  t.equal(refuse('SCMP_CMP_EQ', 0xffff_ffffn), 'EBADF')
  t.equal(refuse('SCMP_CMP_GT', 0x1_0000_0000n), 'EPERM')
  t.equal(refuse('SCMP_CMP_GE', max), 'EPERM')
  t.equal(refuse('SCMP_CMP_GT', max), 'EBADF')
  t.equal(refuse('SCMP_CMP_LT', max), 'EBADF')
  t.equal(refuse('SCMP_CMP_LE', max), 'EPERM')
})

/** An ELF executable of nothing but code, at a fixed address, and the filter's struct sock_fprog right behind it (System V ABI). */
function rawProgram(code: readonly number[], filter: Uint8Array): Uint8Array {
  const HEADERS = 120
  const BASE = 0x40_0000
  const fprog = HEADERS + code.length
  const file = new Uint8Array(fprog + 16 + filter.length)
  const view = new DataView(file.buffer)
  const words = (offset: number, ...values: number[]) => values.forEach((value, i) => void view.setUint32(offset + 4 * i, value, true))
  words(0, 0x464c_457f, 0x0001_0102, 0, 0, 0x003e_0002, 1)
  words(24, BASE + HEADERS, 0, 64, 0, 0, 0, 0, 0x0038_0040, 1)
  words(64, 1, 5, 0, 0, BASE, 0, BASE, 0, file.length, 0, file.length, 0, 0x1000)
  file.set(code, HEADERS)
  view.setUint16(fprog, filter.length / INSTRUCTION_SIZE, true)
  view.setBigUint64(fprog + 8, BigInt(BASE + fprog + 16), true)
  file.set(filter, fprog + 16)
  return file
}

const word = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff]
const movEax = (value: number): number[] => [0xb8, ...word(value)]
const SYSCALL = [0x0f, 0x05]
const INT_0x80 = [0xcd, 0x80]

/** Loads the filter for `profile`, runs `attempt`, and exits with what it left in eax, negated. Machine code of x86-64. */
function attempt(profile: Seccomp, ...code: readonly number[]): { status: number | null; signal: string | null } {
  const { program } = compileSeccomp(profile, { arch: 'x64' })
  const number = (name: 'prctl' | 'seccomp' | 'exit_group') => movEax(syscallNumber('x64', name))
  const noNewPrivs = [
    0xbf,
    ...word(PR_SET_NO_NEW_PRIVS),
    0xbe,
    ...word(1),
    0x31,
    0xd2,
    0x45,
    0x31,
    0xd2,
    0x45,
    0x31,
    0xc0,
    ...number('prctl'),
    ...SYSCALL
  ]
  const rest = (displacement: number) => [
    ...[0xbf, ...word(SECCOMP_SET_MODE_FILTER), 0x31, 0xf6],
    ...[0x48, 0x8d, 0x15, ...word(displacement)], // lea rdx, [rip + displacement]
    ...[...number('seccomp'), ...SYSCALL, ...code],
    ...[0xf7, 0xd8, 0x89, 0xc7, ...number('exit_group'), ...SYSCALL]
  ]
  const afterLea = 14
  const all = [...noNewPrivs, ...rest(rest(0).length - afterLea)]
  const directory = mkdtempSync(join(tmpdir(), 'seccomp-'))
  try {
    const path = join(directory, 'program')
    writeFileSync(path, rawProgram(all, program), { mode: 0o755 })
    const { status, signal } = spawnSync(path, { timeout: 20_000 })
    return { status, signal }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const onX64 = arch === 'x64' ? skip : 'needs an x86-64 machine'
const EPERM = 1
const ENOSYS = 38
const umaskX64 = [0x31, 0xff, ...movEax(95), ...SYSCALL]
const umaskI386 = [0x31, 0xdb, ...movEax(60), ...INT_0x80]
const umaskX32 = [0x31, 0xff, ...movEax(0x4000_0000 + 95), ...SYSCALL]

/** A kernel without CONFIG_IA32_EMULATION, or under a hypervisor that knows no such interrupt, ends who tries. */
function whyNoI386(): string | false {
  const { signal } = attempt(forArchitectures({ defaultAction: 'SCMP_ACT_ALLOW' }, 'SCMP_ARCH_X86'), ...umaskI386)
  return signal === 'SIGSEGV' && 'this kernel takes no system calls of i386'
}
const onI386 = onX64 || whyNoI386()

t.test('the calls of x32 do not get round a filter', { skip: onX64 }, async (t) => {
  const profile = on('umask', 'SCMP_ACT_ERRNO')
  t.match(attempt(profile, ...umaskX64), { status: EPERM })
  t.match(attempt(profile, ...umaskX32), { signal: 'SIGSYS' }, 'x32 is not listed')
  t.match(attempt(forArchitectures(profile, 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'), ...umaskX32), { status: EPERM })
})

t.test('those of i386 do not either', { skip: onI386 }, async (t) => {
  const profile = on('umask', 'SCMP_ACT_ERRNO')
  t.match(attempt(profile, ...umaskI386), { signal: 'SIGSYS' }, 'i386 is not listed')
  t.match(attempt(forArchitectures(profile, 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'), ...umaskI386), { status: EPERM })
})

t.test('newer calls do not exist for i386', { skip: onI386 }, async (t) => {
  t.match(attempt(defaultProfile, ...movEax(900), ...INT_0x80), { status: ENOSYS })
})

t.test('newer calls do not exist for x32 either', { skip: onX64 }, async (t) => {
  const newer = (...how: number[]) => attempt(defaultProfile, ...how)
  t.match(newer(...movEax(900), ...SYSCALL), { status: ENOSYS })
  t.match(newer(...movEax(0x4000_0000 + 900), ...SYSCALL), { status: ENOSYS })
  t.match(newer(...movEax(169), ...SYSCALL), { status: EPERM }, 'reboot is known')
})

t.test('socket is filtered behind socketcall, too', { skip: onI386 }, async (t) => {
  const profile = forArchitectures(on('socket', 'SCMP_ACT_ERRNO', { errnoRet: 13 }), 'SCMP_ARCH_X86')
  const SYS_SOCKET = 1
  const SYS_BIND = 2
  const socketcall = (call: number) => [0xbb, ...word(call), 0x31, 0xc9, ...movEax(102), ...INT_0x80]
  t.match(attempt(profile, ...socketcall(SYS_SOCKET)), { status: 13 })
  t.match(attempt(profile, ...socketcall(SYS_BIND)), { status: 14 }, 'others reach the kernel, which finds no arguments (EFAULT)')
  t.match(attempt(profile, ...movEax(359), ...INT_0x80), { status: 13 }, 'the direct call')
})
