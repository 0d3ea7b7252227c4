/** SCMP_ACT_NOTIFY from config.json to the agent at listenerPath and back (config-linux.md#seccomp). */
import { spawn } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Config, Seccomp } from '../../src/config/types.ts'
import { create, deleteContainer, kill, start, state } from '../../src/index.ts'
import { listenUnix } from '../../src/linux/socket.ts'
import { SPEC_VERSION } from '../../src/version.ts'
import { answer, letAllPass, takeConnection } from '../agent.ts'
import { running, until } from '../exec.ts'
import { needs, type Sandbox, sandbox, tsrunPath } from '../harness.ts'
import { user } from '../user.ts'

const ECONNREFUSED = 111
/** An ordinary user has none to give up. */
const WITHOUT_PTRACE = user ? [] : ['setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace']
const skip = needs({ containers: true, files: ['/proc/sys/kernel/seccomp/actions_avail'], kernel: [5, 7] })
/** It tells the errno that the agent has chosen. */
const MKDIR = ['/bin/sh', '-c', 'mkdir /tmp/made 2>&1; true']

function prepare(t: Test, box: Sandbox, more: Partial<Seccomp> = {}) {
  const listenerPath = join(box.directory, `agent-${box.id()}`)
  const listening = listenUnix(listenerPath, 0o600)
  t.teardown(() => listening[Symbol.dispose]())
  const seccomp: Seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    listenerPath,
    listenerMetadata: 'about it',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_NOTIFY' }],
    ...more
  }
  const config =
    (process: Partial<NonNullable<Config['process']>>, extra: Partial<Config> = {}) =>
    (config: Config) => ({
      ...config,
      process: { ...config.process, args: MKDIR, ...process },
      annotations: { a: 'b' },
      mounts: [...(config.mounts ?? []), { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' }],
      ...extra,
      linux: { ...config.linux, seccomp }
    })
  return { listening, config }
}

/** An agent that goes away at once: the kernel then answers ENOSYS. */
const refuse = async (listening: number): Promise<void> => (await takeConnection(listening)).listener[Symbol.dispose]()

const stopped = (id: string, root: string) => until(async () => (await state(id, { root })).status === 'stopped')
/** An init that waits is undumpable: nobody but root of the host looks at what it holds. */
const cannotLook = needs({ host: { CAP_SYS_PTRACE: 'a look at a process that waits' } })
const descriptorsOf = (pid: number): string[] | undefined =>
  cannotLook ? undefined : readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
const heldListeners = (pid: number): number => descriptorsOf(pid)?.filter((path) => path.includes('seccomp')).length ?? 0

for (const noNewPrivileges of [true, false])
  t.test(
    `create passes the listener on, and what the agent answers is what the container sees; no_new_privs ${noNewPrivileges}`,
    { skip: skip || needs({ ids: 1001 }) },
    async (t) => {
      using box = sandbox(t)
      const { listening, config } = prepare(t, box)
      const bundle = box.bundle(config({ noNewPrivileges, user: { uid: 1000, gid: 0 } }))
      const id = box.id()
      const created = box.tsrun('create', '--bundle', bundle, id)
      t.equal(created.status, 0, created.stderr)
      const { pid } = await state(id, { root: box.root() })
      const { state: document, listener } = await takeConnection(listening.fd)
      using _ = listener
      t.same(document, {
        ociVersion: SPEC_VERSION,
        fds: ['seccompFd'],
        pid,
        metadata: 'about it',
        state: { ociVersion: SPEC_VERSION, id, status: 'creating', pid, bundle, annotations: { a: 'b' } }
      })
      t.equal(heldListeners(pid), 0, 'init has let go of it', { skip: cannotLook })
      t.equal(box.tsrun('start', id).status, 0)
      t.ok(answer(listener.fd, ECONNREFUSED).pid > pid, 'a child of the shell has asked')
      await stopped(id, box.root())
      t.match(created.later(), /Connection refused/)
      t.equal(box.tsrun('delete', id).status, 0)
    }
  )

t.test('as runc sends it', { skip: skip || needs({ commands: ['runc'] }) }, async (t) => {
  using box = sandbox(t)
  const documents = []
  for (const runtime of ['runc', tsrunPath()]) {
    const { listening, config } = prepare(t, box)
    const bundle = box.bundle(config({}))
    const id = box.id()
    const created = box.runtime(runtime, ['create', '--bundle', bundle, id])
    t.equal(created.status, 0, created.stderr)
    const { state: document, listener } = await takeConnection(listening.fd)
    listener[Symbol.dispose]()
    t.equal(box.runtime(runtime, ['delete', '--force', id]).status, 0)
    const { pid, state } = document as { pid: number; state: { pid: number; bundle: string; id: string } }
    t.equal(pid, state.pid)
    t.equal(state.bundle, bundle)
    t.equal(state.id, id)
    const { annotations, status } = state as unknown as { annotations: object; status: string }
    documents.push({ fds: document.fds, metadata: document.metadata, annotations, status, keys: Object.keys(document).sort() })
  }
  t.same(documents[1], documents[0])
})

t.test('a runtime without CAP_SYS_PTRACE gets it from the process itself', { skip: skip || needs({ ids: 1001 }) }, async (t) => {
  using box = sandbox(t)
  const { listening, config } = prepare(t, box)
  const id = box.id()
  const wrapper = WITHOUT_PTRACE
  const created = box.tsrunWith({ wrapper }, 'create', '--bundle', box.bundle(config({ user: { uid: 1000, gid: 0 } })), id)
  t.equal(created.status, 0, created.stderr)
  const { pid } = await state(id, { root: box.root() })
  using listener = (await takeConnection(listening.fd)).listener
  t.equal(heldListeners(pid), 0, 'it has let go of it', { skip: cannotLook })
  t.equal(descriptorsOf(pid)?.length ?? 4, 4, 'the standard streams and what it waits on', { skip: cannotLook })
  t.equal(box.tsrunWith({ wrapper }, 'start', id).status, 0)
  answer(listener.fd, ECONNREFUSED)
  await stopped(id, box.root())
  t.match(created.later(), /Connection refused/)
  t.equal(box.tsrun('delete', id).status, 0)
})

t.test('init waits under a filter that notifies of the very calls that it waits with', { skip }, async (t) => {
  using box = sandbox(t)
  const names = ['capset', 'read', 'close', 'accept4', 'accept', 'execve', 'prlimit64']
  for (const wrapper of [[], WITHOUT_PTRACE]) {
    const { listening, config } = prepare(t, box, { syscalls: [{ names, action: 'SCMP_ACT_NOTIFY' }] })
    const id = box.id()
    const bundle = box.bundle(config({ args: ['/bin/true'], noNewPrivileges: false }))
    const running = spawn(
      [...wrapper, tsrunPath()][0]!,
      [...wrapper, tsrunPath(), '--root', box.root(), 'run', '--bundle', bundle, id].slice(1)
    )
    const ended = new Promise((resolve) => running.on('exit', resolve))
    using listener = (await takeConnection(listening.fd)).listener
    const calls = letAllPass(listener.fd)
    t.equal(await ended, 0, wrapper.join(' '))
    t.ok((await calls) > 4)
  }
})

t.test('an ordinary user cannot be notified of sendmsg, and is told so', { skip: skip || needs({ commands: ['setpriv'] }) }, async (t) => {
  using box = sandbox(t)
  const { config } = prepare(t, box, { syscalls: [{ names: ['sendmsg'], action: 'SCMP_ACT_NOTIFY' }] })
  const wrapper = WITHOUT_PTRACE
  const { status, stderr } = box.tsrunWith({ wrapper }, 'run', '--bundle', box.bundle(config({})), box.id())
  t.equal(status, 1)
  t.match(stderr, /SCMP_ACT_NOTIFY with "sendmsg" without CAP_SYS_PTRACE.*\[\/linux\/seccomp\/syscalls\/0\/names\]/)
})

t.test('a process of exec has a listener of its own', { skip }, async (t) => {
  using box = sandbox(t)
  const { listening, config } = prepare(t, box)
  const { id, call, options } = await running(box, config({ args: ['/bin/sleep', '1000'] }))
  const init = await state(id, options)
  await refuse(listening.fd)
  const pidFile = join(box.directory, 'pid')
  const executed = call('--detach', '--pid-file', pidFile, id, ...MKDIR)
  t.equal(executed.status, 0, executed.stderr)
  const { state: document, listener } = await takeConnection(listening.fd)
  using _ = listener
  t.match(document, { state: { pid: init.pid, status: 'running', id } })
  t.not(document.pid, init.pid)
  answer(listener.fd, ECONNREFUSED)
  await until(() => executed.later() !== '')
  t.match(executed.later(), /Connection refused/)
  await kill(id, 9, options)
  await stopped(id, box.root())
  await deleteContainer(id, options)
})

t.test('a startContainer hook runs under the same filter', { skip }, async (t) => {
  using box = sandbox(t)
  const { listening, config } = prepare(t, box)
  const hook = { path: '/bin/mkdir', args: ['mkdir', '/tmp/hook'] }
  const bundle = box.bundle(config({ args: ['/bin/true'] }, { hooks: { startContainer: [hook] } }))
  const options = { root: box.root(), id: box.id() }
  await create({ ...options, bundle })
  await refuse(listening.fd)
  const starting = start(options.id, options).catch((error: Error) => error.message)
  const { state: document, listener } = await takeConnection(listening.fd)
  t.match(document, { state: { status: 'created' } })
  answer(listener.fd, ECONNREFUSED)
  listener[Symbol.dispose]()
  t.match(await starting, /startContainer hook #0: exit status 1.*Connection refused/s)
})

t.test('an agent that is not there is an error, and nothing is left', { skip }, async (t) => {
  using box = sandbox(t)
  const { config } = prepare(t, box, { listenerPath: '/nowhere' })
  const before = box.snapshot()
  const failed = box.tsrun('run', '--bundle', box.bundle(config({})), box.id())
  t.equal(failed.status, 1)
  t.match(failed.stderr, /cannot send the seccomp listener to "\/nowhere": .*ENOENT.*\[\/linux\/seccomp\/listenerPath\]/)
  t.same(await box.leftovers(before), [])
})
