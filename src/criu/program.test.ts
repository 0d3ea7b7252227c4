import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { uninterrupted } from '../container/interrupt.ts'
import { reap, untilGone } from '../container/program.ts'
import { nextMessage } from '../container/protocol.ts'
import { spawnPlan } from '../container/spawn-plan.ts'
import { architecture } from '../linux/ffi.ts'
import { socketpairSeqpacket } from '../linux/socket.ts'
import { compileCriu, FIRST_EXTRA, idMapFd } from './program.ts'

const skip = process.geteuid?.() === 0 ? false : 'needs root'

/** Starts `path` as CRIU is started; returns what it has written, and what was reported. */
async function start(directory: string, path: string, root: string) {
  const plan = compileCriu({ arch: architecture, path, env: ['A=b'], terminal: false, root, extra: ['one'] })
  const [rpc, theirRpc] = socketpairSeqpacket()
  const [sync, theirSync] = socketpairSeqpacket()
  const output = join(directory, 'output')
  const [out, nothing, one] = [openSync(output, 'w'), openSync('/dev/null', 'r'), openSync('/etc/passwd', 'r')]
  const named = { null: nothing, output: out, rpc: theirRpc.fd, sync: theirSync.fd, one }
  const child = spawnPlan(plan, { named, preserve: 0, fallbackDirectory: directory, detached: true })
  for (const fd of [out, nothing, one]) closeSync(fd)
  for (const end of [theirRpc, theirSync, rpc]) end[Symbol.dispose]()
  const message = await nextMessage(sync.fd, uninterrupted)
  await untilGone(child.pidfd.fd, 10_000)
  reap(child.pid)
  for (const each of [sync, child.pidfd]) each[Symbol.dispose]()
  return { output: readFileSync(output, 'utf8'), message, plan }
}

t.test('it finds the root file system to be a mount, of which the host knows nothing', { skip }, async (t) => {
  const directory = t.testdir()
  const root = join(directory, 'rootfs')
  mkdirSync(root)
  const script = join(directory, 'criu')
  writeFileSync(script, '#!/bin/sh\necho "$@" $A; cat /proc/self/mountinfo; ls -l /proc/$$/fd\n')
  chmodSync(script, 0o755)
  const { output, message } = await start(directory, script, root)
  t.equal(message, undefined, 'the report is closed when it is executed')
  t.match(output, /^swrk 3 b\n/)
  t.match(output, ` ${root} `)
  t.notMatch(output, / shared:/, 'nothing that it mounts goes out')
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), ` ${root} `)
  t.match(output, new RegExp(`${FIRST_EXTRA} -> /etc/passwd`))
  t.notMatch(output, / 4 -> /)
})

t.test('a step that fails is told', { skip }, async (t) => {
  const directory = t.testdir()
  const missing = await start(directory, join(directory, 'criu'), directory)
  t.match(missing.message, { kind: 'failed', errno: 2 })
  const { step } = missing.message as { step: number }
  t.match(missing.plan.steps[step]?.says, /^execute ".*criu"$/)
  const none = await start(directory, '/bin/true', join(directory, 'none'))
  t.match(none.plan.steps[(none.message as { step: number }).step], { call: 'mount', pointer: '/root/path' })
})

t.test('a source with mapped ids is mounted before CRIU is executed, and its map is not left to it', async (t) => {
  const mapped = [
    { source: '/a', place: '/state/a', recursive: true, mapsBelow: false, pointer: '/mounts/3' },
    { source: '/b', place: '/state/b', recursive: false, mapsBelow: false, pointer: '/mounts/4' }
  ]
  const { steps, fds } = compileCriu({ arch: architecture, path: '/criu', env: [], terminal: true, root: '/r', extra: ['one'], mapped })
  t.same(
    fds.map(({ name, fd }) => `${name} ${fd}`),
    ['rpc 3', 'sync 4', `one ${FIRST_EXTRA}`, `${idMapFd(0)} ${FIRST_EXTRA + 1}`, `${idMapFd(1)} ${FIRST_EXTRA + 2}`]
  )
  const calls = steps.map(({ call }) => call)
  const each = ['open_tree', 'mount_setattr', 'move_mount', 'close', 'close']
  t.same(calls, ['unshare', 'mount', 'mount', ...each, ...each, 'close_range', 'execve'])
  const closed = steps.filter(({ call, says }) => call === 'close' && says === 'close the user namespace')
  t.same(
    closed.map(({ args }) => args[0]),
    [FIRST_EXTRA + 1, FIRST_EXTRA + 2]
  )
  t.same(
    steps.filter(({ call }) => call === 'move_mount').map(({ pointer }) => pointer),
    ['/mounts/3', '/mounts/4']
  )
})
