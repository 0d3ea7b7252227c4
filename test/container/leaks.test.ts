import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import t from 'tap'
import { create, deleteContainer, kill, run, start, state } from '../../src/index.ts'
import { type Sandbox, sandbox, unable } from '../harness.ts'

const COUNT = 200
const SIGKILL = 9

/** Children of this process, zombies included: a library must not leave any. */
function children(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => parentOf(pid) === process.pid)
}

function parentOf(pid: string): number {
  try {
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ')[1]
    )
  } catch {
    return 0
  }
}

/** Descriptors by what they refer to, with counts; numbers and inodes differ from one moment to the next. */
function descriptors(): Record<string, number> {
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

/** Lives of all kinds, one after the other; each must take back everything. */
const lives: Readonly<Record<string, (box: Sandbox, bundles: Bundles) => Promise<void>>> = {
  async 'created and deleted'(box, { sleeping }) {
    const options = { root: box.root(), id: box.id() }
    await create({ ...options, bundle: sleeping })
    await deleteContainer(options.id, options)
  },
  async 'started, killed and deleted'(box, { sleeping }) {
    const options = { root: box.root(), id: box.id() }
    await create({ ...options, bundle: sleeping })
    await start(options.id, options)
    await kill(options.id, SIGKILL, options)
    while ((await state(options.id, options)).status !== 'stopped') await new Promise((resolve) => setTimeout(resolve, 1))
    await deleteContainer(options.id, options)
  },
  async 'run in the foreground'(box, { short }) {
    await run({ root: box.root(), id: box.id(), bundle: short })
  },
  async 'started and deleted with force'(box, { sleeping }) {
    const options = { root: box.root(), id: box.id(), force: true }
    await create({ ...options, bundle: sleeping })
    await start(options.id, options)
    await deleteContainer(options.id, options)
  },
  async failed(box, { failing, missing }) {
    for (const bundle of [failing, missing]) await run({ root: box.root(), id: box.id(), bundle }).catch(() => {})
  },
  async 'with hooks'(box, { hooked }) {
    await run({ root: box.root(), id: box.id(), bundle: hooked })
  }
}

interface Bundles {
  readonly sleeping: string
  readonly short: string
  readonly failing: string
  readonly missing: string
  readonly hooked: string
}

function bundlesOf(box: Sandbox): Bundles {
  const hook = [{ path: '/bin/true' }]
  return {
    sleeping: box.bundle({ process: { args: ['/bin/sleep', '1000'] } }),
    short: box.bundle({}),
    failing: box.bundle({ hooks: { createRuntime: [{ path: '/bin/false' }] } }),
    missing: box.bundle({ process: { args: ['nothing'] } }),
    hooked: box.bundle({ hooks: { createRuntime: hook, createContainer: hook, startContainer: hook, poststart: hook, poststop: hook } })
  }
}

t.test(
  `${COUNT} containers leave no process, mount, cgroup, descriptor, directory or listener`,
  { skip: unable, timeout: 110_000 },
  async (t) => {
    using box = sandbox(t)
    const bundles = bundlesOf(box)
    const kinds = Object.values(lives)
    // The first of each kind loads what is loaded once: koffi, the pool's threads, pipes of the event loop.
    for (const live of kinds) await live(box, bundles)
    const before = { all: box.snapshot(), descriptors: descriptors(), children: children(), listeners: listeners() }
    for (let i = 0; i < COUNT; i++) await kinds[i % kinds.length]!(box, bundles)
    t.same(await box.leftovers(before.all), [])
    t.same(descriptors(), before.descriptors)
    t.same(children(), before.children)
    t.same(listeners(), before.listeners)
  }
)

t.test('many containers at once, of one program', { skip: unable, timeout: 60_000 }, async (t) => {
  using box = sandbox(t)
  const { sleeping, failing } = bundlesOf(box)
  const before = { all: box.snapshot(), listeners: listeners() }
  const warnings: string[] = []
  const onWarning = ({ message }: Error): void => void warnings.push(message)
  process.on('warning', onWarning)
  const options = Array.from({ length: 24 }, () => ({ root: box.root(), id: box.id() }))
  const made = await Promise.allSettled(options.map((each, i) => create({ ...each, bundle: i % 4 === 3 ? failing : sleeping })))
  t.same(
    made.map((each) => (each.status === 'fulfilled' ? each.value.status : 'failed')),
    options.map((_, i) => (i % 4 === 3 ? 'failed' : 'created'))
  )
  await Promise.all(options.filter((_, i) => i % 4 !== 3).map((each) => deleteContainer(each.id, { ...each, force: true })))
  process.off('warning', onWarning)
  t.same(warnings, [])
  t.same(await box.leftovers(before.all), [])
  t.same(listeners(), before.listeners)
})
