/** SIGKILL at any moment: what is left can be removed, and no half-made container executes its command. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Sandbox, sandbox, tsrunPath, unable } from '../harness.ts'
import type { Snapshot } from '../leftovers.ts'
import { type Hostile, prepare, volume } from './attack.ts'

/** Runs a command and kills it after `ms`; undefined when it was faster, else true. */
function killedAfter(box: Sandbox, ms: number, ...args: string[]): Promise<boolean> {
  const child = spawn(tsrunPath(), ['--root', box.root(), ...args], {
    stdio: 'ignore',
    env: { PATH: process.env.PATH, TSRUN_TEST: box.directory }
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), ms)
  return new Promise((resolve) =>
    child.on('exit', (_, signal) => {
      clearTimeout(timer)
      resolve(signal === 'SIGKILL')
    })
  )
}

async function timeOf(action: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await action()
  return performance.now() - begun
}

/** A process that was killed with the runtime between fork and execve holds the lock for a moment longer. */
function settled(box: Sandbox, id: string): string {
  let status = 'creating'
  for (let i = 0; i < 50 && status === 'creating'; i++) {
    const { status: found, stdout } = box.tsrun('state', id)
    status = found === 0 ? JSON.parse(stdout).status : 'nothing'
  }
  return status
}

/** The end of a pid namespace waits until all in it are reaped, by the host's init in the end, which may take its time. */
async function leftAfterAWhile(box: Sandbox, before: Snapshot): Promise<string[]> {
  let left = await box.leftovers(before)
  for (let i = 0; i < 10 && left.length > 0; i++) left = await box.leftovers(before)
  return left
}

interface Scene {
  readonly box: Sandbox
  readonly hostile: Hostile
  /** The command makes a file of its id here. */
  readonly marks: string
}

function scene(box: Sandbox, hooks: boolean): Scene {
  const marks = join(box.directory, 'marks')
  mkdirSync(marks)
  const hook = [{ path: '/bin/sleep', args: ['sleep', '0.01'] }]
  const config = { hooks: hooks ? { createRuntime: hook, createContainer: hook } : {} }
  return {
    box,
    marks,
    hostile: prepare(box, { script: 'touch /marks/$(hostname); exec sleep 1000', mounts: [volume(marks, '/marks')], config })
  }
}

for (const hooks of [false, true]) {
  t.test(`create, ${hooks ? 'with hooks' : 'without hooks'}`, { skip: unable, timeout: 60_000 }, async (t) => {
    using box = sandbox(t)
    const { hostile, marks } = scene(box, hooks)
    const whole = await timeOf(() => killedAfter(box, 20_000, 'create', '--bundle', hostile.bundle, hostile.id))
    box.tsrun('delete', '--force', hostile.id)
    const before = box.snapshot()
    const end = performance.now() + 12_000
    const seen: Record<string, number> = {}
    for (let i = 0; i < 50 && performance.now() < end; i++) {
      const id = box.id()
      // From before the first thing that is made until after the last, and never the same moment twice.
      const killed = await killedAfter(box, whole * (0.05 + ((i * 0.618) % 1)), 'create', '--bundle', hostile.bundle, id)
      const status = settled(box, id)
      seen[killed ? status : 'not killed'] = (seen[killed ? status : 'not killed'] ?? 0) + 1
      if (!['nothing', 'stopped', 'created'].includes(status)) t.fail(`${id} is ${status}`)
      const removed = box.tsrun('delete', '--force', id)
      if (removed.status !== 0) t.fail(`delete --force: ${removed.stderr}`)
    }
    t.comment(JSON.stringify(seen))
    t.same(readdirSync(marks), [], 'no command was executed')
    t.same(await leftAfterAWhile(box, before), [])
  })
}

t.test(
  'run --detach: the command is executed for a container that is known, or not at all',
  { skip: unable, timeout: 60_000 },
  async (t) => {
    using box = sandbox(t)
    const { hostile, marks } = scene(box, false)
    const whole = await timeOf(() => killedAfter(box, 20_000, 'run', '--detach', '--bundle', hostile.bundle, hostile.id))
    box.tsrun('delete', '--force', hostile.id)
    const before = box.snapshot()
    const end = performance.now() + 8000
    for (let i = 0; i < 25 && performance.now() < end; i++) {
      const id = box.id()
      await killedAfter(box, whole * (0.3 + 0.9 * ((i * 0.618) % 1)), 'run', '--detach', '--bundle', hostile.bundle, id)
      if (readdirSync(marks).includes(id) && !existsSync(join(box.root(), id, 'state.json'))) t.fail(`${id} runs, and nobody knows`)
      if (box.tsrun('delete', '--force', id).status !== 0) t.fail('delete --force')
      const left = await box.leftovers(before)
      if (left.length > 0) t.same(left, [])
    }
    t.same(await leftAfterAWhile(box, before), [])
  }
)

t.test('start and delete that are killed can be repeated', { skip: unable, timeout: 60_000 }, async (t) => {
  using box = sandbox(t)
  const { hostile } = scene(box, false)
  const before = box.snapshot()
  const end = performance.now() + 6000
  for (let i = 0; i < 10 && performance.now() < end; i++) {
    const id = box.id()
    box.tsrun('create', '--bundle', hostile.bundle, id)
    await killedAfter(box, 5 + 5 * i, 'start', id)
    const { stdout } = box.tsrun('state', id)
    if (!/"(?:created|running)"/.test(stdout)) t.fail(stdout)
    await killedAfter(box, 5 + 5 * i, 'delete', '--force', id)
    if (box.tsrun('delete', '--force', id).status !== 0) t.fail('delete --force')
  }
  t.same(await leftAfterAWhile(box, before), [])
})
