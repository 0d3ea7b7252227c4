/** What is left behind is seen, and nothing else is touched. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { asRoot, needs, sandbox } from './harness.ts'
import { added, cgroupsOf, mountPoints, processesOf } from './leftovers.ts'

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

t.test('a file that is ended because it takes too long leaves no container', { skip: asRoot }, async (t) => {
  const script = `
    import { sandbox } from ${JSON.stringify(new URL('./harness.js', import.meta.url).href)}
    import { create } from ${JSON.stringify(new URL('../src/index.js', import.meta.url).href)}
    const box = sandbox({ teardown() {} })
    const id = box.id()
    const { pid } = await create({ root: box.root(), id, bundle: box.bundle() })
    console.log(JSON.stringify({ directory: box.directory, id, pid }))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const made = JSON.parse(String(await new Promise((resolve) => child.stdout.once('data', resolve)))) as Record<string, string>
  t.ok(existsSync(`/proc/${made.pid}`) && existsSync(made.directory!), 'it is there')
  child.kill('SIGTERM')
  t.equal(await new Promise((resolve) => child.once('exit', resolve)), 143)
  t.notOk(existsSync(made.directory!))
  t.same(cgroupsOf(made.id!), [])
  // Its parent is the machine's init by now, which reaps it in a moment.
  const status = statusOf(made.pid!)
  t.ok(status === '' || /^State:\s*[ZX]/m.test(status), status)
})

const statusOf = (pid: string): string => (existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/status`, 'latin1') : '')
