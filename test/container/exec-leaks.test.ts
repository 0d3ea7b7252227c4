import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import t from 'tap'
import { exec } from '../../src/index.ts'
import { running, until } from '../exec.ts'
import { sandbox, unable } from '../harness.ts'

const COUNT = 60

/** Children of this process, zombies included: a library must not leave any. */
const children = (): string[] =>
  readdirSync('/proc').filter((name) => {
    try {
      const text = /^\d+$/.test(name) ? readFileSync(`/proc/${name}/stat`, 'latin1') : ''
      return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]) === process.pid
    } catch {
      return false
    }
  })

const descriptors = (): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, 'N')
      counts[target] = (counts[target] ?? 0) + 1
    } catch {
      // The descriptor of the listing itself.
    }
  }
  return counts
}

const listeners = (): Record<string, number> =>
  Object.fromEntries(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGCHLD', 'SIGUSR1', 'SIGWINCH'].map((name) => [name, process.listenerCount(name)]))

t.test(`${COUNT} processes leave none, and no descriptor or listener`, { skip: unable, timeout: 110_000 }, async (t) => {
  using box = sandbox(t)
  const { options, id, root } = await running(box)
  const kinds: readonly (() => Promise<unknown>)[] = [
    () => exec({ ...options, args: ['true'] }),
    () => exec({ ...options, args: ['sleep', '0.05'] }),
    () => exec({ ...options, args: ['sleep', '0.05'], detach: true }),
    () => exec({ ...options, args: ['no such command'] }).catch(() => {}),
    () => exec({ ...options, args: ['no such command'], detach: true }).catch(() => {}),
    () => exec({ ...options, args: ['true'], pidFile: '/no/such/pid' }).catch(() => {}),
    () => exec({ ...options, args: ['true'], terminal: true })
  ]
  // The first of each kind loads what is loaded once.
  for (const kind of kinds) await kind()
  await until(() => process.listenerCount('SIGCHLD') === 0)
  const before = { all: box.snapshot(), descriptors: descriptors(), children: children(), listeners: listeners() }
  for (let i = 0; i < COUNT; i++) await kinds[i % kinds.length]!()
  await until(() => process.listenerCount('SIGCHLD') === before.listeners.SIGCHLD)
  t.same(await box.leftovers(before.all), [])
  t.same(descriptors(), before.descriptors)
  t.same(children(), before.children)
  t.same(listeners(), before.listeners)
  t.equal(box.tsrun('--root', root, 'state', id).status, 0)
})

t.test('several at a time', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { options } = await running(box)
  const results = await Promise.all(Array.from({ length: 8 }, (_, i) => exec({ ...options, args: ['sh', '-c', `sleep 0.2; exit ${i}`] })))
  t.same(
    results.map(({ exitStatus }) => exitStatus),
    [0, 1, 2, 3, 4, 5, 6, 7]
  )
})

t.test('what a library is told', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { options } = await running(box)
  await t.rejects(exec({ ...options, args: [] }), { code: 'usage', message: 'exec args cannot be empty' })
  await t.rejects(exec({ ...options, args: ['nothing'] }), { code: 'command-not-found', pointer: '/process/args/0', errno: 'ENOENT' })
  await t.rejects(exec({ ...options, process: { cwd: 'x', args: ['true'] } }), { code: 'config', pointer: '/cwd' })
  await t.rejects(exec({ ...options, process: { cwd: '/', args: ['true'], env: ['A=\0'] } }), { code: 'config', pointer: '/env/0' })
  await t.rejects(exec({ ...options, args: ['true'], cgroups: ['a\0b'] }), { code: 'usage' })
  await t.rejects(exec({ ...options, args: ['true'], user: { uid: 2 ** 32 } }), { code: 'config', pointer: '/user/uid' })
  await t.rejects(exec({ ...options, args: ['true'], user: { uid: -1 } }), { code: 'config', pointer: '/user/uid' })
  await t.rejects(exec({ ...options, args: ['true'], additionalGids: [0.5] }), { code: 'config', pointer: '/user/additionalGids/0' })
  t.match(await exec({ ...options, process: { cwd: '/', args: ['sh', '-c', 'exit 9'], env: ['PATH=/bin'] } }), { exitStatus: 9 })
})
