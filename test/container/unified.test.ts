/** What is peculiar to cgroup v2, and what users of other runtimes stumble over there; `npm run test:vm` has it. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pause, until } from '../checkpoint.ts'
import { asRoot, needs, type Sandbox, sandbox } from '../harness.ts'
import { asUser, skipUser } from '../systemd.ts'

const ROOT = '/sys/fs/cgroup'
const skip = asRoot || needs({ cgroup: 'v2', controllers: ['pids'] })

/** A cgroup with a process of somebody else's in it. */
async function inhabited(t: Test, box: Sandbox) {
  const name = box.id()
  const directory = join(ROOT, name)
  mkdirSync(directory)
  const resident = spawn('sleep', ['1000'], { stdio: 'ignore' })
  const gone = new Promise((resolve) => resident.once('exit', resolve))
  t.teardown(async () => {
    resident.kill('SIGKILL')
    await gone
    for (let tries = 0; readFileSync(join(directory, 'cgroup.procs'), 'utf8') !== '' && tries < 400; tries++) await pause(10)
    rmdirSync(directory)
  })
  writeFileSync(join(directory, 'cgroup.procs'), String(resident.pid))
  await until(() => / S /.test(readFileSync(`/proc/${resident.pid}/stat`, 'latin1')))
  return { name, directory, pid: resident.pid }
}

t.test('below a cgroup that holds processes there are no limits: the error names them, and what to do', { skip }, async (t) => {
  const box = sandbox(t)
  const { name, directory, pid } = await inhabited(t, box)
  // The engine opens descriptors of its own when it first starts a program, and when it first waits.
  box.tsrun('--version')
  await pause(10)
  const before = box.snapshot()
  const cgroupsPath = `/${name}/below`
  const bundle = box.bundle({ linux: { cgroupsPath, resources: { pids: { limit: 10 } } } })
  const { status, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(status, 1)
  t.match(stderr, `${directory} holds processes (${pid})`)
  t.match(stderr, /hands controllers down only from cgroups without any; move them into a cgroup of their own/)
  t.same(await box.leftovers(before), [])
  const unlimited = box.bundle({ process: { args: ['/bin/cat', '/proc/self/cgroup'] }, linux: { cgroupsPath } })
  t.match(
    box.tsrun('run', '--bundle', unlimited, box.id()),
    { status: 0, stdout: `0::${cgroupsPath}\n`, stderr: '' },
    'without a limit it runs'
  )
  t.equal(readFileSync(join(directory, 'cgroup.subtree_control'), 'utf8'), '', 'and who was there is left alone')
  t.equal(readFileSync(join(directory, 'cgroup.procs'), 'utf8').trim(), String(pid))
})

t.test('a cgroup that may hold no process at all', { skip }, async (t) => {
  const box = sandbox(t)
  const { name, directory } = await inhabited(t, box)
  writeFileSync(join(directory, 'cgroup.subtree_control'), '+pids')
  const before = box.snapshot()
  const bundle = box.bundle({ linux: { cgroupsPath: `/${name}/below` } })
  const { status, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(status, 1)
  t.match(stderr, /operation not supported \(EOPNOTSUPP\): a cgroup above it holds processes and hands controllers down/)
  t.same(await box.leftovers(before), [])
})

t.test('a cgroup that hands controllers down', { skip }, async (t) => {
  const box = sandbox(t)
  const name = box.id()
  const directory = join(ROOT, name)
  mkdirSync(join(directory, 'child'), { recursive: true })
  t.teardown(() => {
    for (const path of [join(directory, 'child'), directory]) rmdirSync(path)
  })
  writeFileSync(join(directory, 'cgroup.subtree_control'), '+memory')
  const before = box.snapshot()
  const { status, stderr } = box.tsrun('run', '--bundle', box.bundle({ linux: { cgroupsPath: `/${name}` } }), box.id())
  t.equal(status, 1)
  t.match(stderr, /\(EBUSY\): the cgroup hands controllers down to cgroups below it, and so may hold no processes/)
  t.same(await box.leftovers(before), [])
})

t.test(
  'limits that an ordinary user cannot set: a warning with the controllers and the line that delegates them',
  { skip: skipUser },
  async (t) => {
    const box = sandbox(t)
    const { bundle, call } = asUser(box, (config) => ({
      ...config,
      process: { ...config.process!, args: ['/bin/echo', 'runs'] },
      linux: { ...config.linux, resources: { memory: { limit: 64 << 20 }, pids: { limit: 30 } } }
    }))
    chmodSync(box.directory, 0o755)
    const { status, stdout, stderr } = call({}, 'run', '--bundle', bundle, box.id())
    t.match({ status, stdout }, { status: 0, stdout: 'runs\n' }, stderr)
    for (const limit of ['memory', 'pids']) t.match(stderr, new RegExp(`resource limits are not applied.*/linux/resources/${limit}/limit`))
    const line =
      /put "Delegate=(memory pids|pids memory)" into the section \[Service\] of \/etc\/systemd\/system\/user@\.service\.d\/delegate\.conf/
    t.match(stderr, line)
  }
)
