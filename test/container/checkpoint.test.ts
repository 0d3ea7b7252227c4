/** checkpoint and restore, with a real CRIU. The one of Debian 12 fails on newer kernels, whatever runtime calls it; `npm run test:vm` has a newer one. */
import { spawn, spawnSync } from 'node:child_process'
import {
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Config } from '../../src/config/types.ts'
import { own } from '../../src/linux/fd.ts'
import { poll, readMessage } from '../../src/linux/socket.ts'
import { COUNT, pause, skip, until } from '../checkpoint.ts'
import type { Overrides } from '../config.ts'
import { consoleSocket, takeConsole } from '../console.ts'
import { asRoot, needs, type Result, type Sandbox, sandbox, tsrunPath, unable } from '../harness.ts'
import { cgroupFile, cgroupOf } from '../systemd.ts'

t.setTimeout(120_000)

const skipSystemd = skip || (existsSync('/run/systemd/system') ? false : 'needs systemd as process 1')
const MIB = 1 << 20

const sh = (script: string): Overrides<Config> => ({ process: { args: ['/bin/sh', '-c', script] } })

/** Starts a container, and knows how to look at it. */
function running(t: Test, box: Sandbox, overrides: Overrides<Config>, ...globals: string[]) {
  const id = box.id()
  const bundle = box.bundle(overrides)
  const images = join(box.directory, `images-${id}`)
  t.match(box.tsrun(...globals, 'run', '--detach', '--bundle', bundle, id), { status: 0, stderr: '' }, 'runs')
  t.teardown(() => void box.tsrun('delete', '--force', id))
  const checkpoint = (...args: string[]): Result => box.tsrun('checkpoint', '--image-path', images, ...args, id)
  const restoreAs = (as: string, ...args: string[]): Result =>
    box.tsrun(...globals, 'restore', '--image-path', images, '--bundle', bundle, ...args, as)
  const restore = (...args: string[]): Result => restoreAs(id, ...args)
  return { id, bundle, images, checkpoint, restore, restoreAs }
}

const stateOf = (box: Sandbox, id: string): { pid: number; status: string } => JSON.parse(box.tsrun('state', id).stdout)
const countOf = (box: Sandbox, id: string): number => Number(box.tsrun('exec', id, 'cat', '/dev/shm/count').stdout)

t.test('what was saved goes on as if nothing had been', { skip }, async (t) => {
  const box = sandbox(t)
  const volume = join(box.directory, 'volume')
  mkdirSync(volume)
  const pids = { limit: 4 }
  // The engine opens descriptors of its own when it first starts a program, and when it first waits.
  box.tsrun('--version')
  await pause(10)
  const before = box.snapshot()
  const { id, bundle, images, checkpoint, restore } = running(t, box, {
    ...sh(COUNT),
    mounts: [...defaultMounts(box), { destination: '/volume', source: volume, options: ['rbind', 'rprivate'] }],
    hooks: { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', `cat >> ${box.directory}/hook; echo >> ${box.directory}/hook`] }] },
    linux: { resources: { memory: { limit: 64 * MIB }, pids, devices: [{ allow: false, access: 'rwm' }] } }
  })
  const { pid } = stateOf(box, id)
  const cgroup = cgroupOf(pid)
  await until(() => countOf(box, id) > 105)
  const count = countOf(box, id)
  t.match(checkpoint(), { status: 0, stdout: '', stderr: '' })
  t.match(box.tsrun('state', id), { status: 1, stderr: 'container does not exist' }, 'it is deleted')
  t.notOk(existsSync(`/sys/fs/cgroup${cgroup}`))
  t.notOk(existsSync(`/proc/${pid}`))
  t.equal(statSync(images).mode & 0o777, 0o700, 'memory is for nobody else')
  // As on a machine that the root file system was only copied to.
  rmdirSync(join(bundle, 'rootfs/volume'))
  const pidFile = join(box.directory, 'pid')
  t.match(restore('--detach', '--pid-file', pidFile), { status: 0, stdout: '', stderr: '' })
  const state = stateOf(box, id)
  t.match(state, { status: 'running', bundle, pid: Number(readFileSync(pidFile, 'utf8')) })
  t.ok(await until(() => countOf(box, id) > count + 1), 'it counts on')
  t.ok(countOf(box, id) < count + 2000)
  t.equal(cgroupOf(state.pid), cgroup)
  t.equal(cgroupFile(cgroup, 'memory.max'), String(64 * MIB))
  t.equal(cgroupFile(cgroup, 'pids.max'), '4')
  const hooks = readFileSync(join(box.directory, 'hook'), 'utf8').trim().split('\n')
  t.match(JSON.parse(hooks.at(-1)!), { id, status: 'creating', pid: state.pid }, 'hooks are run')
  t.equal(hooks.length, 2)
  writeFileSync(join(volume, 'new'), 'of the host\n')
  t.match(box.tsrun('exec', id, 'sh', '-c', 'hostname; cat /volume/new; (: > /dev/kmsg) 2>&1'), { stdout: /^test\nof the host\n/ })
  t.match(box.tsrun('pause', id), { status: 0 })
  t.match(box.tsrun('resume', id), { status: 0 })
  t.match(box.tsrun('kill', id, 'KILL'), { status: 0, stderr: '' })
  t.ok(await until(() => stateOf(box, id).status === 'stopped'))
  t.match(box.tsrun('delete', id), { status: 0, stderr: '' })
  t.same(await box.leftovers(before), [])
})

const defaultMounts = (box: Sandbox): NonNullable<Config['mounts']> =>
  JSON.parse(readFileSync(join(box.bundle(), 'config.json'), 'utf8')).mounts

t.test('a container that is left running, by itself and after a pre-dump', { skip }, async (t) => {
  const box = sandbox(t)
  const { id, images, checkpoint, restoreAs } = running(t, box, sh(COUNT))
  const before = stateOf(box, id)
  t.match(checkpoint('--leave-running'), { status: 0, stderr: '' })
  t.same(stateOf(box, id), before)
  const count = countOf(box, id)
  t.ok(await until(() => countOf(box, id) > count))
  rmSync(images, { recursive: true })
  t.match(box.tsrun('checkpoint', '--pre-dump', '--image-path', join(box.directory, 'first'), id), { status: 0, stderr: '' })
  t.equal(stateOf(box, id).pid, before.pid)
  t.match(checkpoint('--parent-path', join(box.directory, 'first')).stderr, /--parent-path.*must be relative/)
  t.match(checkpoint('--parent-path', '../none').stderr, /--parent-path.*there is no directory/)
  t.match(checkpoint('--parent-path', '../first', '--leave-running'), { status: 0, stderr: '' })
  t.ok(readdirSync(images).includes('parent'))
  const command = `${tsrunPath()} --root ${box.root()} checkpoint --leave-running --image-path ${images}-2 ${id}`
  const shown = spawnSync('script', ['--quiet', '--return', '--command', command, '/dev/null'], { encoding: 'utf8', input: '' })
  t.match(shown, { status: 0, stdout: new RegExp(`saving ${id} … [1-9]\\d* s\r\x1b\\[K.*$`, 's') }, 'a terminal is told how long it takes')
  // Another cgroup, beside the first.
  const copy = box.id()
  t.match(restoreAs(copy, '--detach'), { status: 0, stderr: '' })
  t.teardown(() => void box.tsrun('delete', '--force', copy))
  t.not(cgroupOf(stateOf(box, copy).pid), cgroupOf(before.pid))
  t.match(cgroupOf(stateOf(box, copy).pid), copy)
  t.match(box.tsrun('delete', '--force', id), { status: 0 })
  t.equal(stateOf(box, copy).status, 'running', 'the one does not end with the other')
})

t.test('a work directory that a symlink leads to, as containerd has it', { skip }, async (t) => {
  const box = sandbox(t)
  const { id, checkpoint, restore } = running(t, box, sh(COUNT))
  const [work, link] = [join(box.directory, 'work'), join(box.directory, 'link')]
  mkdirSync(work)
  symlinkSync(work, link)
  t.ok(await until(() => countOf(box, id) > 101))
  t.match(checkpoint('--work-path', link), { status: 0, stderr: '' })
  t.match(restore('--detach', '--work-path', link), { status: 0, stderr: '' })
  const count = countOf(box, id)
  t.ok(await until(() => countOf(box, id) > count), 'it counts on')
  t.same(
    readdirSync(work)
      .filter((name) => name.endsWith('.log'))
      .sort(),
    ['dump.log', 'restore.log']
  )
})

t.test('in the foreground: output, the status, and the end', { skip }, async (t) => {
  const box = sandbox(t)
  const script = 'echo first; while ! [ -e /tmp/go ]; do sleep 0.05; done; echo second; exit 7'
  const { bundle, checkpoint, restore } = running(t, box, { ...sh(script), root: { readonly: false } })
  t.match(checkpoint(), { status: 0, stderr: '' })
  const before = box.snapshot()
  writeFileSync(join(bundle, 'rootfs/tmp/go'), '')
  t.match(restore(), { status: 7, stdout: 'second\n', stderr: '' })
  t.same(await box.leftovers(before), [])
})

t.test('a terminal goes to a console socket once more', { skip }, async (t) => {
  const box = sandbox(t)
  const id = box.id()
  const bundle = box.bundle({ ...sh(COUNT), process: { terminal: true, args: ['/bin/sh', '-c', COUNT] } })
  const path = join(box.directory, 'console')
  const images = join(box.directory, 'images')
  const listener = consoleSocket(path)
  t.match(box.tsrun('run', '--detach', '--console-socket', path, '--bundle', bundle, id), { status: 0, stderr: '' })
  const first = takeConsole(listener)
  t.match(box.tsrun('checkpoint', '--image-path', images, id), { status: 0, stderr: '' })
  first[Symbol.dispose]()
  rmSync(path)
  const again = consoleSocket(path)
  const restored = box.tsrun('restore', '--image-path', images, '--bundle', bundle, '--detach', '--console-socket', path, id)
  t.match(restored, { status: 0, stderr: '' })
  using second = takeConsole(again)
  t.not(second.name, '')
  t.match(box.tsrun('exec', id, 'sh', '-c', 'ls -l /proc/1/fd/0').stdout, /\/dev\/(pts\/0|console)$/m)
  t.match(box.tsrun('delete', '--force', id), { status: 0 })
})

t.test('a scope of systemd', { skip: skipSystemd }, async (t) => {
  const box = sandbox(t)
  const limits: Overrides<Config> = { linux: { resources: { pids: { limit: 5 } }, namespaces: [...namespaces, { type: 'cgroup' }] } }
  const { id, checkpoint, restore } = running(t, box, { ...sh(COUNT), ...limits }, '--systemd-cgroup')
  const cgroup = cgroupOf(stateOf(box, id).pid)
  t.match(cgroup, `tsrun-${id}.scope`)
  t.match(checkpoint(), { status: 0, stderr: '' })
  t.match(restore('--detach'), { status: 0, stderr: '' })
  t.equal(cgroupOf(stateOf(box, id).pid), cgroup)
  t.equal(cgroupFile(cgroup, 'pids.max'), '5')
  t.equal(box.tsrun('exec', id, 'cat', '/proc/1/cgroup').stdout, '0::/\n', 'its cgroup namespace is back')
  t.match(box.tsrun('delete', '--force', id), { status: 0, stderr: '' })
  t.notOk(existsSync(`/sys/fs/cgroup${cgroup}`))
})

const namespaces = [{ type: 'pid' }, { type: 'network' }, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }] as const

t.test('a network namespace that was joined is joined again', { skip }, async (t) => {
  const box = sandbox(t)
  const other = running(t, box, sh(COUNT))
  const path = `/proc/${stateOf(box, other.id).pid}/ns/net`
  const joining = namespaces.map((each) => (each.type === 'network' ? { ...each, path } : each))
  const { id, checkpoint, restore } = running(t, box, { ...sh(COUNT), linux: { namespaces: joining } })
  t.match(checkpoint(), { status: 0, stderr: '' })
  t.match(restore('--detach'), { status: 0, stderr: '' })
  t.equal(readlinkSync(`/proc/${stateOf(box, id).pid}/ns/net`), readlinkSync(path))
  t.match(box.tsrun('delete', '--force', id), { status: 0 })
})

t.test('memory is fetched when it is asked for', { skip }, async (t) => {
  const box = sandbox(t)
  const { id, bundle, images } = running(t, box, sh(COUNT))
  const server = ['--lazy-pages', '--page-server', '127.0.0.1:27277', '--status-fd', '3', '--image-path', images, id]
  const ready = join(box.directory, 'ready')
  spawnSync('mkfifo', [ready])
  using pipe = own(openSync(ready, constants.O_RDWR))
  const saving = spawn(tsrunPath(), ['--root', box.root(), 'checkpoint', ...server], { stdio: ['ignore', 'ignore', 'ignore', pipe.fd] })
  const saved = new Promise<number | null>((resolve) => saving.once('exit', resolve))
  t.ok(await until(() => poll([{ fd: pipe.fd, events: 1 }], 0)[0] !== 0 || saving.exitCode !== null))
  t.equal(saving.exitCode, null)
  if (saving.exitCode !== null) return
  t.same([...readMessage(pipe.fd, 10)], [0], 'the pages can be fetched')
  const from = ['--page-server', '--address', '127.0.0.1', '--port', '27277', '--images-dir', images, '--work-dir', images]
  const fetching = spawn('criu', ['lazy-pages', ...from], { stdio: 'ignore' })
  const fetched = new Promise<number | null>((resolve) => fetching.once('exit', resolve))
  t.ok(await until(() => existsSync(join(images, 'lazy-pages.socket'))))
  const copy = box.id()
  const restored = box.tsrun('restore', '--lazy-pages', '--detach', '--image-path', images, '--bundle', bundle, copy)
  t.match(restored, { status: 0, stderr: '' })
  t.teardown(() => void box.tsrun('delete', '--force', copy))
  t.equal(await fetched, 0)
  t.equal(await saved, 0)
  const count = countOf(box, copy)
  t.ok(await until(() => countOf(box, copy) > count), 'it goes on with the memory of the first')
})

t.test('what CRIU refuses is told, and the container goes on', { skip }, async (t) => {
  const box = sandbox(t)
  // 0A is TCP_LISTEN, 01 TCP_ESTABLISHED (include/net/tcp_states.h).
  const listening = 'while ! grep -q " 0A " /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done'
  const script = `(sleep 1000 | nc -l -p 4000) & ${listening}; sleep 1000 | nc 127.0.0.1 4000`
  const { id, images, checkpoint } = running(t, box, sh(script))
  t.ok(await until(() => / 01 /.test(box.tsrun('exec', id, 'cat', '/proc/net/tcp').stdout)))
  const { pid } = stateOf(box, id)
  const refused = checkpoint()
  t.equal(refused.status, 1)
  t.match(refused.stderr, /cannot checkpoint the container: criu failed: type DUMP.*TCP.*log file: .*dump\.log/s)
  t.match(refused.stderr, /hint: with --tcp-established/)
  t.same(stateOf(box, id), { ...stateOf(box, id), status: 'running', pid })
  t.ok(existsSync(join(images, 'dump.log')))
  const logs = join(box.directory, 'logs')
  t.match(checkpoint('--tcp-established', '--file-locks', '--work-path', logs), { status: 0, stderr: '' })
  t.ok(existsSync(join(logs, 'dump.log')))
})

t.test('a restore that fails leaves nothing', { skip }, async (t) => {
  const box = sandbox(t)
  const { images, checkpoint, restore } = running(t, box, sh(COUNT))
  t.match(checkpoint(), { status: 0 })
  const before = box.snapshot()
  for (const page of readdirSync(images).filter((name) => name.startsWith('pages-'))) rmSync(join(images, page))
  const pidFile = join(box.directory, 'pid')
  const { status, stderr } = restore('--detach', '--pid-file', pidFile)
  t.equal(status, 1)
  t.match(stderr, /tsrun restore failed: cannot restore the container: criu failed: type RESTORE.*log file: .*restore\.log/)
  t.notOk(existsSync(pidFile))
  t.same(await box.leftovers(before), [])
})

t.test('wrong calls', { skip: asRoot }, async (t) => {
  const box = sandbox(t)
  const before = box.snapshot()
  const id = box.id()
  const bundle = box.bundle(sh(COUNT))
  t.match(box.tsrun('checkpoint', id), { status: 1, stderr: 'container does not exist' })
  t.match(box.tsrun('create', '--bundle', bundle, id), { status: 0 })
  t.match(box.tsrun('checkpoint', id), { status: 1, stderr: 'container cannot be checkpointed in the created state' })
  t.match(box.tsrun('start', id), { status: 0 })
  t.match(box.tsrun('checkpoint', '--page-server', 'here', id).stderr, /--page-server.*ADDRESS:PORT/)
  t.match(box.tsrun('checkpoint', '--status-fd', '77', id).stderr, 'invalid --status-fd argument 77: it is not open')
  t.match(box.tsrun('checkpoint', '--manage-cgroups-mode', 'hard', id), { status: 1, stderr: /soft/ })
  t.match(box.tsrun('delete', '--force', id), { status: 0 })
  const from = (path: string, ...args: string[]) => box.tsrun('restore', '--image-path', path, '--bundle', bundle, ...args, id)
  t.match(from('/no/such'), { status: 1, stderr: /cannot restore from "\/no\/such": no such file or directory/ })
  t.match(from(box.directory), { status: 1, stderr: /there is no inventory\.img in it/ })
  writeFileSync(join(box.directory, 'inventory.img'), '')
  t.match(from(box.directory, '--lsm-profile', 'smack:x').stderr, /--lsm-profile.*apparmor:NAME or selinux:LABEL/)
  t.match(from(box.directory, '--empty-ns', 'mount').stderr, /--empty-ns.*"mount"/)
  t.same(await box.leftovers(before), [])
})

const skipAbsent = unable || (needs({ commands: ['criu'] }) === false ? 'needs a host without criu' : false)

t.test('without CRIU it is told what to install', { skip: skipAbsent }, async (t) => {
  const box = sandbox(t)
  const { id, checkpoint } = running(t, box, sh(COUNT))
  const { status, stderr } = checkpoint()
  t.equal(status, 1)
  t.match(stderr, /cannot use criu: executable file not found in \$PATH/)
  t.match(stderr, /install the package criu/)
  t.equal(stateOf(box, id).status, 'running')
})
