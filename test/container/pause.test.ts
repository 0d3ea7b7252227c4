/** pause and resume, on the host's own freezer. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { create, deleteContainer, kill, pause, resume, start, state } from '../../src/index.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'
import { user } from '../user.ts'

const skip = needs({ containers: true, ownCgroup: true })
const SIGKILL = 9

/** Counts in a file, so that one sees whether it runs. */
const COUNTING = { process: { args: ['/bin/sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.01; done'] } }

function prepare(box: Sandbox) {
  const bundle = box.bundle({ ...COUNTING, root: { readonly: false } })
  const id = box.id()
  const options = { root: box.root() }
  return { id, options, all: { ...options, id, bundle }, count: () => Number(readFileSync(join(bundle, 'rootfs/tmp/count'), 'utf8') || 0) }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function eventually(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let i = 0; i < 300; i++) {
    if (await condition()) return true
    await sleep(10)
  }
  return false
}

const grown = (count: () => number, from: number) => () => {
  try {
    return count() > from
  } catch {
    return false
  }
}

t.test('a paused container stands still, and goes on', { skip }, async (t) => {
  using box = sandbox(t)
  const { id, options, all, count } = prepare(box)
  const before = box.snapshot()
  await create(all)
  await start(id, options)
  t.ok(await eventually(grown(count, 1)))

  await pause(id, options)
  t.equal((await state(id, options)).status, 'paused')
  const still = count()
  await sleep(100)
  t.equal(count(), still)
  await t.rejects(pause(id, options), { code: 'not-running', message: /^container not running$/ }, 'not twice')
  await t.rejects(start(id, options), { message: /^cannot start a container in the paused state$/ })

  await resume(id, options)
  t.equal((await state(id, options)).status, 'running')
  t.ok(await eventually(grown(count, still)))
  await t.rejects(resume(id, options), { code: 'bad-state', message: /^container not paused$/ })

  await deleteContainer(id, { ...options, force: true })
  t.same(await box.leftovers(before), [])
})

t.test('a created container is paused, resumed and started', { skip }, async (t) => {
  using box = sandbox(t)
  const { id, options, all, count } = prepare(box)
  await create(all)
  await pause(id, options)
  t.equal((await state(id, options)).status, 'paused')
  await resume(id, options)
  t.equal((await state(id, options)).status, 'created')
  await start(id, options)
  t.ok(await eventually(grown(count, 1)))
})

t.test('a paused container is killed, and deleted by force', { skip }, async (t) => {
  using box = sandbox(t)
  const first = prepare(box)
  await create(first.all)
  await start(first.id, first.options)
  await pause(first.id, first.options)
  await kill(first.id, SIGKILL, first.options)
  t.ok(await eventually(async () => (await state(first.id, first.options)).status === 'stopped'))
  await t.rejects(pause(first.id, first.options), { code: 'not-running' })
  await t.rejects(resume(first.id, first.options), { message: /^container not paused$/ })
  await deleteContainer(first.id, first.options)

  const second = prepare(box)
  await create(second.all)
  await pause(second.id, second.options)
  await deleteContainer(second.id, { ...second.options, force: true })
  await t.rejects(state(second.id, second.options), { code: 'not-found' })
})

t.test('no such container', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const options = { root: box.root() }
  await t.rejects(pause(box.id(), options), { code: 'not-found', message: /^container does not exist/ })
  await t.rejects(resume(box.id(), options), { code: 'not-found', message: /^container does not exist/ })
  await t.rejects(pause('a/b', options), { code: 'invalid-id' })
})

t.test('the commands say what runc says', { skip: skip || needs({ commands: ['runc'] }) }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle({ process: { args: ['/bin/sleep', '1000'] } })
  for (const side of ['runc', 'tsrun'] as const) {
    const id = box.id()
    // runc doubts that an ordinary user may do that, and does it.
    const stderr = user && side === 'runc' ? /^(time=.* level=warning .*\n)?$/ : ''
    box[side]('create', '--bundle', bundle, id)
    t.match(box[side]('resume', id), { status: 1, stdout: '', stderr: /container not paused/ }, side)
    t.match(box[side]('pause', id), { status: 0, stdout: '', stderr }, side)
    t.match(box[side]('state', id), { stdout: /"status": "paused"/ }, side)
    t.match(box[side]('pause', id), { status: 1, stderr: /container not running/ }, side)
    t.match(box[side]('resume', id), { status: 0, stdout: '', stderr }, side)
    box[side]('delete', '--force', id)
  }
})
