/** What the process of a container is given (config.md#process), seen by itself. */
import t from 'tap'
import type { RLIMITS } from '../../src/abi/prctl.ts'
import type { Config } from '../../src/config/types.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'
import { defaultProfile } from '../seccomp-profile.ts'

const forIds = needs({ containers: true, ids: 2001 })
const withTaskset = needs({ containers: true, commands: ['taskset'] })

type Process = NonNullable<Config['process']>

const runs = (box: Sandbox, script: string, process: Partial<Process>, linux: Config['linux'] = {}) => {
  const bundle = box.bundle((config) => ({
    ...config,
    root: { path: 'rootfs', readonly: false },
    process: { ...config.process, args: ['/bin/sh', '-c', script], ...process },
    linux: { ...config.linux, ...linux }
  }))
  return box.tsrun('run', '--bundle', bundle, box.id())
}

const STATUS = "sed -n 's/^\\(Uid\\|Gid\\|Groups\\|Cap...\\|NoNewPrivs\\):[[:space:]]*/\\1 /p' /proc/self/status"

t.test('user, groups, file mode mask, capabilities, OOM score and directory', { skip: forIds }, async (t) => {
  using box = sandbox(t)
  const caps = ['CAP_KILL', 'CAP_CHOWN'] as const
  const { stdout, stderr } = runs(box, `${STATUS}; umask; cat /proc/self/oom_score_adj; pwd`, {
    user: { uid: 1000, gid: 1001, additionalGids: [5, 6, 2000], umask: 0o77 },
    capabilities: { bounding: caps, effective: caps, permitted: caps, inheritable: caps, ambient: ['CAP_KILL'] },
    oomScoreAdj: 77,
    cwd: '/made/for/it'
  })
  const set = (bits: string): string => bits.padStart(16, '0')
  t.same(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().replaceAll('\t', ' ')),
    [
      'Uid 1000 1000 1000 1000',
      'Gid 1001 1001 1001 1001',
      'Groups 5 6 2000',
      // Only what is ambient survives the execve of a user who is not root (capabilities(7)).
      ...['Inh 21', 'Prm 20', 'Eff 20', 'Bnd 21', 'Amb 20'].map((line) => `Cap${line.slice(0, 4)}${set(line.slice(4))}`),
      'NoNewPrivs 1',
      '0077',
      '77',
      '/made/for/it'
    ],
    stderr
  )
})

t.test('the personality LINUX32', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const machine = (linux: Config['linux']): string => runs(box, 'uname -m', {}, linux).stdout.trim()
  t.equal(machine({ personality: { domain: 'LINUX' } }), process.arch === 'x64' ? 'x86_64' : 'aarch64')
  t.equal(machine({ personality: { domain: 'LINUX32' } }), process.arch === 'x64' ? 'i686' : 'armv8l')
})

t.test('a seccomp profile', { skip: needs({ containers: true, files: ['/proc/sys/kernel/seccomp/actions_avail'] }) }, async (t) => {
  using box = sandbox(t)
  const script = 'grep Seccomp: /proc/self/status; unshare -u true || echo refused; echo alive'
  const capabilities = { bounding: ['CAP_SYS_ADMIN'], effective: ['CAP_SYS_ADMIN'], permitted: ['CAP_SYS_ADMIN'] } as const
  for (const noNewPrivileges of [true, false])
    for (const uid of [0, 1000]) {
      // An ordinary user without no_new_privs has no right to load a filter any more: it is kept for that.
      const skip = needs({ ids: uid + 1 })
      const process = { noNewPrivileges, user: { uid, gid: 0 }, ...(uid === 0 ? { capabilities } : {}) }
      const expected = 'Seccomp: 2\nrefused\nalive\n'
      const { stdout, stderr } = skip ? { stdout: expected, stderr: '' } : runs(box, script, process, { seccomp: defaultProfile })
      t.equal(stdout.replaceAll('\t', ' '), expected, `uid ${uid}, no_new_privs ${noNewPrivileges}: ${stderr}`, { skip })
    }
})

t.test('the CPUs are those of the cgroup, not those of the caller', { skip: withTaskset }, async (t) => {
  using box = sandbox(t)
  const args = ['/bin/grep', 'Cpus_allowed_list', '/proc/self/status']
  const cpus = (...wrapper: string[]): string => {
    const bundle = box.bundle((config) => ({ ...config, process: { ...config.process, args } }))
    return box.tsrunWith({ wrapper }, 'run', '--bundle', bundle, box.id()).stdout
  }
  t.match(cpus(), /\d/)
  t.equal(cpus('taskset', '--cpu-list', '0'), cpus())
})

t.test('limits of every type, and umask 0', { skip: unable }, async (t) => {
  using box = sandbox(t)
  // Below what every host allows; the rows of /proc/PID/limits (proc_pid_limits(5)).
  const rows: Readonly<Record<keyof typeof RLIMITS, string>> = {
    RLIMIT_CPU: 'Max cpu time',
    RLIMIT_FSIZE: 'Max file size',
    RLIMIT_DATA: 'Max data size',
    RLIMIT_STACK: 'Max stack size',
    RLIMIT_CORE: 'Max core file size',
    RLIMIT_RSS: 'Max resident set',
    RLIMIT_NPROC: 'Max processes',
    RLIMIT_NOFILE: 'Max open files',
    RLIMIT_MEMLOCK: 'Max locked memory',
    RLIMIT_AS: 'Max address space',
    RLIMIT_LOCKS: 'Max file locks',
    RLIMIT_SIGPENDING: 'Max pending signals',
    RLIMIT_MSGQUEUE: 'Max msgqueue size',
    RLIMIT_NICE: 'Max nice priority',
    RLIMIT_RTPRIO: 'Max realtime priority',
    RLIMIT_RTTIME: 'Max realtime timeout'
  }
  /** Some the caller may not have any of, and with too little of others no process could run. */
  const softOf = (type: keyof typeof RLIMITS, i: number): number => {
    if (type === 'RLIMIT_NICE' || type === 'RLIMIT_RTPRIO') return 0
    return ['RLIMIT_AS', 'RLIMIT_DATA', 'RLIMIT_STACK'].includes(type) ? 2 ** 23 : 8000 + i
  }
  const rlimits = (Object.keys(rows) as (keyof typeof RLIMITS)[]).map((type, i) => {
    const soft = softOf(type, i)
    return { type, soft, hard: soft === 0 ? 0 : soft + 4096 }
  })
  const { stdout, stderr } = runs(box, 'umask; cat /proc/self/limits', { rlimits, user: { uid: 0, gid: 0, umask: 0 } })
  t.match(stdout, /^0000\n/, stderr)
  for (const { type, soft, hard } of rlimits) t.match(stdout, new RegExp(`^${rows[type]}\\s+${soft}\\s+${hard}\\s`, 'm'), type)
})
