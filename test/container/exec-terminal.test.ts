import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { consoleSocket, takeConsole } from '../console.ts'
import { running, SLEEP, until, userNamespace } from '../exec.ts'
import { needs, sandbox, tsrunPath, unable } from '../harness.ts'

t.test('a terminal in the foreground', { skip: needs({ containers: true, ids: 1001, commands: ['script'] }) }, async (t) => {
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

t.test('a terminal that changes its size', { skip: needs({ containers: true, commands: ['python3'] }) }, async (t) => {
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

t.test('a terminal without a terminal: output is relayed all the same', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { sh } = await running(box)
  const { status, stdout } = sh('i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done', '--tty')
  t.equal(status, 0)
  t.equal(stdout.split('\r\n').length, 5001)
})

t.test("a terminal in a user namespace is its root's", { skip: needs({ containers: true, ids: 6 }) }, async (t) => {
  using box = sandbox(t)
  // Its root is nobody out here, and must reach the root file system.
  chmodSync(box.directory, 0o755)
  const { sh } = await running(box, {
    ...SLEEP,
    linux: userNamespace(100000),
    root: { readonly: false }
  })
  const { stdout, stderr } = sh('echo x > /dev/tty; stat -c %u:%g $(tty)', '-t')
  t.equal(stdout, 'x\r\n0:5\r\n', stderr)
})

t.test('a terminal for a console socket', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, root, call } = await running(box)
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-test-console-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const socket = join(directory, 'socket')
  const listener = consoleSocket(socket)
  t.match(call('--tty', '--detach', id, 'true'), {
    status: 255,
    stderr: /cannot allocate tty if tsrun will detach without setting console socket/
  })
  t.match(call('--console-socket', socket, id, 'true'), {
    status: 255,
    stderr: /cannot use console socket if tsrun will not detach or allocate tty/
  })
  const args = ['--root', root, 'exec', '--tty', '--detach', '--console-socket', socket, id, 'sleep', '1000']
  const child = spawn(tsrunPath(), args, { stdio: 'ignore', env: { PATH: process.env.PATH, TSRUN_TEST: box.directory } })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  using terminal = takeConsole(listener)
  t.equal(await ended, 0)
  t.match(terminal.name, /^\/dev\/pt/)
  await until(() => terminal.isClosed())
})

t.test('signals are forwarded', { skip: unable }, async (t) => {
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
