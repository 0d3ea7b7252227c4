/** What is left behind is seen, and nothing else is touched. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { asRoot, needs, sandbox } from './harness.ts'
import { added, cgroupsOf, mountPoints, processesOf } from './leftovers.ts'
import { removeSandboxesOf } from './remove.ts'

t.test('a leftover is seen, whatever it is', { skip: needs({ containers: true, ownCgroup: true }) }, async (t) => {
  const box = sandbox(t)
  const before = box.snapshot()
  const id = box.id()
  const hierarchy = mountPoints().find(({ type }) => type === 'cgroup' || type === 'cgroup2')?.point ?? ''
  mkdirSync(join(hierarchy, id))
  mkdirSync(box.root(), { recursive: true })
  writeFileSync(join(box.root(), 'left'), '')
  const descriptor = openSync('/dev/null', 'r')
  const child = spawn('/bin/sleep', ['60'], { env: { TSRUN_TEST: box.directory }, stdio: 'ignore' })
  const found = (await box.leftovers(before)).map((line) => line.split(' ')[0])
  child.kill('SIGKILL')
  closeSync(descriptor)
  rmdirSync(join(hierarchy, id))
  for (const kind of ['process', 'cgroup', 'descriptor', 'state']) t.ok(found.includes(kind), kind)
  t.same(added(new Set(['mount / (ext4)']), new Set(['mount / (ext4)', 'mount /x (tmpfs)'])), ['mount /x (tmpfs)'])
})

t.test('a process that only mentions the sandbox is not taken for its own', async (t) => {
  const box = sandbox(t)
  const prefix = basename(box.directory)
  const child = spawn('/bin/sh', ['-c', 'sleep 60', box.directory], {
    env: { MENTION: box.directory },
    cwd: box.directory,
    stdio: 'ignore'
  })
  t.notOk(processesOf({ directory: box.directory, prefix, roots: [] }).includes(child.pid ?? 0))
  child.kill('SIGKILL')
})

/** A test file with a created container; `then` is what it does from then on. */
async function fileWith(then: string, env: Readonly<Record<string, string>> = {}) {
  const script = `
    import { sandbox } from ${JSON.stringify(new URL('./harness.js', import.meta.url).href)}
    import { create } from ${JSON.stringify(new URL('../src/index.js', import.meta.url).href)}
    const box = sandbox({ teardown() {} })
    const id = box.id()
    const { pid } = await create({ root: box.root(), id, bundle: box.bundle() })
    console.log(JSON.stringify({ directory: box.directory, id, pid }))
    ${then}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env }
  })
  const made = JSON.parse(String(await new Promise((resolve) => child.stdout.once('data', resolve)))) as Record<string, string>
  return { directory: made.directory!, id: made.id!, pid: made.pid!, child, ended: new Promise((resolve) => child.once('exit', resolve)) }
}

t.test('a file that is ended because it takes too long leaves no container', { skip: asRoot }, async (t) => {
  const { directory, id, pid, child, ended } = await fileWith('setInterval(() => {}, 1000)')
  t.ok(existsSync(`/proc/${pid}`) && existsSync(directory), 'it is there')
  child.kill('SIGTERM')
  t.equal(await ended, 143)
  t.notOk(existsSync(directory))
  t.same(cgroupsOf(id), [])
  // Its parent is the machine's init by now, which reaps it in a moment.
  const status = statusOf(pid)
  t.ok(status === '' || /^State:\s*[ZX]/m.test(status), status)
})

t.test('nor does one that is killed, once its sandboxes have been removed', { skip: asRoot }, async (t) => {
  const mark = `killed${process.pid}`
  const forever = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'
  const { directory, id, pid, child, ended } = await fileWith(forever, { TSRUN_TEST_FILE: mark })
  child.kill('SIGTERM')
  t.equal(await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 300, 'busy'))]), 'busy', 'it does not heed SIGTERM')
  child.kill('SIGKILL')
  await ended
  t.ok(existsSync(directory) && cgroupsOf(id).length > 0, 'all is there')
  removeSandboxesOf(mark)
  t.notOk(existsSync(directory))
  t.same(cgroupsOf(id), [])
  const status = statusOf(pid)
  t.ok(status === '' || /^State:\s*[ZX]/m.test(status), status)
})

const statusOf = (pid: string): string => (existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/status`, 'latin1') : '')
