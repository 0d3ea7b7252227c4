import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, Process } from '../../src/config/types.ts'
import { run, state } from '../../src/index.ts'
import { merge, type Overrides } from '../config.ts'
import { running, SLEEP, STATUS, statusOf, userNamespace } from '../exec.ts'
import { needs, type Result, sandbox, unable } from '../harness.ts'

const withTaskset = needs({ containers: true, commands: ['taskset'] })

// ---------------------------------------------------------------- the process

t.test('user, groups, directory, environment', { skip: needs({ containers: true, ids: 1002 }) }, async (t) => {
  using box = sandbox(t)
  const user = { uid: 7, gid: 8, additionalGids: [9] }
  const { sh } = await running(box, { process: { args: ['/bin/sleep', '1000'], user: { ...user, umask: 0o27 }, cwd: '/tmp' } })
  const plain = statusOf(sh(STATUS))
  t.match(plain, { Uid: '7 7 7 7', Gid: '8 8 8 8', Groups: '9', Umask: '0027' })
  const other = statusOf(sh(STATUS, '--user', '1000:1001', '--additional-gids', '5', '-g', '6'))
  t.match(other, { Uid: '1000 1000 1000 1000', Gid: '1001 1001 1001 1001', Groups: '5 6 9' })
  t.match(statusOf(sh(STATUS, '-u', '1000')), { Uid: '1000 1000 1000 1000', Gid: '8 8 8 8' }, "the container's gid stays")
  t.equal(sh('pwd').stdout, '/tmp\n')
  t.equal(sh('pwd', '--cwd', '/bin').stdout, '/bin\n')
  t.equal(sh('echo "$A,$B,$TERM,$HOME"', '-e', 'A=1,2', '--env', 'B=x', '-e', 'B=y').stdout, '1,2,y,xterm,/\n')
  t.equal(sh('echo $HOME', '-u', '0').stdout, '/root\n')
  t.equal(sh('echo $HOME', '-e', 'HOME=/elsewhere').stdout, '/elsewhere\n')
})

t.test('a document', { skip: needs({ containers: true, ids: 8 }) }, async (t) => {
  using box = sandbox(t)
  const { id, call } = await running(box, {
    process: { args: ['/bin/sleep', '1000'], env: ['PATH=/bin', 'A=1'], oomScoreAdj: 321, user: { umask: 0o27 } }
  })
  const file = join(box.directory, 'process.json')
  const document = (given: Process, ...options: string[]): Result => {
    writeFileSync(file, JSON.stringify(given))
    return call('--process', file, ...options, id)
  }
  const script = (text: string): Process => ({ cwd: '/', args: ['/bin/sh', '-c', text], env: ['PATH=/bin'] })
  t.equal(document(script('echo "$A,$PATH,$HOME"')).stdout, ',/bin,/root\n')
  const inherited = statusOf(document(script(`${STATUS}; echo oom: $(cat /proc/self/oom_score_adj); echo files: $(ulimit -n)`)))
  t.match(inherited, { CapPrm: '0000000020000420', CapBnd: '0000000020000420', NoNewPrivs: '0', oom: '321', files: '1024', Umask: '0027' })
  const own: Process = {
    ...script(`${STATUS}; echo oom: $(cat /proc/self/oom_score_adj); echo files: $(ulimit -n) $(ulimit -Hn)`),
    user: { uid: 5, gid: 6, additionalGids: [7], umask: 0o77 },
    capabilities: { bounding: ['CAP_CHOWN'], permitted: [], effective: [] },
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 50, hard: 60 }],
    noNewPrivileges: true,
    oomScoreAdj: 400
  }
  t.match(statusOf(document(own)), {
    ...{ Uid: '5 5 5 5', Gid: '6 6 6 6', Groups: '7', Umask: '0077', NoNewPrivs: '1' },
    ...{ CapPrm: '0000000000000000', CapBnd: '0000000000000001', oom: '400', files: '50 60' }
  })
  t.match(document({ cwd: 'relative', args: [] }), { status: 255, stderr: /Cwd must be an absolute path[\s\S]*args must not be empty/ })
  t.match(call('--process', '/no/such', id), { status: 255, stderr: /exec failed: cannot read "\/no\/such": .*no such file/ })
  t.match(call('--process', file, id, 'ls'), { status: 255, stderr: /cannot take the command "ls" as well as that of --process/ })
  t.match(call(id), { status: 255, stderr: /^tsrun: exec failed: exec args cannot be empty/ })
})

t.test('a document that comes through a pipe', { skip: needs({ containers: true, commands: ['bash'] }) }, async (t) => {
  using box = sandbox(t)
  const { id, bundle, withCall } = await running(box)
  const file = join(box.directory, 'process.json')
  writeFileSync(file, JSON.stringify({ cwd: '/', args: ['/bin/echo', 'x'.repeat(100_000)] }))
  const piped = { wrapper: ['sh', '-c', `cat ${file} | "$@"`, 'sh'] }
  t.match(withCall(piped, '--process', '/dev/stdin', id), { status: 0, stdout: `${'x'.repeat(100_000)}\n` })
  t.match(withCall({ wrapper: ['bash', '-c', `"$@" --process <(cat ${file}) ${id}`, 'bash'] }), { status: 0, stdout: /^x+\n$/ })
  t.match(withCall({}, '--process', box.directory, id), { status: 255, stderr: /cannot read ".*": .*directory/ })
  t.match(withCall({}, '--process', '/dev/null', id), { status: 255, stderr: /is empty/ })
  const config = join(bundle, 'config.json')
  const run = box.tsrunWith(
    { wrapper: ['sh', '-c', `sed 's/"1000"/"0"/' ${config} | "$@"`, 'sh'] },
    'run',
    '--config',
    '/dev/stdin',
    '--bundle',
    bundle,
    box.id()
  )
  t.match(run, { status: 0, stderr: '' }, 'a configuration as well')
})

t.test('capabilities and privileges', { skip: needs({ containers: true, ids: 1001 }) }, async (t) => {
  using box = sandbox(t)
  const { sh, id, call } = await running(box)
  t.match(statusOf(sh(STATUS, '--cap', 'CAP_CHOWN')), {
    ...{ CapPrm: '0000000020000421', CapEff: '0000000020000421', CapBnd: '0000000020000421' },
    ...{ CapInh: '0000000000000000', CapAmb: '0000000000000000', NoNewPrivs: '1' }
  })
  t.match(statusOf(sh(STATUS, '--no-new-privs=false')), { NoNewPrivs: '0' })
  const unknown = call('--cap', 'CAP_FOO', id, 'true')
  t.match(unknown, { status: 0, stderr: /ignoring unknown or unavailable capabilities: "CAP_FOO"/ })
  t.match(sh('true', '--apparmor', 'x'), { status: 255, stderr: /cannot apply the AppArmor profile "x"/ })
  t.match(sh('true', '--process-label', 'x'), { status: 255, stderr: /selinux is disabled or not supported: "x"/ })
  t.equal(sh('true', '--apparmor', '', '--process-label', '').status, 0)
  const ambient = ['CAP_NET_RAW'] as const
  const other = await running(box, {
    process: {
      args: ['/bin/sleep', '1000'],
      noNewPrivileges: false,
      capabilities: { bounding: ambient, effective: ambient, permitted: ambient, inheritable: ambient, ambient: [] }
    }
  })
  const both = statusOf(other.sh(STATUS, '--cap', 'CAP_NET_RAW', '--cap', 'CAP_CHOWN', '-u', '1000'))
  t.match(both, { CapInh: '0000000000002000', CapAmb: '0000000000002000', NoNewPrivs: '0' }, 'only what is inheritable is ambient')
  t.match(statusOf(other.sh(STATUS, '--no-new-privs')), { NoNewPrivs: '1' })
})

t.test('resource limits in a user namespace are set by the runtime', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { sh } = await running(box, {
    process: { args: ['/bin/sleep', '1000'], rlimits: [{ type: 'RLIMIT_NOFILE', soft: 70, hard: 80 }] },
    linux: userNamespace(0)
  })
  t.equal(sh('ulimit -n; ulimit -Hn').stdout, '70\n80\n')
})

t.test('affinity: the cpuset is what counts, not that of the caller', { skip: withTaskset }, async (t) => {
  using box = sandbox(t)
  const all = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  if (!/^0-/.test(all)) return t.pass('one processor only')
  const { id, withCall } = await running(box, (config) => merge(config, { process: { args: ['/bin/sleep', '1000'] } }))
  const pinned = { wrapper: ['taskset', '-c', '0'] }
  t.match(statusOf(withCall(pinned, id, 'cat', '/proc/self/status')), { Cpus_allowed_list: all })
  const file = join(box.directory, 'process.json')
  const document = (execCPUAffinity: NonNullable<Process['execCPUAffinity']>): Result => {
    writeFileSync(file, JSON.stringify({ cwd: '/', args: ['/bin/cat', '/proc/self/status'], execCPUAffinity }))
    return withCall(pinned, '--process', file, id)
  }
  t.match(statusOf(document({ final: '1' })), { Cpus_allowed_list: '1' })
  t.match(statusOf(document({ initial: '1' })), { Cpus_allowed_list: all })
  t.match(document({ final: '8000' }), { status: 255, stderr: /cannot set the CPU affinity to "8000": invalid argument \(EINVAL\)/ })
  t.match(document({ initial: '1-' }), { status: 255, stderr: /invalid list of CPUs: "1-"/ })
})

t.test("the session keyring is the container's", { skip: needs({ containers: true, files: ['/proc/keys'] }) }, async (t) => {
  using box = sandbox(t)
  const unmasked: Overrides<Config> = { ...SLEEP, linux: { maskedPaths: [] } }
  const { sh, id } = await running(box, unmasked)
  const rings = () => sh(`grep -c " _ses.${id}:" /proc/keys`).stdout
  t.equal(rings(), '1\n')
  t.equal(rings(), '1\n', 'and no new one each time')
  const kept = box.id()
  await run({ root: box.root(), id: kept, bundle: box.bundle(unmasked), detach: true, noNewKeyring: true })
  t.equal(box.tsrun('exec', kept, 'sh', '-c', `grep -c " _ses.${kept}:" /proc/keys`).stdout, '0\n')
})

t.test('seccomp', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }]
  } as const
  for (const noNewPrivileges of [true, false]) {
    const { sh } = await running(box, (config) => ({
      ...merge(config, { ...SLEEP, process: { args: ['/bin/sleep', '1000'], noNewPrivileges } }),
      linux: { ...config.linux, seccomp }
    }))
    const { stdout, stderr } = sh('mkdir /tmp/x; grep Seccomp: /proc/self/status')
    t.match(stdout, /Seccomp:\s*2/)
    t.match(stderr, /Function not implemented/)
  }
})

// ---------------------------------------------------------------- failures

t.test('commands that cannot be executed', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, call, bundle, root } = await running(box)
  const rootfs = join(bundle, 'rootfs')
  writeFileSync(join(rootfs, 'bin/crlf'), '#!/bin/sh\r\n', { mode: 0o755 })
  writeFileSync(join(rootfs, 'bin/text'), 'text\n', { mode: 0o755 })
  const before = box.snapshot()
  const failures: readonly (readonly [string[], RegExp])[] = [
    [['nosuch'], /^tsrun: exec failed: exec: "nosuch": executable file not found in \$PATH/],
    [['/no/such'], /^tsrun: exec failed: exec: "\/no\/such": stat \/no\/such: no such file or directory/],
    [['/etc/passwd'], /^tsrun: exec failed: exec: "\/etc\/passwd": permission denied/],
    [['/etc'], /^tsrun: exec failed: exec: "\/etc": permission denied/],
    [['crlf'], /^tsrun: exec failed: exec crlf: no such file or directory: its first line ends in CR LF/],
    [['text'], /^tsrun: exec failed: exec text: exec format error: it is neither an ELF executable nor a script/]
  ]
  for (const [args, stderr] of failures) {
    t.match(call(id, ...args), { status: 255, stdout: '', stderr })
    t.match(call('--detach', id, ...args), { status: 255, stdout: '', stderr }, 'in the background as well')
  }
  t.match(call('--cwd', '/no/such', id, 'true'), {
    status: 255,
    stderr: /cannot enter the working directory "\/no\/such": no such file or directory/
  })
  t.match(call('--env', 'A', id, 'true'), { status: 255, stderr: /invalid environment variable: missing '='/ })
  t.match(call('--preserve-fds', '2', id, 'true'), { status: 255, stderr: /please check that preserved-fd 0 \(of 2\) is present/ })
  const pidFile = join(box.directory, 'no/such/pid')
  t.match(call('--pid-file', pidFile, id, 'sleep', '1000'), { status: 255, stderr: /cannot write the pid file/ })
  t.same(await box.leftovers(before), [])
  t.equal((await state(id, { root })).status, 'running')
})
