import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../../src/config/types.ts'
import { create, deleteContainer, kill, pause, resume, state } from '../../src/index.ts'
import { merge, type Overrides } from '../config.ts'
import { newNamespaces, running, SLEEP, until, userNamespace } from '../exec.ts'
import { cgroupVersion, needs, sandbox, tsrunPath, unable } from '../harness.ts'

const SIGKILL = 9

t.test('exit statuses and standard streams', { skip: unable }, async (t) => {
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

/** The controllers of v2, on a v2 or a hybrid host. */
const UNIFIED =
  ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].map((path) => `${path}/cgroup.controllers`).find(existsSync) ?? 'a cgroup2 mount'
const forUnified = needs({ containers: true, ownCgroup: true, files: [UNIFIED] })

const VIEW = 'for n in /proc/self/ns/*; do echo ${n##*/} $(readlink $n); done; cat /proc/self/cgroup; ls /; pwd'
const KINDS: Readonly<Record<string, Overrides<Config>>> = {
  'the default ones': {},
  'a cgroup namespace': { linux: newNamespaces('pid', 'network', 'ipc', 'uts', 'mount', 'cgroup') },
  'a user namespace': {
    linux: userNamespace(0)
  },
  'a time namespace': {
    linux: { ...newNamespaces('pid', 'mount', 'ipc', 'network', 'time'), timeOffsets: { boottime: { secs: 100000 } } },
    hostname: undefined
  },
  'a mount namespace only': { linux: newNamespaces('mount'), hostname: undefined }
}

for (const [name, kind] of Object.entries(KINDS)) {
  const skip = needs({
    containers: true,
    files: name.includes('time') ? ['/proc/self/ns/time'] : [],
    host: name.endsWith('only') ? { CAP_SYS_ADMIN: "a proc of the host's processes" } : {}
  })
  t.test(`in all of the namespaces and cgroups of init: ${name}`, { skip }, async (t) => {
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

t.test('a container without a mount namespace has a root all the same', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { sh, bundle } = await running(box, (config) =>
    merge(config, {
      ...SLEEP,
      root: { readonly: false },
      mounts: [],
      hostname: undefined,
      linux: { ...newNamespaces('pid'), maskedPaths: [], readonlyPaths: [] }
    })
  )
  writeFileSync(join(bundle, 'rootfs/mark'), '')
  t.match(sh('ls /; pwd; cd ..; pwd').stdout, /mark\n[\s\S]*\/\n\/\n$/)
})

t.test(
  'a container at its limit of processes can still be looked into',
  { skip: needs({ containers: true, controllers: ['pids'] }) },
  async (t) => {
    using box = sandbox(t)
    const { id, call } = await running(box, { ...SLEEP, linux: { resources: { pids: { limit: 1 } } } })
    t.match(call(id, 'hostname'), { status: 0, stdout: 'test\n' })
  }
)

t.test('--cgroup', { skip: needs({ containers: true, controllers: ['pids', 'memory'] }) }, async (t) => {
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

t.test('where init has gone when its v2 cgroup may hold no processes', { skip: forUnified }, async (t) => {
  using box = sandbox(t)
  const { sh, root, id } = await running(box)
  const { cgroup_paths: paths } = JSON.parse(readFileSync(join(root, id, 'state.json'), 'utf8')) as {
    cgroup_paths: Record<string, string>
  }
  const directory = paths['']!
  const words = (path: string): string[] => readFileSync(path, 'utf8').trim().split(' ').filter(Boolean)
  const [controller = ''] = words(join(directory, '../cgroup.controllers'))
  if (controller === '') return t.pass('no controller to hand down')
  const above = join(directory, '../cgroup.subtree_control')
  const isHandedDown = words(above).includes(controller)
  const { pid } = await state(id, { root })
  mkdirSync(join(directory, 'init'))
  writeFileSync(join(directory, 'init/cgroup.procs'), String(pid))
  writeFileSync(above, `+${controller}`)
  writeFileSync(join(directory, 'cgroup.subtree_control'), `+${controller}`)
  const { stdout, stderr } = sh('grep ^0: /proc/self/cgroup')
  t.match(stdout, new RegExp(`^0::/(.*/)?${id}/init\n$`), stderr)
  await deleteContainer(id, { root, force: true })
  if (!isHandedDown) writeFileSync(above, `-${controller}`)
})

// ---------------------------------------------------------------- states

t.test('created and running containers take it, others do not', { skip: needs({ containers: true, ownCgroup: true }) }, async (t) => {
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

t.test('--ignore-paused waits for resume', { skip: needs({ containers: true, ownCgroup: true }) }, async (t) => {
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

t.test('it is the config of create that counts', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle, sh } = await running(box, { process: { args: ['/bin/sleep', '1000'], env: ['PATH=/bin', 'A=create'] } })
  writeFileSync(join(bundle, 'config.json'), '{"broken')
  t.equal(sh('echo $A').stdout, 'create\n')
})

t.test('a pid that was given to another process is not entered', { skip: unable }, async (t) => {
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

// ---------------------------------------------------------------- in the background

t.test('--detach, --pid-file and --preserve-fds', { skip: unable }, async (t) => {
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
  '--detach leaves the end of the process to whoever is its parent next',
  { skip: needs({ containers: true, commands: ['strace'] }) },
  async (t) => {
    using box = sandbox(t)
    const { id, withCall } = await running(box)
    const [trace, pidFile] = [join(box.directory, 'trace'), join(box.directory, 'pid')]
    const wrapper = ['strace', '-f', '-e', 'trace=wait4,waitid', '-o', trace]
    t.equal(withCall({ wrapper }, '--detach', '--pid-file', pidFile, id, 'true').status, 0)
    const waits = readFileSync(trace, 'latin1')
    t.match(waits, /wait4\(\d+,/, 'it has waited for the program that made the process')
    // An engine's shim never hears of the end of a process that ended before the command and was reaped by it.
    t.notMatch(waits, new RegExp(`wait(4|id)\\((P_PID, )?(${readFileSync(pidFile, 'latin1')}|-1),`))
  }
)

t.test(
  "--pidfd-socket: one message, runc's word for it, and a pidfd",
  { skip: needs({ containers: true, commands: ['python3'] }) },
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
