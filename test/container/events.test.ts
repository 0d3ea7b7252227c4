/** events: statistics, lack of memory, and the end of the stream. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { formatStatistics, statistics } from '../../src/cgroup/stats.ts'
import type { CgroupMode } from '../../src/cgroup/types.ts'
import type { Config } from '../../src/config/types.ts'
import { type ContainerEvent, create, deleteContainer, events, kill, start, stats } from '../../src/index.ts'
import type { Overrides } from '../config.ts'
import { cgroupVersion, needs, type Sandbox, sandbox, tsrunPath, unable } from '../harness.ts'

const forCgroups = needs({ containers: true, ownCgroup: true, commands: ['runc'] })

const SLEEP = { process: { args: ['/bin/sleep', '1000'] } }
/** Wants more memory than it may have, once a second; its shell survives. */
const HUNGRY = {
  process: { args: ['/bin/sh', '-c', 'while :; do sleep 0.3; dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; done'] },
  linux: { resources: { memory: { limit: 16 << 20, swap: 16 << 20 } } }
}
const withMemory = unable || needs({ controllers: ['memory'] })

async function running(box: Sandbox, overrides: Overrides<Config>) {
  const id = box.id()
  const options = { root: box.root() }
  await create({ ...options, id, bundle: box.bundle(overrides) })
  await start(id, options)
  return { id, options }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** All events until the stream ends. */
async function collect(stream: AsyncIterable<ContainerEvent>): Promise<ContainerEvent[]> {
  const all: ContainerEvent[] = []
  for await (const event of stream) all.push(event)
  return all
}

t.test('statistics at each interval, until the container ends', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const descriptors = () => readdirSync('/proc/self/fd').length
  const { id, options } = await running(box, SLEEP)
  // The engine opens some of its own at the first wait.
  for await (const _ of events(id, { ...options, intervalMs: 20 })) break
  const before = descriptors()
  const begun = performance.now()
  const all: ContainerEvent[] = []
  for await (const event of events(id, { ...options, intervalMs: 100 })) {
    if (all.push(event) === 3) void kill(id, 9, options)
  }
  t.ok(performance.now() - begun >= 300, 'none comes before its time')
  t.ok(all.length >= 3 && all.length <= 5, `${all.length - 3} after the end`)
  t.ok(all.every((event) => event.type === 'stats' && event.id === id))
  t.match(all[0], { data: { cpu: { usage: {} }, memory: { usage: {} }, pids: {}, network_interfaces: null } })
  t.ok(descriptors() <= before, 'every descriptor is closed')
  await t.rejects(stats(id, options), { code: 'not-running', message: `container with id ${id} is not running` })
  await t.rejects(collect(events(id, options)), { code: 'not-running' })
})

t.test('the caller ends the stream', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options } = await running(box, SLEEP)
  for await (const event of events(id, { ...options, intervalMs: 20 })) {
    t.equal(event.type, 'stats')
    break
  }
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 50)
  const begun = performance.now()
  t.same(await collect(events(id, { ...options, signal: stop.signal })), [], 'in the middle of an interval')
  t.ok(performance.now() - begun < 2000)
  t.same(await collect(events(id, { ...options, signal: AbortSignal.abort() })), [])
  for (const intervalMs of [0, -1, Number.NaN])
    await t.rejects(collect(events(id, { ...options, intervalMs })), { message: 'duration interval must be greater than 0' })
})

t.test('many streams share one thread', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options } = await running(box, SLEEP)
  const streams = Array.from({ length: 20 }, () => collect(events(id, { ...options, intervalMs: 60_000 })))
  await sleep(50)
  // Needs a thread of the pool as well: it would hang if each stream held one.
  await new Promise((resolve) => import('node:fs').then(({ readFile }) => readFile('/etc/hostname', resolve)))
  await kill(id, 9, options)
  t.same(
    await Promise.all(streams),
    streams.map(() => [])
  )
})

t.test('a lack of memory is told', { skip: withMemory }, async (t) => {
  using box = sandbox(t)
  const { id, options } = await running(box, HUNGRY)
  const seen: string[] = []
  for await (const event of events(id, { ...options, intervalMs: 60_000 })) if (seen.push(event.type) === 2) break
  t.same(seen, ['oom', 'oom'])
  await deleteContainer(id, { ...options, force: true })
})

t.test('a lack of memory that ends init is told before the end', { skip: withMemory }, async (t) => {
  using box = sandbox(t)
  const { id, options } = await running(box, {
    ...HUNGRY,
    process: { args: ['/bin/sh', '-c', 'sleep 0.3; exec dd if=/dev/zero of=/dev/null bs=100M count=1'] }
  })
  const all = await collect(events(id, { ...options, intervalMs: 60_000 }))
  t.ok(all.length >= 1)
  t.ok(all.every(({ type }) => type === 'oom'))
})

t.test('removing the cgroup is no lack of memory', { skip: withMemory }, async (t) => {
  using box = sandbox(t)
  const { id, options } = await running(box, SLEEP)
  const stream = collect(events(id, { ...options, intervalMs: 60_000 }))
  await sleep(50)
  await deleteContainer(id, { ...options, force: true })
  t.same(await stream, [])
})

/** Runs `tsrun events` until it ends. */
function watch(box: Sandbox, id: string, ...args: string[]) {
  const child = spawn(tsrunPath(), ['--root', box.root(), 'events', ...args, id], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const ended = new Promise((resolve) => child.on('close', (status, signal) => resolve(signal ?? status)))
  return { child, ended, output: () => ({ lines: stdout.split('\n').filter(Boolean), stderr }) }
}

t.test('the command', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options } = await running(box, SLEEP)
  const one = box.tsrun('events', '--stats', id)
  t.match(one, { status: 0, stderr: '', stdout: /^\{"type":"stats","id":"[^"]*","data":\{.*\}\}\n$/ })
  t.equal(JSON.parse(one.stdout).id, id)

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const { child, ended, output } = watch(box, id, '--interval=100ms')
    while (output().lines.length < 2) await sleep(10)
    child.kill(signal)
    t.equal(await ended, 0, `${signal} ends it`)
    t.ok(output().lines.every((line) => JSON.parse(line).type === 'stats'))
    t.equal(output().stderr, '')
  }
  const last = watch(box, id, '--interval', '.1s')
  while (last.output().lines.length < 1) await sleep(10)
  await kill(id, 9, options)
  t.equal(await last.ended, 0, 'it ends with the container')
  t.equal(last.output().stderr, '')

  t.match(box.tsrun('events', id), { status: 1, stderr: `container with id ${id} is not running` })
  t.match(box.tsrun('events', '--interval', '0s', id), { status: 1, stderr: 'duration interval must be greater than 0' })
  t.match(box.tsrun('events', '--interval', 'soon', id), { status: 1, stderr: 'invalid value "soon" for flag -interval: parse error' })
  t.match(box.tsrun('events', 'nope'), { status: 1, stderr: 'container does not exist' })
})

t.test('field by field what runc tells of the same cgroups', { skip: forCgroups }, async (t) => {
  using box = sandbox(t)
  const id = box.id()
  const limits = {
    memory: { limit: 64 << 20, reservation: 32 << 20 },
    pids: { limit: 17 },
    cpu: { shares: 512, quota: 50_000, period: 100_000 }
  }
  const bundle = box.bundle({ ...SLEEP, linux: { resources: limits } })
  box.runc('run', '--detach', '--bundle', bundle, id)
  const { cgroup_paths: paths } = JSON.parse(readFileSync(join(box.root('runc'), id, 'state.json'), 'utf8'))
  const mode: CgroupMode = cgroupVersion() === 'v2' ? 'v2' : 'hybrid'
  const all = () => JSON.parse(formatStatistics(statistics({ mode, driver: 'cgroupfs', paths, rootless: false })))
  const told = () => JSON.parse(box.runc('events', '--stats', id).stdout).data
  // runc 1.1 does not read memory.peak of v2, nor the pressure, huge pages and what is discarded there; 1.2 and later do.
  const theirs = () => {
    const data = told()
    const { max } = all().memory.usage
    return mode === 'v2' ? { ...data, memory: { ...data.memory, usage: { ...data.memory.usage, max } } } : data
  }
  const { cpu, hugetlb } = told()
  const ours = () => {
    const data = all()
    if (cpu.psi !== undefined) return data
    for (const section of ['cpu', 'memory', 'blkio']) delete data[section].psi
    for (const [table, entries] of Object.entries<{ op: string }[]>(data.blkio))
      data.blkio[table] = entries.filter(({ op }) => op !== 'Discard')
    return mode === 'v2' && Object.keys(hugetlb).length === 0 ? { ...data, hugetlb } : data
  }
  // Counters settle when nothing happens.
  let both = { ours: ours(), theirs: theirs() }
  for (let tries = 0; tries < 20 && JSON.stringify(sorted(both.ours)) !== JSON.stringify(sorted(both.theirs)); tries++) {
    await sleep(50)
    both = { ours: ours(), theirs: theirs() }
  }
  t.same(both.ours, both.theirs)
  t.equal(both.ours.memory.usage.limit, 64 << 20)
  box.runc('delete', '--force', id)
})

/** With members in alphabetical order. */
const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, member]) => [name, sorted(member)])
      )
    : value
