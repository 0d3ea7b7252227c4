/** NOTIFY_SOCKET: the container tells that it is ready, and the service manager hears it from us. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from '../../src/abi/socket.ts'
import { packAbstractName } from '../../src/abi/structs.ts'
import type { OwnedFd } from '../../src/linux/fd.ts'
import { ownResult } from '../../src/linux/fd.ts'
import { check, syscall } from '../../src/linux/ffi.ts'
import { bindUnix, connectUnix, pollAsync, readMessage, receiveFd, writeAll } from '../../src/linux/socket.ts'
import { needs, type Sandbox, sandbox, tsrunPath, unable } from '../harness.ts'
import { idMaps } from '../user.ts'

const INSIDE = '/run/notify/notify.sock'
const ENV = `NOTIFY_SOCKET=${INSIDE}`
const SHOW = 'env; grep notify /proc/self/mountinfo; exec sleep 100'

/** What systemd is to us. */
interface Manager {
  readonly address: string
  readonly socket: OwnedFd
}

function listen(t: Test, box: Sandbox): Manager {
  const address = join(box.directory, 'manager.sock')
  const socket = bindUnix(address, 0o777, SOCK_DGRAM, 'listen')
  t.teardown(() => socket[Symbol.dispose]())
  return { address, socket }
}

function listenAbstract(t: Test, box: Sandbox): Manager {
  const name = `tsrun-test-${process.pid}-${box.id()}`
  const socket = ownResult(syscall('socket', AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'create a socket')
  const bytes = packAbstractName(name)
  check(syscall('bind', socket.fd, bytes, bytes.length), 'bind')
  t.teardown(() => socket[Symbol.dispose]())
  return { address: `@${name}`, socket }
}

async function hear({ socket }: Manager, timeoutMs = 10_000): Promise<string | undefined> {
  const [events] = await pollAsync([{ fd: socket.fd, events: 1 }], timeoutMs)
  return events ? Buffer.from(readMessage(socket.fd, 4096)).toString() : undefined
}

/** Says it where the container's own process would. */
function say(box: Sandbox, id: string, message: string): void {
  const { pid } = JSON.parse(box.tsrun('state', id).stdout)
  using socket = connectUnix(`/proc/${pid}/root${INSIDE}`, SOCK_DGRAM)
  writeAll(socket.fd, Buffer.from(message))
}

interface Call {
  readonly child: ChildProcess
  readonly ended: Promise<number>
  output: string
}

function begin(box: Sandbox, address: string, ...args: string[]): Call {
  const env = { PATH: process.env.PATH, TSRUN_TEST: box.directory, NOTIFY_SOCKET: address }
  const child = spawn(tsrunPath(), ['--root', box.root(), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const call: Call = { child, output: '', ended: new Promise((resolve) => child.once('exit', (status) => resolve(status ?? -1))) }
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (call.output += text))
  return call
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100 && !condition(); tries++) await sleep(50)
}

const isRunning = (box: Sandbox, id: string): boolean => box.tsrun('state', id).stdout.includes('"running"')

/** The three messages, in order; the barrier is answered, as systemd does, by closing its descriptor. */
async function hearReady(t: Test, manager: Manager, pid: number): Promise<void> {
  t.equal(await hear(manager), 'READY=1\n')
  t.equal(await hear(manager), `MAINPID=${pid}\n`)
  await pollAsync([{ fd: manager.socket.fd, events: 1 }], 10_000)
  const { fd, data } = receiveFd(manager.socket.fd)
  t.equal(Buffer.from(data).toString(), 'BARRIER=1')
  fd[Symbol.dispose]()
}

for (const make of [listen, listenAbstract]) {
  t.test(`start waits until the container is ready (${make.name})`, { skip: unable }, async (t) => {
    const box = sandbox(t)
    const manager = make(t, box)
    const [id, bundle] = [box.id(), box.bundle({ process: { args: ['sh', '-c', SHOW] } })]
    const env = { NOTIFY_SOCKET: manager.address }
    const created = box.tsrunWith({ env }, 'create', '--bundle', bundle, id)
    t.match(created, { status: 0, stderr: '' })
    const directory = join(box.root(), id, 'notify')
    t.equal(statSync(directory).mode & 0o7777, 0o755)
    t.notOk(existsSync(join(directory, 'notify.sock')), 'the socket is made by start')

    const start = begin(box, manager.address, 'start', id)
    await until(() => isRunning(box, id))
    t.equal(statSync(join(directory, 'notify.sock')).mode & 0o777, 0o777)
    const { pid } = JSON.parse(box.tsrun('state', id).stdout)
    say(box, id, 'STATUS=almost\nREADYISH=1')
    t.equal(await hear(manager, 300), undefined, 'nothing else is passed on')
    t.equal(start.child.exitCode, null, 'it still waits')
    say(box, id, 'STATUS=there\nREADY=1\nMAINPID=1')
    await hearReady(t, manager, pid)
    t.equal(await start.ended, 0)
    t.equal(start.output, '')
    t.equal(await hear(manager, 0), undefined)
    const shown = created.later()
    t.match(shown, ENV)
    t.match(shown, / \/run\/notify ro,nosuid,nodev,noexec/)
    t.match(box.tsrun('delete', '--force', id), { status: 0 })
  })
}

t.test('whom the barrier waits for', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const manager = listen(t, box)
  const [id, bundle] = [box.id(), box.bundle({ process: { args: ['sleep', '100'] } })]
  const run = begin(box, manager.address, 'run', '--detach', '--bundle', bundle, id)
  await until(() => isRunning(box, id))
  say(box, id, 'READY=1')
  for (const message of ['READY=1\n', /^MAINPID=\d+\n$/]) t.match(await hear(manager), message)
  const { fd } = receiveFd(manager.socket.fd)
  await sleep(200)
  t.equal(run.child.exitCode, null, 'the messages have been sent, and not been handled')
  fd[Symbol.dispose]()
  t.equal(await run.ended, 0)
  box.tsrun('delete', '--force', id)
})

t.test('a container that ends without being ready', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const manager = listen(t, box)
  const env = { NOTIFY_SOCKET: manager.address }
  const id = box.id()
  t.match(box.tsrunWith({ env }, 'run', '--detach', '--bundle', box.bundle(), id), { status: 0, stderr: '' })
  t.match(box.tsrun('delete', id), { status: 0 })
  t.match(box.tsrunWith({ env }, 'run', '--bundle', box.bundle({ process: { args: ['sh', '-c', 'exit 7'] } }), box.id()), { status: 7 })
  t.equal(await hear(manager, 0), undefined)
})

t.test('in the foreground it is the runtime that is to be watched', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const manager = listen(t, box)
  const [id, bundle] = [box.id(), box.bundle({ process: { args: ['sh', '-c', 'trap "exit 3" TERM; sleep 100 & wait'] } })]
  const run = begin(box, manager.address, 'run', '--bundle', bundle, id)
  await until(() => isRunning(box, id))
  say(box, id, 'READY=1\n')
  await hearReady(t, manager, run.child.pid!)
  t.throws(() => say(box, id, 'STOPPING=1'), { message: /ECONNREFUSED/ }, 'nobody listens any more')
  run.child.kill('SIGTERM')
  t.equal(await run.ended, 3)
})

t.test('a container that does not become ready can be killed', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const manager = listen(t, box)
  const [id, bundle] = [box.id(), box.bundle({ process: { args: ['sleep', '100'] } })]
  box.tsrunWith({ env: { NOTIFY_SOCKET: manager.address } }, 'create', '--bundle', bundle, id)
  const start = begin(box, manager.address, 'start', id)
  await until(() => isRunning(box, id))
  t.match(box.tsrun('exec', id, 'env'), { status: 0, stdout: /^(?!.*NOTIFY_SOCKET)/s }, 'exec has no part in it')
  t.match(box.tsrun('delete', '--force', id), { status: 0 }, 'the lock is free')
  t.equal(await start.ended, 0)
})

t.test('addresses', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const bundle = box.bundle({ process: { args: ['sleep', '100'] } })
  const run = (address: string) => box.tsrunWith({ env: { NOTIFY_SOCKET: address } }, 'run', '--bundle', bundle, box.id())
  t.match(run('vsock:2:1234'), { status: 1, stderr: /cannot use NOTIFY_SOCKET "vsock:2:1234".*\nhint: unset NOTIFY_SOCKET/ })
  t.match(run('relative'), { status: 1, stderr: 'cannot use NOTIFY_SOCKET' })
  t.match(run('/nonexistent.sock'), { status: 1, stderr: 'cannot reach NOTIFY_SOCKET "/nonexistent.sock"' })
  t.match(run('@nonexistent'), { status: 1, stderr: /ECONNREFUSED/ })
  t.equal(box.tsrun('list', '-q').stdout, '', 'nothing is left')

  const id = box.id()
  box.tsrunWith({ env: { NOTIFY_SOCKET: '' } }, 'create', '--bundle', bundle, id)
  const manager = listen(t, box)
  const { status, stderr } = box.tsrunWith({ env: { NOTIFY_SOCKET: manager.address } }, 'start', id)
  t.match({ status, stderr }, { status: 0, stderr: /NOTIFY_SOCKET was not set when it was created/ })
  box.tsrun('delete', '--force', id)
})

t.test('a state directory with a long name', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const manager = listen(t, box)
  const [id, bundle] = [box.id(), box.bundle({ process: { args: ['sleep', '100'] } })]
  const root = join(box.directory, 'state', 'x'.repeat(120))
  const run = begin(box, manager.address, '--root', root, 'run', '--detach', '--bundle', bundle, id)
  const state = () => box.tsrun('--root', root, 'state', id).stdout
  await until(() => state().includes('"running"'))
  const { pid } = JSON.parse(state())
  {
    using socket = connectUnix(`/proc/${pid}/root${INSIDE}`, SOCK_DGRAM)
    writeAll(socket.fd, Buffer.from('READY=1'))
  }
  await hearReady(t, manager, pid)
  t.equal(await run.ended, 0)
  box.tsrun('--root', root, 'delete', '--force', id)
})

t.test('any user of the container may say it', { skip: needs({ containers: true, ids: 1001 }) }, async (t) => {
  const box = sandbox(t)
  chmodSync(box.directory, 0o755)
  const manager = listen(t, box)
  const bundle = box.bundle((config) => ({
    ...config,
    process: { ...config.process, args: ['sleep', '100'], user: { uid: 1000, gid: 1000 } },
    linux: { ...config.linux, ...idMaps(100_000), namespaces: [...(config.linux?.namespaces ?? []), { type: 'user' }] }
  }))
  mkdirSync(join(bundle, 'rootfs/run/notify'), { recursive: true })
  const id = box.id()
  const run = begin(box, manager.address, 'run', '--detach', '--bundle', bundle, id)
  await until(() => isRunning(box, id))
  const { pid } = JSON.parse(box.tsrun('state', id).stdout)
  t.equal(statSync(`/proc/${pid}/root${INSIDE}`).mode & 0o777, 0o777)
  say(box, id, 'READY=1')
  await hearReady(t, manager, pid)
  t.equal(await run.ended, 0)
  box.tsrun('delete', '--force', id)
})
