/** CPU scheduler, I/O priority, NUMA nodes and labels of a process (config.md#linux-process, config-linux.md#memory-policy), seen by itself. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, MemoryPolicy, Process, Scheduler } from '../../src/config/types.ts'
import { kill } from '../../src/index.ts'
import { running } from '../exec.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'

const run = (box: Sandbox, args: readonly string[], process: Partial<Process>, linux: Config['linux'] = {}) => {
  const bundle = box.bundle((config) => ({
    ...config,
    process: { ...config.process, args, ...process },
    linux: { ...config.linux, ...linux, resources: { ...config.linux?.resources, ...linux.resources } }
  }))
  return box.tsrun('run', '--bundle', bundle, box.id())
}

/** Without a fork, which SCHED_FLAG_RESET_ON_FORK would show in. */
const STAT = ['/bin/cat', '/proc/self/stat']

/** Nice value, real-time priority and number of the policy (proc_pid_stat(5)). */
const scheduling = (stat: string) => {
  const field = (n: number): number => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[n - 3])
  return { nice: field(19), priority: field(40), policy: field(41) }
}

const mayNotRaise = needs({ host: { CAP_SYS_NICE: 'a higher priority' } })

t.test('schedulers', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const times = { runtime: 10_000_000, deadline: 100_000_000, period: 100_000_000 }
  const cases: readonly (readonly [Scheduler, Partial<ReturnType<typeof scheduling>>, string | false])[] = [
    // What a test is started by may be nice itself, and only root takes that back.
    [{ policy: 'SCHED_OTHER', nice: 19 }, { nice: 19, priority: 0, policy: 0 }, false],
    [{ policy: 'SCHED_BATCH', nice: -5 }, { nice: -5, priority: 0, policy: 3 }, mayNotRaise],
    [{ policy: 'SCHED_IDLE' }, { priority: 0, policy: 5 }, false],
    [{ policy: 'SCHED_DEADLINE', ...times, flags: ['SCHED_FLAG_RESET_ON_FORK'] }, { priority: 0, policy: 6 }, mayNotRaise]
  ]
  for (const [scheduler, expected, skip] of cases) {
    const { stdout, stderr } = run(box, STAT, { scheduler })
    const name = `${scheduler.policy}: ${stderr}`
    if (skip) t.match(stderr, /cannot set the scheduler SCHED_\w+: .*\(EPERM\): it takes CAP_SYS_NICE.* \[\/process\/scheduler\]/, skip)
    else t.match(scheduling(stdout), expected, name)
  }
})

const realtime = needs({
  containers: true,
  host: { CAP_SYS_NICE: 'real-time priorities' },
  cgroup: 'v1',
  controllers: ['cpu'],
  files: ['/sys/fs/cgroup/cpu/cpu.rt_runtime_us']
})

t.test('real-time schedulers, with the time that the cgroup gives', { skip: realtime }, async (t) => {
  using box = sandbox(t)
  const linux: Config['linux'] = { resources: { cpu: { realtimeRuntime: 10_000, realtimePeriod: 1_000_000 } } }
  const fifo = run(box, STAT, { scheduler: { policy: 'SCHED_FIFO', priority: 10 } }, linux)
  t.match(scheduling(fifo.stdout), { priority: 10, policy: 1 }, fifo.stderr)
  const without = run(box, STAT, { scheduler: { policy: 'SCHED_FIFO', priority: 10 } })
  t.match(without.stderr, /cannot set the scheduler SCHED_FIFO: .*\(EPERM\): it takes .*realtimeRuntime.* \[\/process\/scheduler\]/)
  const rr = run(box, STAT, { scheduler: { policy: 'SCHED_RR', priority: 99, flags: ['SCHED_FLAG_RESET_ON_FORK'] } }, linux)
  t.match(scheduling(rr.stdout), { priority: 99, policy: 2 }, rr.stderr)
})

t.test('I/O priorities', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const priority = (ioPriority: NonNullable<Process['ioPriority']>) =>
    run(box, ['/bin/busybox', 'ionice', '-p', '1'], { ioPriority }).stdout.trim()
  t.equal(priority({ class: 'IOPRIO_CLASS_RT', priority: 3 }), mayNotRaise ? '' : 'realtime: prio 3')
  t.equal(priority({ class: 'IOPRIO_CLASS_BE', priority: 7 }), 'best-effort: prio 7')
  t.equal(priority({ class: 'IOPRIO_CLASS_IDLE' }), 'idle')
})

t.test('memory policies', { skip: needs({ containers: true, files: ['/proc/self/numa_maps'], kernel: [6, 9] }) }, async (t) => {
  using box = sandbox(t)
  const cases: readonly (readonly [MemoryPolicy, string])[] = [
    [{ mode: 'MPOL_DEFAULT' }, 'default'],
    [{ mode: 'MPOL_LOCAL' }, 'local'],
    [{ mode: 'MPOL_PREFERRED' }, 'local'],
    [{ mode: 'MPOL_PREFERRED', nodes: '0' }, 'prefer:0'],
    [{ mode: 'MPOL_PREFERRED_MANY', nodes: '0' }, 'prefer (many):0'],
    [{ mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_STATIC_NODES'] }, 'bind=static:0'],
    [{ mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_NUMA_BALANCING'] }, 'bind=balancing:0'],
    [{ mode: 'MPOL_INTERLEAVE', nodes: '0', flags: ['MPOL_F_RELATIVE_NODES'] }, 'interleave=relative:0'],
    [{ mode: 'MPOL_WEIGHTED_INTERLEAVE', nodes: '0' }, 'weighted interleave:0']
  ]
  for (const [memoryPolicy, expected] of cases) {
    const { stdout, stderr } = run(box, ['/bin/head', '-n', '1', '/proc/self/numa_maps'], {}, { memoryPolicy })
    t.ok(stdout.includes(` ${expected} `), `${expected}: ${stdout}${stderr}`)
  }
})

t.test('a process of exec: those of its own document, else those of the container', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, call, options } = await running(box, (config) => ({
    ...config,
    process: {
      ...config.process,
      args: ['/bin/sleep', '1000'],
      scheduler: { policy: 'SCHED_IDLE' },
      ioPriority: { class: 'IOPRIO_CLASS_IDLE' }
    }
  }))
  t.match(scheduling(call(id, ...STAT).stdout), { policy: 5 })
  const document = join(box.directory, 'process.json')
  const write = (args: readonly string[]) =>
    writeFileSync(
      document,
      JSON.stringify({
        cwd: '/',
        args,
        scheduler: { policy: 'SCHED_BATCH', nice: 19 },
        ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 6 }
      })
    )
  write(STAT)
  t.same(scheduling(call('--process', document, id).stdout), { nice: 19, priority: 0, policy: 3 })
  write(['/bin/sh', '-c', '/bin/busybox ionice -p $$'])
  t.equal(call('--process', document, id).stdout, 'best-effort: prio 6\n')
  await kill(id, 9, options)
})

t.test('what the kernel refuses is an error with its place, and nothing is left', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const cases: readonly (readonly [Partial<Process>, Config['linux'], RegExp])[] = [
    [{ scheduler: { policy: 'SCHED_ISO' } }, {}, /cannot set the scheduler SCHED_ISO: .*\(EINVAL\) \[\/process\/scheduler\]/],
    [
      {},
      { memoryPolicy: { mode: 'MPOL_BIND', nodes: '8000' } },
      /cannot set the memory policy MPOL_BIND 8000: .*\(EINVAL\): its nodes must be there.* \[\/linux\/memoryPolicy\]/
    ],
    [{}, { memoryPolicy: { mode: 'MPOL_BIND', nodes: '3-1' } }, /invalid list of NUMA nodes: "3-1" .*\[\/linux\/memoryPolicy\/nodes\]/]
  ]
  for (const [process, linux, message] of cases) {
    const before = box.snapshot()
    const { status, stderr } = run(box, ['/bin/true'], process, linux)
    t.equal(status, 1)
    t.match(stderr, message)
    t.same(await box.leftovers(before), [], String(message))
  }
})

const WITHOUT_APPARMOR = needs({ containers: true }) || (isThere('/sys/module/apparmor/parameters/enabled') && 'this machine has AppArmor')
const WITHOUT_SELINUX = needs({ containers: true }) || (isThere('/sys/fs/selinux/enforce') && 'this machine has SELinux')

function isThere(path: string): boolean {
  return needs({ files: [path] }) === false
}

t.test('without AppArmor a profile is refused', { skip: WITHOUT_APPARMOR }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const { status, stderr } = run(box, ['/bin/true'], { apparmorProfile: 'box' })
  t.equal(status, 1)
  t.match(stderr, /cannot apply the AppArmor profile "box": AppArmor is not enabled on this machine \[\/process\/apparmorProfile\]/)
  t.same(await box.leftovers(before), [])
  const { id, sh, options } = await running(box)
  t.match(sh('true', '--apparmor', 'box').stderr, /AppArmor is not enabled/)
  await kill(id, 9, options)
})

t.test('without SELinux a label is refused', { skip: WITHOUT_SELINUX }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const { status, stderr } = run(box, ['/bin/true'], { selinuxLabel: 'a_u:b_r:c_t:s0' })
  t.equal(status, 1)
  t.match(stderr, /selinux label is specified in config, but selinux is disabled or not supported.*\[\/process\/selinuxLabel\]/)
  t.same(await box.leftovers(before), [])
  const { id, sh, options } = await running(box)
  t.match(sh('true', '--process-label', 'a_u:b_r:c_t:s0').stderr, /selinux is disabled/)
  await kill(id, 9, options)
})

const APPARMOR = needs({ containers: true, commands: ['apparmor_parser'], files: ['/sys/kernel/security/apparmor/profiles'] })

t.test('an AppArmor profile confines the process, and one of exec', { skip: APPARMOR }, async (t) => {
  using box = sandbox(t)
  const name = `tsrun-test-${process.pid}`
  const profile = join(box.directory, 'profile')
  writeFileSync(
    profile,
    `profile ${name} flags=(attach_disconnected,mediate_deleted) {\n  file,\n  capability,\n  signal,\n  deny /etc/passwd r,\n}\n`
  )
  const { spawnSync } = await import('node:child_process')
  t.equal(spawnSync('apparmor_parser', ['--replace', '--skip-cache', profile]).status, 0)
  t.teardown(() => void spawnSync('apparmor_parser', ['--remove', '--skip-cache', profile]))
  const script = ['/bin/sh', '-c', 'cat /proc/self/attr/current; cat /etc/passwd 2>&1 >/dev/null; true']
  for (const noNewPrivileges of [true, false]) {
    const { stdout, stderr } = run(box, script, { apparmorProfile: name, noNewPrivileges })
    t.match(stdout, new RegExp(`^${name} \\(enforce\\)\\n.*Permission denied`), stderr)
  }
  t.match(
    run(box, script, { apparmorProfile: `${name}-not` }).stderr,
    /cannot apply the AppArmor profile ".*-not": .*ENOENT.*\[\/process\/apparmorProfile\]/
  )
  const { id, call, options } = await running(box)
  t.match(call(id, ...script).stdout, /^unconfined/)
  t.match(call('--apparmor', name, id, ...script).stdout, new RegExp(`^${name} \\(enforce\\)\\n.*Permission denied`))
  await kill(id, 9, options)
})

const RESCTRL = needs({ containers: true }) || (isThere('/sys/fs/resctrl/schemata') && 'this machine has a resctrl file system')

t.test('without a resctrl file system Intel RDT is refused, and nothing is left', { skip: RESCTRL }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const { status, stderr } = run(box, ['/bin/true'], {}, { intelRdt: { closID: 'some', l3CacheSchema: 'L3:0=f' } })
  t.equal(status, 1)
  t.match(stderr, /cannot use Intel RDT: no resctrl file system is mounted \[\/linux\/intelRdt\]/)
  t.same(await box.leftovers(before), [])
})
