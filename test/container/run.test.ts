import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { deleteContainer, list, run, state } from '../../src/index.ts'
import { consoleSocket, takeConsole } from '../console.ts'
import { needs, type Sandbox, sandbox, tsrunPath, unable } from '../harness.ts'

const forHostProcesses = needs({ containers: true, host: { CAP_SYS_ADMIN: "a proc of the host's processes" } })

const forTheCache = needs({ containers: true, root: 'to read the cache' })

const shell = (script: string) => ({ process: { args: ['/bin/sh', '-c', script] } })

t.test('exit statuses', { skip: unable }, async (t) => {
  using box = sandbox(t)
  for (const [script, status] of [
    ['exit 0', 0],
    ['exit 7', 7],
    ['exit 255', 255],
    // A pid 1 is not killed by its own signals, unless they are SIGKILL's kind from outside; so a child is.
    ['kill -TERM $$; sh -c "kill -TERM \\$\\$"; exit $?', 143]
  ] as const) {
    const { status: got, stderr } = box.tsrun('run', '--bundle', box.bundle(shell(script)), box.id())
    t.equal(got, status, `${script} ${stderr}`)
  }
  t.same(await list({ root: box.root() }), [])
})

t.test('standard streams are passed through', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle(shell('cat; echo error >&2'))
  const { status, stdout, stderr } = box.tsrunWith({ input: 'input\n' }, 'run', '--bundle', bundle, box.id())
  t.match({ status, stdout, stderr }, { status: 0, stdout: 'input\n', stderr: 'error\n' })
})

t.test('what was in the environment of a container that is gone lies on no disk', { skip: forTheCache }, async (t) => {
  using box = sandbox(t)
  const secret = randomUUID()
  const bundle = box.bundle({ process: { args: ['/bin/true'], env: [`SECRET=${secret}`] } })
  t.equal(box.tsrun('run', '--bundle', bundle, box.id()).status, 0)
  const cache = '/var/cache/tsrun'
  const files = existsSync(cache) ? readdirSync(cache).map((name) => join(cache, name)) : []
  t.same(
    files.filter((file) => existsSync(file) && readFileSync(file, 'latin1').includes(secret)),
    []
  )
})

t.test('in the background it returns at once, and the container stays', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const id = box.id()
  const options = { root: box.root() }
  const before = box.snapshot()
  const pidFile = join(box.directory, 'pid')
  const { status } = box.tsrun('run', '--detach', '--pid-file', pidFile, '--bundle', box.bundle(shell('sleep 1000')), id)
  t.equal(status, 0)
  const { pid, status: now } = await state(id, options)
  t.equal(now, 'running')
  t.equal(readFileSync(pidFile, 'latin1'), String(pid))
  await deleteContainer(id, { ...options, force: true })
  rmSync(pidFile)
  t.same(await box.leftovers(before), [])
})

t.test('--keep leaves a stopped container', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const id = box.id()
  t.equal(box.tsrun('run', '--keep', '--bundle', box.bundle(shell('exit 3')), id).status, 3)
  t.match(await state(id, { root: box.root() }), { status: 'stopped' })
  await deleteContainer(id, { root: box.root() })
})

t.test('in a library, several at a time', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const root = box.root()
  const before = box.snapshot()
  const statuses = await Promise.all(
    Array.from({ length: 8 }, (_, i) => run({ root, id: box.id(), bundle: box.bundle(shell(`sleep 0.3; exit ${i}`)) }))
  )
  t.same(
    statuses.map(({ exitStatus }) => exitStatus),
    [0, 1, 2, 3, 4, 5, 6, 7]
  )
  for (const bundle of ['bundle-2', 'bundle-4']) t.ok(existsSync(join(box.directory, bundle)))
  t.same(await box.leftovers(before), [])
})

/** Starts the runtime, waits for a line of the container, and sends signals. */
async function signalled(box: Sandbox, bundle: string, signals: readonly NodeJS.Signals[]) {
  const child = spawn(tsrunPath(), ['--root', box.root(), 'run', '--bundle', bundle, box.id()], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, TSRUN_TEST: box.directory }
  })
  const ended = new Promise<[number | null, string | null]>((resolve) => child.once('exit', (...how) => resolve(how)))
  let output = ''
  child.stderr.on('data', (data) => {
    output += data
  })
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (data) => {
      output += data
      if (output.includes('ready')) resolve()
    })
    ended.then(() => resolve())
  })
  // A moment after the process has begun all signals are forwarded, and none undoes its making any more.
  await new Promise((resolve) => setTimeout(resolve, 300))
  for (const signal of signals) {
    child.kill(signal)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const [code] = await ended
  return { code, output }
}

t.test('signals are forwarded', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const script =
    'for s in HUP INT USR1 USR2 WINCH CHLD; do trap "echo $s" $s; done; trap "echo TERM; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
  const { code, output } = await signalled(box, box.bundle(shell(script)), ['SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGUSR2', 'SIGTERM'])
  t.equal(code, 5)
  t.same(
    output.split('\n').filter((line) => ['HUP', 'INT', 'USR1', 'USR2', 'TERM'].includes(line)),
    ['HUP', 'INT', 'USR1', 'USR2', 'TERM']
  )
  t.same(await list({ root: box.root() }), [])
})

t.test('a signal that comes while the process begins is forwarded, and does not end the runtime', { skip: unable }, async (t) => {
  using box = sandbox(t)
  // A poststart hook is a child of the runtime, in the bundle.
  const hook = 'while [ ! -e rootfs/ready ]; do sleep 0.02; done; kill -USR1 $PPID; sleep 0.3'
  const bundle = box.bundle({
    ...shell('trap "exit 5" USR1; touch /ready; while :; do sleep 0.05; done'),
    root: { readonly: false },
    hooks: { poststart: [{ path: '/bin/sh', args: ['sh', '-c', hook], env: ['PATH=/bin:/usr/bin'] }] }
  })
  t.match(box.tsrun('run', '--bundle', bundle, box.id()), { status: 5, stderr: '' })
  t.same(await list({ root: box.root() }), [])
})

t.test('a signal that comes while the container is made waits for the process', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const hooks = {
    createRuntime: [
      { path: '/bin/sh', args: ['sh', '-c', 'kill -USR1 $PPID; kill -QUIT $PPID; exec sleep 0.3'], env: ['PATH=/bin:/usr/bin'] }
    ]
  }
  const before = box.snapshot()
  // Pid 1 of a pid namespace does not end by a signal that it does not handle.
  const bundle = box.bundle({ ...shell('sleep 0.1; exit 7'), hooks })
  t.match(box.tsrun('run', '--bundle', bundle, box.id()), { status: 7, stderr: '' })
  t.same(await box.leftovers(before), [])
})

t.test('a process that a signal ends makes 128 + n', { skip: forHostProcesses }, async (t) => {
  using box = sandbox(t)
  // Pid 1 of a pid namespace has no default actions, so this one shares the host's.
  const bundle = box.bundle({ ...shell('echo ready; exec sleep 1000'), linux: { namespaces: [{ type: 'mount' }] }, hostname: undefined })
  const { code, output } = await signalled(box, bundle, ['SIGQUIT'])
  t.equal(code, 131, output)
})

t.test('killed from outside', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const id = box.id()
  const bundle = box.bundle(shell('echo ready; exec sleep 1000'))
  const child = spawn(tsrunPath(), ['--root', box.root(), 'run', '--bundle', bundle, id], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, TSRUN_TEST: box.directory }
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  t.equal(box.tsrun('kill', id, 'KILL').status, 0)
  const code = await new Promise((resolve) => child.once('exit', resolve))
  t.equal(code, 137)
  t.same(await list({ root: box.root() }), [])
})

t.test('delete --force ends one that is in the foreground', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const id = box.id()
  const before = box.snapshot()
  const running = run({ root: box.root(), id, bundle: box.bundle(shell('sleep 1000')) })
  for (let i = 0; i < 200; i++) {
    const { status } = await state(id, { root: box.root() }).catch(() => ({ status: 'none' }))
    if (status === 'running') break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.equal(box.tsrun('delete', '--force', id).status, 0)
  t.match(await running, { exitStatus: 137 })
  t.same(
    (await box.leftovers(before)).filter((item) => !item.startsWith('descriptor')),
    []
  )
})

t.test('a terminal in the foreground', { skip: needs({ containers: true, commands: ['script'] }) }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle({ process: { terminal: true, args: ['/bin/sh', '-c', 'tty; stty size; read line; echo "<$line>"; exit 4'] } })
  const command = `stty rows 33 cols 99; ${tsrunPath()} --root ${box.root()} run --bundle ${bundle} ${box.id()}; echo "status $?"; stty -a`
  const { stdout } = spawnSync('script', ['-q', '-e', '-c', command, '/dev/null'], { encoding: 'utf8', input: 'hello\n', timeout: 20000 })
  t.match(stdout, '/dev/pts/0')
  t.match(stdout, '33 99')
  t.match(stdout, '<hello>')
  t.match(stdout, 'status 4')
  t.match(stdout, / icanon /, 'the terminal is as it was')
})

t.test('a terminal without a terminal: output is relayed all the same', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle({
    process: { terminal: true, args: ['/bin/sh', '-c', 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done'] }
  })
  const { status, stdout } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(status, 0)
  t.equal(stdout.split('\r\n').length, 20001)
})

t.test('a terminal for a console socket', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-test-console-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const socket = join(directory, 'socket')
  const listener = consoleSocket(socket)
  const terminal = { process: { terminal: true, args: ['/bin/sleep', '1000'] } }
  const refused = box.tsrun('create', '--bundle', box.bundle(terminal), box.id())
  t.match(refused.stderr, /cannot allocate tty if tsrun will detach without setting console socket/)
  const id = box.id()
  const args = ['--root', box.root(), 'create', '--console-socket', socket, '--bundle', box.bundle(terminal), id]
  const child = spawn(tsrunPath(), args, { stdio: 'ignore', env: { PATH: process.env.PATH, TSRUN_TEST: box.directory } })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  using console = takeConsole(listener)
  t.equal(await ended, 0)
  t.match(console.name, /^\/dev\/pt/)
  await deleteContainer(id, { root: box.root(), force: true })
})

t.test('descriptors: the standard ones and those that were asked for', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle(shell('ls /proc/self/fd | tr "\\n" " "; cat <&3'))
  const { openSync, closeSync } = await import('node:fs')
  const fd = openSync('/etc/hostname', 'r')
  const { stdout, stderr } = box.tsrunWith({ fds: [fd, fd] }, 'run', '--preserve-fds', '1', '--bundle', bundle, box.id())
  closeSync(fd)
  // ls itself has 4 open for the directory.
  t.match(stdout, /^0 1 2 3 4 /, stderr)
  t.match(stdout, readFileSync('/etc/hostname', 'utf8'))
  const missing = box.tsrun('run', '--preserve-fds', '2', '--bundle', bundle, box.id())
  t.match(missing.stderr, /please check that preserved-fd 0 \(of 2\) is present/)
})

t.test('socket activation', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle(shell('echo $LISTEN_FDS $LISTEN_PID; [ -e /proc/self/fd/3 ] && echo open'))
  const script = 'exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
  const { stdout, stderr } = box.tsrunWith({ wrapper: ['sh', '-c', script, 'sh'] }, 'run', '--bundle', bundle, box.id())
  t.equal(stdout, '1 1\nopen\n', stderr)
})
