/** The profile that Podman gives to every container (containers-common's seccomp.json), converted as Podman does it, loads and enforces as with runc. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Config, Seccomp, SeccompSyscall } from '../../src/config/types.ts'
import { needs, type Sandbox, sandbox, tsrunPath } from '../harness.ts'

const FILE = '/usr/share/containers/seccomp.json'
const skip = needs({ containers: true, files: [FILE, '/proc/sys/kernel/seccomp/actions_avail'] })

/** For whom a rule of the file is. */
interface Condition {
  readonly arches?: readonly string[]
  readonly caps?: readonly string[]
}
interface Rule extends SeccompSyscall {
  readonly includes?: Condition
  readonly excludes?: Condition
}
interface ProfileFile extends Pick<Seccomp, 'defaultAction' | 'defaultErrnoRet'> {
  readonly syscalls: readonly Rule[]
}

const [ARCH, ARCHITECTURES] =
  process.arch === 'x64'
    ? (['amd64', ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']] as const)
    : (['arm64', ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']] as const)

/** Podman's default set: without CAP_SYS_ADMIN and its like. */
const CAPS = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT'
]

function isMeant({ includes = {}, excludes = {} }: Rule): boolean {
  const has = (list: readonly string[] | undefined, one: string): boolean => list?.includes(one) === true
  if (includes.arches?.length && !has(includes.arches, ARCH)) return false
  if (includes.caps?.length && !includes.caps.every((cap) => CAPS.includes(cap))) return false
  return !has(excludes.arches, ARCH) && !excludes.caps?.some((cap) => CAPS.includes(cap))
}

function profile(): Seccomp {
  const { defaultAction, defaultErrnoRet, syscalls } = JSON.parse(readFileSync(FILE, 'utf8')) as ProfileFile
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: [...ARCHITECTURES],
    syscalls: syscalls.filter(isMeant).map(({ names, action, args, errnoRet }) => ({
      names,
      action,
      ...(args?.length ? { args } : {}),
      ...(errnoRet === undefined || action !== 'SCMP_ACT_ERRNO' ? {} : { errnoRet })
    }))
  }
}

/** So that what is refused is refused by the filter. */
const ALL = ['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYSLOG', 'CAP_SYS_CHROOT', 'CAP_DAC_OVERRIDE'] as const
const SCRIPT = `
try() { "$@" >/dev/null 2>&1 && echo "$1 ok" || echo "$1 $("$@" 2>&1 | tail -n 1)"; }
try unshare -u true
try mount -t tmpfs x /tmp
try umount /dev/shm
try hostname other
try rmmod nothing
try swapoff /x
try pivot_root / /
try dmesg
try chroot / /bin/true
try sh -c 'echo x > /tmp/file && cat /tmp/file && rm /tmp/file'
grep Seccomp: /proc/self/status
`

const look = (box: Sandbox, runtime: string, seccomp: Seccomp | undefined): string => {
  const bundle = box.bundle((config: Config) => {
    const linux = { ...config.linux, ...(seccomp === undefined ? {} : { seccomp }) }
    return {
      ...config,
      process: {
        ...config.process,
        args: ['/bin/sh', '-c', SCRIPT],
        noNewPrivileges: false,
        capabilities: { bounding: ALL, effective: ALL, permitted: ALL }
      },
      mounts: [...(config.mounts ?? []), { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' }],
      linux
    }
  })
  const { stdout, stderr } = box.runtime(runtime, ['run', '--bundle', bundle, box.id()])
  return stdout + stderr
}

t.test('it enforces what it does not allow', { skip }, async (t) => {
  using box = sandbox(t)
  const lines = look(box, tsrunPath(), profile())
  for (const name of ['hostname', 'swapoff', 'rmmod'])
    t.match(lines, new RegExp(`^${name} .*(not permitted|not implemented|EPERM)`, 'm'), name)
  for (const name of ['mount', 'chroot', 'sh']) t.match(lines, new RegExp(`^${name} ok$`, 'm'))
  t.match(lines, /Seccomp:\s*2/)
})

t.test('as with runc', { skip: skip || needs({ commands: ['runc'] }) }, async (t) => {
  using box = sandbox(t)
  t.equal(look(box, tsrunPath(), profile()), look(box, 'runc', profile()))
})
