import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Config, Process } from '../../src/config/types.ts'
import { create, deleteContainer, kill, pause, resume, run, state } from '../../src/index.ts'
import { merge, type Overrides } from '../config.ts'
import { asRoot, type CallOptions, cgroupVersion, needs, type Result, type Sandbox, sandbox, tsrunPath } from '../harness.ts'

const SIGKILL = 9
const SLEEP: Overrides<Config> = { process: { args: ['/bin/sleep', '1000'] } }

/** A running container, and `exec` in it. */
async function running(box: Sandbox, overrides: Overrides<Config> | ((config: Config) => unknown) = SLEEP) {
  const id = box.id()
  const root = box.root()
  const bundle = box.bundle(overrides)
  await run({ root, id, bundle, detach: true })
  const withCall = (options: CallOptions, ...args: string[]): Result => box.tsrunWith(options, 'exec', ...args)
  const call = (...args: string[]): Result => withCall({}, ...args)
  /** Runs a script, with options of `exec` behind it. */
  const sh = (script: string, ...options: string[]): Result => call(...options, id, '/bin/sh', '-c', script)
  return { id, root, bundle, options: { root, id }, sh, withCall, call }
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 500 && !(await condition()); i++) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Values in /proc/self/status by name, without their white space. */
const statusOf = ({ stdout }: Result): Record<string, string> =>
  Object.fromEntries(stdout.split('\n').map((line) => [line.split(':')[0] ?? '', (line.split(':')[1] ?? '').trim().replace(/\s+/g, ' ')]))

const STATUS = 'cat /proc/self/status'

t.test('exit statuses and standard streams', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { id, sh, withCall } = await running(box)
  t.equal(sh('exit 0').status, 0)
  t.equal(sh('exit 7').status, 7)
  t.equal(sh('kill -TERM $$').status, 143)
  t.equal(sh('kill -KILL $$').status, 137)
  const streams = withCall({ input: 'input\n' }, id, 'sh', '-c', 'cat; echo error >&2')
  t.match(streams, { status: 0, stdout: 'input\n', stderr: 'error\n' })
})

// ---------------------------------------------------------------- where it is

const VIEW = 'for n in /proc/self/ns/*; do echo ${n##*/} $(readlink $n); done; cat /proc/self/cgroup; ls /; pwd'
const types = (...names: string[]) => ({ namespaces: names.map((type) => ({ type })) }) as Pick<NonNullable<Config['linux']>, 'namespaces'>
const IDS = [{ containerID: 0, hostID: 0, size: 65536 }]
const KINDS: Readonly<Record<string, Overrides<Config>>> = {
  'the default ones': {},
  'a cgroup namespace': { linux: types('pid', 'network', 'ipc', 'uts', 'mount', 'cgroup') },
  'a user namespace': {
    linux: { ...types('pid', 'network', 'ipc', 'uts', 'mount', 'user', 'cgroup'), uidMappings: IDS, gidMappings: IDS }
  },
  'a time namespace': { linux: { ...types('pid', 'mount', 'time'), timeOffsets: { boottime: { secs: 100000 } } }, hostname: undefined },
  'a mount namespace only': { linux: types('mount'), hostname: undefined }
}

for (const [name, kind] of Object.entries(KINDS)) {
  t.test(`in all of the namespaces and cgroups of init: ${name}`, { skip: asRoot }, async (t) => {
    using box = sandbox(t)
    const writes: Overrides<Config> = {
      process: { args: ['/bin/sh', '-c', `{ ${VIEW}; } > /tmp/view; exec sleep 1000`] },
      root: { readonly: false }
    }
    const { sh, bundle } = await running(box, (config) => merge(merge(config, kind), writes))
    const file = join(bundle, 'rootfs/tmp/view')
    await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n/\n'))
    const { stdout, stderr } = sh(VIEW)
    t.equal(stdout, readFileSync(file, 'utf8'), stderr)
  })
}

t.test('a container without a mount namespace has a root all the same', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { sh, bundle } = await running(box, (config) =>
    merge(config, {
      ...SLEEP,
      root: { readonly: false },
      mounts: [],
      hostname: undefined,
      linux: { ...types('pid'), maskedPaths: [], readonlyPaths: [] }
    })
  )
  writeFileSync(join(bundle, 'rootfs/mark'), '')
  t.match(sh('ls /; pwd; cd ..; pwd').stdout, /mark\n[\s\S]*\/\n\/\n$/)
})

t.test(
  'a container at its limit of processes can still be looked into',
  { skip: needs({ root: true, controllers: ['pids'] }) },
  async (t) => {
    using box = sandbox(t)
    const { id, call } = await running(box, { ...SLEEP, linux: { resources: { pids: { limit: 1 } } } })
    t.match(call(id, 'hostname'), { status: 0, stdout: 'test\n' })
  }
)

t.test('--cgroup', { skip: needs({ root: true, controllers: ['pids', 'memory'] }) }, async (t) => {
  using box = sandbox(t)
  const { sh, root, id } = await running(box)
  const { cgroup_paths: paths } = JSON.parse(readFileSync(join(root, id, 'state.json'), 'utf8')) as { cgroup_paths: Record<string, string> }
  const made = [...new Set(Object.values(paths))].map((path) => join(path, 'sub'))
  for (const path of made) {
    mkdirSync(path)
    // A v1 cpuset lets nobody in before it has something.
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      if (path.includes('/cpuset/')) writeFileSync(join(path, file), readFileSync(join(path, '..', file)))
  }
  const mine = (...options: string[]) => sh('cat /proc/self/cgroup', ...options)
  const all = mine('--cgroup', 'sub')
  t.ok(
    all.stdout
      .trim()
      .split('\n')
      .every((line) => line.endsWith(`/${id}/sub`)),
    all.stdout + all.stderr
  )
  if (cgroupVersion() === 'v1') {
    const { stdout } = mine('--cgroup', 'memory,pids:sub')
    t.match(stdout, new RegExp(`:pids:.*/${id}/sub\n`))
    t.match(stdout, new RegExp(`:memory:.*/${id}/sub\n`))
    t.match(stdout, new RegExp(`:cpu[^:]*:.*/${id}\n`))
    t.match(mine('--cgroup', 'pids:sub', '--cgroup', 'memory:/').status, 0)
  }
  const refusals: readonly (readonly [string[], RegExp])[] = [
    [['../x'], /^tsrun: exec failed: "..\/x" is not a sub cgroup path/],
    [['sub/../..'], /is not a sub cgroup path/],
    [['a', 'b'], /invalid --cgroup argument: "a": missing <controller>: prefix/],
    [[',pids:a'], /invalid --cgroup argument: ",pids:a": empty <controller> prefix/],
    [['pids:a', 'pids:b'], /invalid --cgroup argument: "pids:b": controller pids specified multiple times/],
    [['bla:x'], /unknown controller "bla"/],
    [['nosuch'], /cannot open the cgroup ".*\/nosuch": no such file or directory \(ENOENT\)/]
  ]
  for (const [given, stderr] of refusals) t.match(mine(...given.flatMap((each) => ['--cgroup', each])), { status: 255, stderr })
  for (const path of made) rmdirSync(path)
})

t.test(
  'where init has gone when its v2 cgroup may hold no processes',
  { skip: needs({ root: true, files: ['/sys/fs/cgroup/unified/cgroup.controllers'] }) },
  async (t) => {
    const [controller = ''] = readFileSync('/sys/fs/cgroup/unified/cgroup.controllers', 'utf8').trim().split(' ')
    if (controller === '') return t.pass('no controller to hand down')
    using box = sandbox(t)
    const { sh, root, id } = await running(box)
    const { cgroup_paths: paths } = JSON.parse(readFileSync(join(root, id, 'state.json'), 'utf8')) as {
      cgroup_paths: Record<string, string>
    }
    const directory = paths['']!
    const { pid } = await state(id, { root })
    mkdirSync(join(directory, 'init'))
    writeFileSync(join(directory, 'init/cgroup.procs'), String(pid))
    const above = '/sys/fs/cgroup/unified/cgroup.subtree_control'
    const before = readFileSync(above, 'utf8').includes(controller)
    writeFileSync(above, `+${controller}`)
    writeFileSync(join(directory, 'cgroup.subtree_control'), `+${controller}`)
    const { stdout, stderr } = sh('grep ^0: /proc/self/cgroup')
    t.equal(stdout, `0::/${id}/init\n`, stderr)
    await deleteContainer(id, { root, force: true })
    if (!before) writeFileSync(above, `-${controller}`)
  }
)

// ---------------------------------------------------------------- states

t.test('created and running containers take it, others do not', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const root = box.root()
  const id = box.id()
  const call = (...args: string[]) => box.tsrun('exec', ...args)
  t.match(call(id, 'true'), { status: 255, stderr: /^tsrun: exec failed: container does not exist/ })
  t.match(call('..', 'true'), { status: 255, stderr: /^tsrun: exec failed: invalid container ID format/ })
  await create({ root, id, bundle: box.bundle(SLEEP) })
  t.match(call(id, 'hostname'), { status: 0, stdout: 'test\n' }, 'created')
  t.equal((await state(id, { root })).status, 'created')
  t.equal(box.tsrun('start', id).status, 0)
  t.match(call(id, 'hostname'), { status: 0, stdout: 'test\n' }, 'running')
  await pause(id, { root })
  t.match(call(id, 'true'), { status: 255, stderr: 'exec failed: cannot exec in a paused container (use --ignore-paused to override)' })
  await resume(id, { root })
  await kill(id, SIGKILL, { root })
  await until(async () => (await state(id, { root })).status === 'stopped')
  t.match(call(id, 'true'), { status: 255, stderr: 'exec failed: cannot exec in a stopped container' })
  await deleteContainer(id, { root })
})

t.test('--ignore-paused waits for resume', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { id, root } = await running(box)
  await pause(id, { root })
  const child = spawn(tsrunPath(), ['--root', root, 'exec', '--ignore-paused', id, 'hostname'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, TSRUN_TEST: box.directory }
  })
  let output = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.equal(output, '')
  t.equal(child.exitCode, null)
  await resume(id, { root })
  t.equal(await ended, 0)
  t.equal(output, 'test\n')
})

t.test('it is the config of create that counts', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { bundle, sh } = await running(box, { process: { args: ['/bin/sleep', '1000'], env: ['PATH=/bin', 'A=create'] } })
  writeFileSync(join(bundle, 'config.json'), '{"broken')
  t.equal(sh('echo $A').stdout, 'create\n')
})

t.test('a pid that was given to another process is not entered', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { id, root, call } = await running(box)
  const file = join(root, id, 'state.json')
  const record = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, JSON.stringify({ ...record, init_process_pid: process.pid }))
  t.match(call(id, 'true'), { status: 255, stderr: 'exec failed: cannot exec in a stopped container' })
  writeFileSync(file, JSON.stringify({ ...record, init_process_pid: 2 ** 22 - 1 }))
  t.match(call(id, 'true'), { status: 255, stderr: 'exec failed: cannot exec in a stopped container' })
  writeFileSync(file, JSON.stringify(record))
})

// ---------------------------------------------------------------- the process

t.test('user, groups, directory, environment', { skip: asRoot }, async (t) => {
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

t.test('a document', { skip: asRoot }, async (t) => {
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

t.test('capabilities and privileges', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { sh, id, call } = await running(box)
  t.match(statusOf(sh(STATUS, '--cap', 'CAP_CHOWN')), {
    ...{ CapPrm: '0000000020000421', CapEff: '0000000020000421', CapBnd: '0000000020000421' },
    ...{ CapInh: '0000000000000000', CapAmb: '0000000000000000', NoNewPrivs: '1' }
  })
  t.match(statusOf(sh(STATUS, '--no-new-privs=false')), { NoNewPrivs: '0' })
  const unknown = call('--cap', 'CAP_FOO', id, 'true')
  t.match(unknown, { status: 0, stderr: /ignoring unknown or unavailable capabilities: "CAP_FOO"/ })
  t.match(sh('true', '--apparmor', 'x'), { status: 255, stderr: /AppArmor profiles are not supported yet/ })
  t.match(sh('true', '--process-label', 'x'), { status: 255, stderr: /SELinux labels are not supported yet/ })
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

t.test('resource limits in a user namespace are set by the runtime', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { sh } = await running(box, {
    process: { args: ['/bin/sleep', '1000'], rlimits: [{ type: 'RLIMIT_NOFILE', soft: 70, hard: 80 }] },
    linux: { ...types('pid', 'network', 'ipc', 'uts', 'mount', 'user'), uidMappings: IDS, gidMappings: IDS }
  })
  t.equal(sh('ulimit -n; ulimit -Hn').stdout, '70\n80\n')
})

t.test('affinity: the cpuset is what counts, not that of the caller', { skip: needs({ root: true, commands: ['taskset'] }) }, async (t) => {
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

t.test("the session keyring is the container's", { skip: needs({ root: true, files: ['/proc/keys'] }) }, async (t) => {
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

t.test('seccomp', { skip: asRoot }, async (t) => {
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

t.test('commands that cannot be executed', { skip: asRoot }, async (t) => {
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

// ---------------------------------------------------------------- in the background

t.test('--detach, --pid-file and --preserve-fds', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { id, withCall, bundle } = await running(box, { ...SLEEP, root: { readonly: false } })
  const pidFile = join(box.directory, 'pid')
  const { openSync, closeSync } = await import('node:fs')
  const fd = openSync('/etc/hostname', 'r')
  const script = 'ls /proc/self/fd > /tmp/fds; cat <&3 > /tmp/copy; exec sleep 1000'
  const options = ['--detach', '--pid-file', pidFile, '--preserve-fds', '1']
  t.equal(withCall({ fds: [fd, fd] }, ...options, id, 'sh', '-c', script).status, 0)
  closeSync(fd)
  const pid = readFileSync(pidFile, 'latin1')
  t.match(pid, /^\d+$/)
  const cmdline = (): string => (existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'latin1') : '')
  await until(() => cmdline() === 'sleep\u00001000\u0000')
  t.equal(cmdline(), 'sleep\u00001000\u0000')
  t.equal(readFileSync(join(bundle, 'rootfs/tmp/copy'), 'utf8'), readFileSync('/etc/hostname', 'utf8'))
  // ls itself has one open for the directory.
  t.equal(readFileSync(join(bundle, 'rootfs/tmp/fds'), 'utf8'), '0\n1\n2\n3\n4\n')
})

t.test(
  "--pidfd-socket: one message, runc's word for it, and a pidfd",
  { skip: needs({ root: true, commands: ['python3'] }) },
  async (t) => {
    using box = sandbox(t)
    const { id, root } = await running(box)
    const socket = join(box.directory, 'socket')
    const receive = [
      'import array, os, socket, sys',
      's = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); print("listening", flush=True)',
      'c, _ = s.accept(); data, fds, _, _ = socket.recv_fds(c, 100, 10)',
      'info = open(f"/proc/self/fdinfo/{fds[0]}").read()',
      'print(data.decode(), len(fds), [l.split()[1] for l in info.splitlines() if l.startswith("Pid:")][0])'
    ].join('\n')
    const receiver = spawn('python3', ['-c', receive, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    receiver.stdout.on('data', (data) => {
      output += data
    })
    await until(() => output !== '')
    const pidFile = join(box.directory, 'pid')
    const ended = new Promise((resolve) => receiver.once('close', resolve))
    const args = ['--root', root, 'exec', '--detach', '--pid-file', pidFile, '--pidfd-socket', socket, id, 'sleep', '1000']
    const status = await new Promise((resolve) => {
      spawn(tsrunPath(), args, { stdio: 'ignore', env: { TSRUN_TEST: box.directory } }).once('exit', resolve)
    })
    t.equal(status, 0)
    await ended
    t.equal(output, `listening\nsetns 1 ${readFileSync(pidFile, 'latin1')}\n`)
  }
)

// ---------------------------------------------------------------- terminals

t.test('a terminal in the foreground', { skip: needs({ root: true, commands: ['script'] }) }, async (t) => {
  using box = sandbox(t)
  const { id, root } = await running(box)
  const inner = 'tty; stty size; read line; echo "<$line>"; ls -ln $(tty) | cut -d" " -f1-20; exit 4'
  const command = `stty rows 33 cols 99; ${tsrunPath()} --root ${root} exec -t -u 1000 ${id} sh -c '${inner}'; echo "status $?"; stty -a`
  const { stdout } = spawnSync('script', ['-q', '-e', '-c', command, '/dev/null'], { encoding: 'utf8', input: 'hello\n', timeout: 20000 })
  t.match(stdout, '/dev/pts/0')
  t.match(stdout, '33 99')
  t.match(stdout, '<hello>')
  t.match(stdout, /crw--w---- +1 1000 +5/)
  t.match(stdout, 'status 4')
  t.match(stdout, / icanon /, 'the terminal is as it was')
})

t.test('a terminal that changes its size', { skip: needs({ root: true, commands: ['python3'] }) }, async (t) => {
  using box = sandbox(t)
  const { id, root } = await running(box)
  // Makes a terminal, runs the runtime on it, and changes its size once the container has said that it listens.
  const drive = [
    'import fcntl, os, pty, signal, struct, sys, termios',
    'pid, fd = pty.fork()',
    'if pid == 0: os.execv(sys.argv[1], sys.argv[1:])',
    'out = b""',
    'size = lambda rows, cols: fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))',
    'done = False',
    'while True:',
    '  try: data = os.read(fd, 1000)',
    '  except OSError: break',
    '  if not data: break',
    '  out += data',
    '  if b"ready" in out and not done: done = True; size(44, 111)',
    'os.write(1, out); sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))'
  ].join('\n')
  const inner = 'trap "stty size; exit 3" WINCH; echo ready; while :; do sleep 0.05; done'
  const { stdout, status } = spawnSync('python3', ['-c', drive, tsrunPath(), '--root', root, 'exec', '-t', id, 'sh', '-c', inner], {
    encoding: 'utf8',
    timeout: 20000,
    env: { PATH: process.env.PATH, TSRUN_TEST: box.directory }
  })
  t.match(stdout, '44 111')
  t.equal(status, 3)
})

t.test('a terminal without a terminal: output is relayed all the same', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { sh } = await running(box)
  const { status, stdout } = sh('i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done', '--tty')
  t.equal(status, 0)
  t.equal(stdout.split('\r\n').length, 5001)
})

t.test("a terminal in a user namespace is its root's", { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  // Its root is nobody out here, and must reach the root file system.
  chmodSync(box.directory, 0o755)
  const { sh } = await running(box, {
    ...SLEEP,
    linux: {
      ...types('pid', 'network', 'ipc', 'uts', 'mount', 'user'),
      uidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
      gidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }]
    },
    root: { readonly: false }
  })
  const { stdout, stderr } = sh('echo x > /dev/tty; stat -c %u:%g $(tty)', '-t')
  t.equal(stdout, 'x\r\n0:5\r\n', stderr)
})

t.test('a terminal for a console socket', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { id, root, call } = await running(box)
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-test-console-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const socket = join(directory, 'socket')
  const received: Buffer[] = []
  let closed = false
  const server = createServer((connection) => {
    connection.on('data', (data) => void received.push(data))
    connection.on('close', () => {
      closed = true
    })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.match(call('--tty', '--detach', id, 'true'), {
    status: 255,
    stderr: /cannot allocate tty if tsrun will detach without setting console socket/
  })
  t.match(call('--console-socket', socket, id, 'true'), {
    status: 255,
    stderr: /cannot use console socket if tsrun will not detach or allocate tty/
  })
  const status = await new Promise<number | null>((resolve) => {
    const args = ['--root', root, 'exec', '--tty', '--detach', '--console-socket', socket, id, 'sleep', '1000']
    spawn(tsrunPath(), args, { stdio: 'ignore', env: { PATH: process.env.PATH, TSRUN_TEST: box.directory } }).once('exit', resolve)
  })
  t.equal(status, 0)
  await until(() => closed)
  t.match(Buffer.concat(received).toString(), /^\/dev\/pt/)
  t.ok(closed, 'the process holds on to no socket')
  server.close()
})

t.test('signals are forwarded', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const { id, root } = await running(box)
  const script =
    'for s in HUP INT USR1; do trap "echo $s" $s; done; trap "echo TERM; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
  const child = spawn(tsrunPath(), ['--root', root, 'exec', id, 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, TSRUN_TEST: box.directory }
  })
  let output = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  await until(() => output.includes('ready'))
  await new Promise((resolve) => setTimeout(resolve, 200))
  for (const signal of ['HUP', 'INT', 'USR1', 'TERM'] as const) {
    child.kill(`SIG${signal}`)
    await until(() => output.includes(signal))
  }
  t.equal(await ended, 5)
  t.same(output.split('\n').slice(1, 5), ['HUP', 'INT', 'USR1', 'TERM'])
})
