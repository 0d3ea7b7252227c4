import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { freeze } from '../../src/cgroup/index.ts'
import { readRecord, stateDirectory } from '../../src/container/store.ts'
import { create, deleteContainer, explain, kill, start, state } from '../../src/index.ts'
import { accept, listenUnix, poll, readMessage, receiveFd, writeAll } from '../../src/linux/socket.ts'
import { getWindowSize, isTerminal } from '../../src/linux/tty.ts'
import { needs, sandbox, unable } from '../harness.ts'

const POLLIN = 1
const SIGKILL = 9

/** All that a terminal writes until `end` is among it. */
function readUntil(fd: number, end: string): string {
  let text = ''
  while (!text.includes(end) && poll([{ fd, events: POLLIN }], 5000)[0] !== 0) text += Buffer.from(readMessage(fd, 4096)).toString()
  return text
}

const untilStopped = async (id: string, options: { root: string }): Promise<void> => {
  for (let i = 0; i < 500 && (await state(id, options)).status !== 'stopped'; i++) await new Promise((resolve) => setTimeout(resolve, 10))
}

t.test('the console socket gets the master, in one message, before create returns', { skip: unable }, async (t) => {
  using box = sandbox(t)
  // Longer than the 107 bytes of sockaddr_un.
  const directory = join(box.directory, 'x'.repeat(100))
  mkdirSync(directory)
  const consoleSocket = join(directory, 'console')
  using listener = listenUnix(consoleSocket, 0o600)
  const id = box.id()
  const options = { root: box.root() }
  const script = 'tty; stty size; [ -c /dev/console ] && echo console; read line; echo "<$line>"'
  const bundle = box.bundle({ process: { terminal: true, consoleSize: { height: 24, width: 77 }, args: ['/bin/sh', '-c', script] } })
  await create({ ...options, id, bundle, consoleSocket })
  using connection = accept(listener.fd)
  const { fd: master, data } = receiveFd(connection.fd)
  t.match(Buffer.from(data).toString(), /^\/dev\/pt/)
  t.ok(isTerminal(master.fd))
  t.match(getWindowSize(master.fd), { rows: 24, columns: 77 })
  await start(id, options)
  t.equal(readMessage(connection.fd, 16).length, 0, 'nothing else has come')
  writeAll(master.fd, Buffer.from('hello\n'))
  const output = readUntil(master.fd, '<hello>')
  t.match(output, '/dev/pts/0')
  t.match(output, '24 77')
  t.match(output, 'console')
  master[Symbol.dispose]()
  await untilStopped(id, options)
  await deleteContainer(id, options)
})

t.test('the pidfd socket gets a pidfd of init', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const pidfdSocket = join(box.directory, 'pidfd')
  using listener = listenUnix(pidfdSocket, 0o600)
  const id = box.id()
  const { pid } = await create({ root: box.root(), id, bundle: box.bundle(), pidfdSocket })
  using connection = accept(listener.fd)
  const { fd, data } = receiveFd(connection.fd)
  t.equal(Buffer.from(data).toString(), 'standard')
  t.match(readFileSync(`/proc/self/fdinfo/${fd.fd}`, 'latin1'), new RegExp(`^Pid:\\s*${pid}$`, 'm'))
  fd[Symbol.dispose]()
  await deleteContainer(id, { root: box.root() })
})

t.test('a socket that nobody listens on is an error that leaves nothing', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const options = { root: box.root(), id: box.id(), bundle: box.bundle({ process: { terminal: true } }) }
  await t.rejects(create({ ...options, consoleSocket: '/nonexistent' }), { message: /^cannot connect to the socket "\/nonexistent"/ })
  await t.rejects(create({ ...options, bundle: box.bundle(), pidfdSocket: '/nonexistent' }), {
    message: /^cannot send the pidfd to "\/nonexistent": cannot connect to the socket/
  })
  t.same(await box.leftovers(before), [])
})

t.test('a paused container', { skip: needs({ containers: true, controllers: ['freezer'] }) }, async (t) => {
  using box = sandbox(t)
  const options = { root: box.root() }
  const pause = async (id: string): Promise<void> => {
    freeze(readRecord(stateDirectory(box.root(), id)).cgroup!)
    t.equal((await state(id, options)).status, 'paused')
  }
  const id = box.id()
  const bundle = box.bundle({ process: { args: ['/bin/sleep', '1000'] } })
  await create({ ...options, id, bundle })
  await pause(id)
  await t.rejects(start(id, options), { code: 'bad-state', message: 'cannot start a container in the paused state' })
  await t.rejects(deleteContainer(id, options), { code: 'bad-state', message: /that is not stopped: paused$/ })
  await kill(id, SIGKILL, options)
  await untilStopped(id, options)
  await deleteContainer(id, options)
  await create({ ...options, id, bundle })
  await start(id, options)
  await pause(id)
  await deleteContainer(id, { ...options, force: true })
  await t.rejects(state(id, options), { code: 'not-found' })
})

t.test('explain shows what would be done, as text and as JSON, for both architectures', async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle()
  t.match(await explain({ bundle }), /execve\("\/bin\/true"/)
  for (const arch of ['x64', 'arm64'] as const) {
    const plan = JSON.parse(await explain({ bundle, arch, json: true }))
    t.equal(plan.arch, arch)
    t.same(plan.fds, [
      { name: 'sync', fd: 3 },
      { name: 'start', fd: 4 }
    ])
    t.ok(plan.steps.length > 100)
  }
})
