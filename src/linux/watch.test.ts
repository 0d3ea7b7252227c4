import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { POLLIN } from './constants.ts'
import { eventfd, signalEvent, takeEvents } from './eventfd.ts'
import { untilReady } from './watch.ts'

const readable = ({ fd }: { fd: number }) => ({ fd, events: POLLIN })
const descriptors = (): number => readdirSync('/proc/self/fd').length

t.test('a counter counts until it is read', async (t) => {
  using counter = eventfd()
  t.equal(takeEvents(counter.fd), 0)
  signalEvent(counter.fd)
  signalEvent(counter.fd)
  t.equal(takeEvents(counter.fd), 2)
  t.equal(takeEvents(counter.fd), 0)
})

t.test('the caller whose descriptor is ready returns, and no other', async (t) => {
  const before = descriptors()
  const counters = Array.from({ length: 10 }, eventfd)
  const returned: number[] = []
  const waits = counters.map(async (counter, index) => {
    const events = await untilReady([readable(counter)], 10_000)
    t.same(events, [POLLIN])
    returned.push(index)
  })
  for (const index of [3, 7, 0]) {
    signalEvent(counters[index]!.fd)
    await waits[index]
  }
  t.same(returned, [3, 7, 0])
  for (const counter of counters) signalEvent(counter.fd)
  await Promise.all(waits)
  for (const counter of counters) counter[Symbol.dispose]()
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(descriptors(), before)
})

t.test('many waits take one thread', async (t) => {
  const threads = (): number => Number(/^Threads:\s*(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  using counter = eventfd()
  const blocked = Array.from({ length: 50 }, () => untilReady([readable(counter)], 10_000))
  await new Promise((resolve) => readdirSyncLater(resolve))
  t.ok(threads() < 40, `${threads()} threads`)
  signalEvent(counter.fd)
  await Promise.all(blocked)
})

/** Takes a thread of the pool: would not come to an end if all were waiting. */
const readdirSyncLater = (done: (value: unknown) => void): void => void import('node:fs').then(({ readdir }) => readdir('/', done))

t.test('time-outs, and signals', async (t) => {
  using counter = eventfd()
  using other = eventfd()
  const fds = [readable(counter), readable(other)]
  t.same(await untilReady(fds, 0), [0, 0])
  t.same(await untilReady(fds, 20), [0, 0])
  t.same(await untilReady(fds, 10_000, AbortSignal.abort()), [0, 0])
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 20)
  t.same(await untilReady(fds, 1e12, stop.signal), [0, 0])
  signalEvent(other.fd)
  t.same(await untilReady(fds, 10_000), [0, POLLIN])
})
