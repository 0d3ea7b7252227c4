/** A local user without rights, and whoever is at the other end of a socket: what the runtime leaves lying about, believes, or waits for. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { syscall } from '../../src/linux/ffi.ts'
import { listenUnix } from '../../src/linux/socket.ts'
import { needs, sandbox, tsrunPath, unable } from '../harness.ts'
import { idsOfUser, user } from '../user.ts'
import { prepare } from './attack.ts'

const forOwners = needs({ containers: true, host: { CAP_CHOWN: "somebody else's state" } })

t.test('CVE-2021-32760, CVE-2021-41103, CVE-2024-25621: nobody else reads or writes the state', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle, id } = prepare(box, {})
  t.equal(box.tsrunWith({ wrapper: ['sh', '-c', 'umask 0; exec "$@"', 'sh'] }, 'create', '--bundle', bundle, id).status, 0)
  const directory = join(box.root(), id)
  t.equal(statSync(box.root()).mode & 0o777, 0o700)
  t.equal(statSync(directory).mode & 0o777, 0o711)
  for (const name of readdirSync(directory)) t.equal(statSync(join(directory, name)).mode & 0o077, 0, name)
  t.ok(existsSync(join(directory, 'exec.sock')))
})

t.test('CVE-2020-15257: no socket in the abstract namespace, where no permissions are', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle, id } = prepare(box, {})
  const abstract = (): string[] => readFileSync('/proc/net/unix', 'latin1').match(/@\S*tsrun\S*$/gm) ?? []
  const before = abstract()
  box.tsrun('create', '--bundle', bundle, id)
  t.same(abstract(), before)
})

/** What an attacker would have root believe. */
function forge(directory: string, id: string, record: object, mark: string): void {
  mkdirSync(directory, { recursive: true })
  const base = { format: 1, id, init_process_pid: 0, init_process_start: 0, created: '', bundle: '/', rootfs: '/', ociVersion: '1.0.2' }
  const more = { annotations: {}, rootless: false, cgroup_paths: {}, namespace_paths: {}, ownPidNamespace: true, steps: {} }
  writeFileSync(join(directory, 'state.json'), JSON.stringify({ ...base, ...more, ...record }))
  const hooks = { poststop: [{ path: '/bin/touch', args: ['touch', mark] }] }
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ ociVersion: '1.0.2', hooks }))
}

t.test('state that somebody else may have written is not believed', { skip: forOwners }, async (t) => {
  using box = sandbox(t)
  const mark = join(box.directory, 'mark')
  const root = box.root()
  const id = box.id()
  const directory = join(root, id)
  const alive = { init_process_pid: process.pid, init_process_start: Number(readFileSync('/proc/self/stat', 'latin1').split(' ')[21]) }
  const verbs = [
    ['delete', id],
    ['delete', '--force', id],
    ['start', id],
    ['kill', id, 'KILL'],
    ['state', id]
  ] as const
  const makers: Record<string, () => void> = {
    'a root of his own': () => chownSync(root, 4711, 4711),
    'a directory of his own in a root that is sticky': () => {
      chmodSync(root, 0o1777)
      chownSync(directory, 4711, 4711)
    },
    'a root that everybody can write to': () => chmodSync(root, 0o777)
  }
  for (const [name, change] of Object.entries(makers)) {
    for (const verb of verbs) {
      rmSync(root, { recursive: true, force: true })
      forge(directory, id, alive, mark)
      change()
      const { status, stderr } = box.tsrun(...verb)
      t.equal(status, 1, `${name}: ${verb.join(' ')}`)
      t.match(stderr, /cannot trust the state/)
      t.ok(existsSync(directory) && !existsSync(mark))
    }
  }
  // The same name, somewhere else: a symlink is no container.
  rmSync(root, { recursive: true, force: true })
  const elsewhere = join(box.directory, 'elsewhere')
  forge(elsewhere, id, {}, mark)
  mkdirSync(root)
  symlinkSync(elsewhere, directory)
  box.tsrun('delete', '--force', id)
  t.notOk(existsSync(mark))
  t.ok(existsSync(join(elsewhere, 'state.json')))
})

t.test('a record whose pid is another process by now', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const id = box.id()
  forge(join(box.root(), id), id, { init_process_pid: process.pid, init_process_start: 1 }, join(box.directory, 'mark'))
  chmodSync(box.root(), 0o700)
  t.match(box.tsrun('kill', id, 'KILL').stderr, /container not running/)
  t.match(JSON.parse(box.tsrun('state', id).stdout), { status: 'stopped', pid: 0 })
  t.equal(box.tsrun('delete', '--force', id).status, 0)
  t.notOk(existsSync(join(box.root(), id)))
})

t.test('ids are names and not paths', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle } = prepare(box, {})
  for (const id of ['../x', '..', '.', 'a/b', '/x', 'a\nb', 'x'.repeat(256)]) {
    for (const verb of [['create', '--bundle', bundle], ['delete', '--force'], ['kill']]) {
      t.match(
        box.tsrun(...verb, id),
        { status: 1, stderr: /container id cannot be empty|invalid container ID format/ },
        `${verb[0]} ${JSON.stringify(id)}`
      )
    }
  }
})

t.test('neither the environment nor the working directory bring code into the runtime', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const evil = join(box.directory, 'evil')
  const mark = join(box.directory, 'mark')
  mkdirSync(join(evil, 'tsrun'), { recursive: true })
  const code = `require('node:fs').writeFileSync(${JSON.stringify(mark)}, '')`
  for (const name of ['evil.js', 'evil.cjs', 'index.js', 'koffi.node']) writeFileSync(join(evil, name), code)
  writeFileSync(join(evil, 'bunfig.toml'), 'preload = ["./evil.js"]\n')
  writeFileSync(join(evil, '.bunfig.toml'), 'preload = ["./evil.js"]\n')
  writeFileSync(join(evil, '.env'), 'BUN_OPTIONS=--preload=./evil.js\nNODE_OPTIONS=--require=./evil.cjs\n')
  writeFileSync(join(evil, 'package.json'), '{"main":"evil.js"}')
  for (const path of ['node', 'tsrun/node']) writeFileSync(join(evil, path), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 })
  const env = {
    HOME: evil,
    XDG_CONFIG_HOME: evil,
    NODE_OPTIONS: `--require=${evil}/evil.cjs`,
    NODE_PATH: evil,
    BUN_OPTIONS: `--preload ${evil}/evil.js`,
    BUN_INSPECT_PRELOAD: `${evil}/evil.js`,
    BUN_CONFIG_PRELOAD: `${evil}/evil.js`,
    TSRUN_CALLER: '1:1:0000000000000000',
    TMPDIR: evil
  }
  t.match(box.tsrunWith({ env, cwd: evil }, '--version'), { status: 0, stdout: /^tsrun version / })
  t.match(box.tsrunWith({ env: { ...env, BUN_BE_BUN: '1' }, cwd: evil }, 'list'), { status: 1 })
  t.notOk(existsSync(mark))
})

t.test(
  'nothing is made in /tmp, where others could have made it before',
  {
    skip:
      needs({ containers: true, commands: ['strace'] }) ||
      (user !== undefined && idsOfUser > 1 && 'needs newuidmap, which has no rights under strace')
  },
  async (t) => {
    using box = sandbox(t)
    const { bundle, id } = prepare(box, {})
    const trace = join(box.directory, 'trace')
    const { status, stderr } = box.tsrunWith(
      { wrapper: ['strace', '-f', '-e', 'trace=openat,open,creat,mkdir,mkdirat,mknodat,symlinkat', '-o', trace] },
      'run',
      '--bundle',
      bundle,
      id
    )
    t.equal(status, 0, stderr)
    const made = readFileSync(trace, 'latin1')
      .split('\n')
      .filter((line) => /O_CREAT|mkdir|mknod|symlink/.test(line))
      .map((line) => /"(\/(?:tmp|var\/tmp|dev\/shm)\/[^"]*)"/.exec(line)?.[1])
      .filter((path) => path !== undefined && !path.startsWith(box.directory))
    t.same(made, [])
  }
)

t.test('the peer of a console socket that does not answer is not waited for', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle, id } = prepare(box, { config: { process: { terminal: true } } })
  const path = join(box.directory, 'console')
  using listener = listenUnix(path, 0o600)
  t.ok(syscall('listen', listener.fd, 0) >= 0)
  // Connections that nobody takes fill the queue.
  const sockets = [0, 1].map(() => syscall('socket', 1, 1 | 0o4000))
  const address = new Uint8Array(110)
  address.set([1, 0, ...Buffer.from(path)])
  for (const fd of sockets) syscall('connect', fd, address, 3 + path.length)
  const before = box.snapshot()
  const { status, stderr } = box.tsrunWith({ timeoutMs: 15_000 }, 'create', '--console-socket', path, '--bundle', bundle, id)
  t.equal(status, 1)
  t.match(stderr, /cannot connect to the socket.*EAGAIN/)
  t.same(await box.leftovers(before), [])
  for (const fd of sockets) syscall('close', fd)
})

t.test('the peer of a console socket that goes away at once', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle, id } = prepare(box, { config: { process: { terminal: true } } })
  const path = join(box.directory, 'console')
  const server = createServer((socket) => socket.destroy()).listen(path)
  await new Promise((resolve) => server.on('listening', resolve))
  const before = box.snapshot()
  const { spawn } = await import('node:child_process')
  const child = spawn(tsrunPath(), ['--root', box.root(), 'create', '--console-socket', path, '--bundle', bundle, id], { stdio: 'ignore' })
  const status = await new Promise((resolve) => child.on('exit', resolve))
  server.close()
  if (status === 0) t.equal(box.tsrun('delete', '--force', id).status, 0, 'it was faster')
  t.same(
    (await box.leftovers(before)).filter((what) => !what.includes('descriptor')),
    []
  )
})

t.test('CVE-2022-1708, CVE-2022-31030: output of a hook without end, and a hook without end', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const flood = { path: '/bin/sh', args: ['sh', '-c', 'yes evil; exit 1'], env: ['PATH=/bin:/usr/bin'], timeout: 1 }
  const { bundle, id } = prepare(box, { config: { hooks: { createRuntime: [flood] } } })
  const before = box.snapshot()
  // So much that a runtime which keeps what it reads would not live.
  const { status, stderr } = box.tsrunWith({ timeoutMs: 20_000 }, 'create', '--bundle', bundle, id)
  t.equal(status, 1)
  t.match(stderr, /error running createRuntime hook #0: hook ran past specified timeout/)
  t.ok(stderr.length < 20_000, `${stderr.length} characters`)
  t.same(await box.leftovers(before), [])
})
