/** The functions of this folder on the host's own cgroups. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { attachDeviceProgram } from './bpf.ts'
import { deviceProgram } from './device-program.ts'
import { deviceRules } from './devices.ts'
import {
  applyResources,
  type CgroupLocation,
  cgroupLayout,
  createCgroup,
  freeze,
  isFrozen,
  killAll,
  locate,
  processes,
  removeCgroup,
  thaw
} from './index.ts'
import { until } from './wait.ts'

const { mode, hierarchies } = cgroupLayout()
const parent = `/tsrun-test-${process.pid}`
const unified = hierarchies.find(({ version }) => version === 2)
const root = process.geteuid?.() !== 0 ? 'needs root' : mode === 'none' ? 'needs cgroups' : false
const has = (controller: string): boolean =>
  mode === 'v2'
    ? readFileSync(`${unified?.mountpoint}/cgroup.controllers`, 'utf8').split(/\s/).includes(controller)
    : hierarchies.some(({ controllers }) => controllers.includes(controller))
const without = (...controllers: string[]): string | false =>
  root || (controllers.every(has) ? false : `needs the controllers ${controllers}`)

let count = 0
/** A place for a cgroup that the test leaves empty. */
function place(t: Test): CgroupLocation {
  const location = locate(`${parent}/${count++}`, 'unused', { rootless: false })
  t.teardown(() => {
    killAll(location, 9)
    removeCgroup(location)
  })
  return location
}

const read = (directory: string | undefined, file: string): string => readFileSync(`${directory}/${file}`, 'utf8').trim()
const limit = ({ paths }: CgroupLocation, controller: string, v1: string, v2: string): string =>
  mode === 'v2' ? read(paths[''], v2) : read(paths[controller], v1)
const gone = ({ paths }: CgroupLocation): boolean => !Object.values(paths).some((directory) => existsSync(directory))

/** Starts a shell that joins as the container's program does, and then runs `script`. Returns once it has joined. */
function join(t: Test, { joins, location }: ReturnType<typeof createCgroup>, script: string): ChildProcess {
  const entering = joins.map(({ directory, file }) => `echo 0 > ${directory}/${file}`).join(' && ')
  const child = spawn('/bin/sh', ['-c', `${entering} && ${script}`], { stdio: 'ignore' })
  const joined = () => joins.every(({ directory }) => read(directory, 'cgroup.procs').split('\n').includes(String(child.pid)))
  t.ok(until(5000, joined), 'joined')
  t.ok(processes(location).includes(child.pid as number))
  return child
}

/** What a shell in these cgroups says on stderr. */
function run(directories: readonly string[], script: string): string {
  const entering = directories.map((directory) => `echo 0 > ${directory}/cgroup.procs`).join(' && ')
  return spawnSync('/bin/sh', ['-c', `${entering} && ${script}`], { encoding: 'utf8' }).stderr
}

t.teardown(() => {
  for (const { mountpoint } of hierarchies) if (existsSync(mountpoint + parent)) rmdirSync(mountpoint + parent)
})

t.test('made, joined, and removed', { skip: root }, async (t) => {
  const location = place(t)
  const created = createCgroup(location, undefined, undefined)
  t.same(created.location, location)
  const child = join(t, created, 'exec sleep 1000')
  t.same(processes(location), [child.pid])
  killAll(location, 9)
  t.same(processes(location), [])
  removeCgroup(location)
  t.ok(gone(location))
  t.doesNotThrow(() => removeCgroup(location), 'once more is fine')
})

t.test('limits arrive', { skip: without('memory', 'pids', 'cpu') }, async (t) => {
  const location = place(t)
  const memory = { limit: 64 << 20, swap: 96 << 20, reservation: 32 << 20 }
  createCgroup(location, { memory, pids: { limit: 17 }, cpu: { shares: 512, quota: 50000, period: 100000 } }, undefined)
  t.equal(limit(location, 'memory', 'memory.limit_in_bytes', 'memory.max'), String(64 << 20))
  t.equal(limit(location, 'memory', 'memory.memsw.limit_in_bytes', 'memory.swap.max'), String((mode === 'v2' ? 32 : 96) << 20))
  t.equal(limit(location, 'memory', 'memory.soft_limit_in_bytes', 'memory.low'), String(32 << 20))
  t.equal(limit(location, 'pids', 'pids.max', 'pids.max'), '17')
  t.equal(limit(location, 'cpu', 'cpu.shares', 'cpu.weight'), mode === 'v2' ? '59' : '512')
  t.equal(limit(location, 'cpu', 'cpu.cfs_quota_us', 'cpu.max'), mode === 'v2' ? '50000 100000' : '50000')
})

t.test('CPUs and memory nodes arrive, and are inherited by default', { skip: without('cpuset') }, async (t) => {
  const location = place(t)
  createCgroup(location, { cpu: { cpus: '0' } }, undefined)
  t.equal(limit(location, 'cpuset', 'cpuset.cpus', 'cpuset.cpus'), '0')
  t.equal(limit(location, 'cpuset', 'cpuset.mems', 'cpuset.mems.effective'), '0')
})

t.test('memory limits go up and down again', { skip: without('memory') }, async (t) => {
  const location = place(t)
  createCgroup(location, { memory: { limit: 64 << 20, swap: 64 << 20 } }, undefined)
  for (const [bytes, swap] of [
    [256 << 20, 512 << 20],
    [32 << 20, 40 << 20],
    [-1, -1],
    [16 << 20, 16 << 20]
  ] as const) {
    applyResources(location, { memory: { limit: bytes, swap } }, undefined)
    if (bytes > 0) t.equal(limit(location, 'memory', 'memory.limit_in_bytes', 'memory.max'), String(bytes))
  }
})

t.test('quota, period and burst change in any order', { skip: without('cpu') }, async (t) => {
  const location = place(t)
  createCgroup(location, { cpu: { quota: 20000, period: 100000, burst: 10000 } }, undefined)
  applyResources(location, { cpu: { quota: 500000, period: 1000000, burst: 400000 } }, undefined)
  t.equal(limit(location, 'cpu', 'cpu.cfs_burst_us', 'cpu.max.burst'), '400000')
  applyResources(location, { cpu: { quota: 5000, period: 10000, burst: 1000 } }, undefined)
  t.equal(limit(location, 'cpu', 'cpu.cfs_burst_us', 'cpu.max.burst'), '1000')
})

t.test(
  'a refused limit names file, value, errno and field, and leaves nothing',
  { skip: without(mode === 'v2' ? 'io' : 'blkio') },
  async (t) => {
    const location = locate(`${parent}-refused/a/b`, 'unused', { rootless: false })
    t.throws(() => createCgroup(location, { blockIO: { throttleReadBpsDevice: [{ major: 999, minor: 9, rate: 5 }] } }, undefined), {
      code: 'cgroup',
      pointer: '/linux/resources/blockIO/throttleReadBpsDevice/0',
      errno: 'ENODEV',
      message: /cannot write "999:9 .*5" to \/.*: no such device \(ENODEV\) \[\/linux\/resources\/blockIO\/throttleReadBpsDevice\/0\]$/
    })
    t.notOk(
      hierarchies.some(({ mountpoint }) => existsSync(`${mountpoint}${parent}-refused`)),
      'no parent remains'
    )
  }
)

t.test('a limit of a controller that is not there', { skip: root || (has('rdma') ? 'this host has rdma' : false) }, async (t) => {
  const location = locate(`${parent}/rdma`, 'unused', { rootless: false })
  t.throws(() => createCgroup(location, { rdma: { mlx5_0: { hcaHandles: 1 } } }, undefined), {
    code: 'cgroup',
    pointer: '/linux/resources/rdma/mlx5_0'
  })
  t.ok(gone(location))
})

t.test(
  'v2: below a cgroup with processes there are no controllers, and the error names them',
  { skip: mode === 'v2' ? without('memory') : 'needs v2' },
  async (t) => {
    const outer = place(t)
    const child = join(t, createCgroup(outer, undefined, undefined), 'exec sleep 1000')
    const inner = locate(`${parent}/${count - 1}/inner`, 'unused', { rootless: false })
    t.throws(() => createCgroup(inner, { memory: { limit: 1 << 20 } }, undefined), {
      code: 'cgroup',
      pointer: '/linux/resources/memory/limit',
      errno: 'ENOENT',
      message: new RegExp(`"memory" is not enabled .*/${count - 1} holds processes \\(${child.pid}\\)`)
    })
    t.ok(gone(inner))
  }
)

t.test('a cgroup with processes is not taken over', { skip: root }, async (t) => {
  const location = place(t)
  const child = join(t, createCgroup(location, undefined, undefined), 'exec sleep 1000')
  t.throws(() => createCgroup(location, undefined, undefined), { code: 'cgroup', message: new RegExp(`1 process.*${child.pid}`) })
  t.same(processes(location), [child.pid], 'and not harmed')
})

t.test('an undo removes what was made, and only that', { skip: root }, async (t) => {
  const location = place(t)
  createCgroup(location, undefined, undefined)
  const below = locate(`${parent}/${count - 1}/x/y`, 'unused', { rootless: false })
  const { undo } = createCgroup(below, undefined, undefined)
  undo()
  undo()
  t.ok(gone(below))
  t.notOk(gone(location))
})

t.test('devices are denied for real', { skip: root }, async (t) => {
  const location = place(t)
  createCgroup(location, { devices: [{ allow: false, access: 'rwm' }] }, undefined)
  const inside = [...new Set(Object.values(location.paths))]
  t.equal(run(inside, 'head -c1 /dev/zero > /dev/null'), '')
  t.match(run(inside, ': > /dev/kmsg'), /not permitted/)
  applyResources(location, { devices: [{ allow: true, type: 'c', major: 1, minor: 11, access: 'w' }] }, undefined)
  t.equal(run(inside, ': > /dev/kmsg'), '')
  t.match(run(inside, ': < /dev/kmsg'), /not permitted/)
  applyResources(location, { devices: [] }, undefined)
  t.match(run(inside, ': > /dev/kmsg'), /not permitted/)
})

t.test('the device program in the kernel', { skip: root || (unified === undefined ? 'needs a cgroup2 mount' : false) }, async (t) => {
  const directory = `${unified?.mountpoint}${parent}-bpf`
  mkdirSync(directory)
  t.teardown(() => rmdirSync(directory))
  const attach = (rules: Parameters<typeof deviceRules>[0], fresh: boolean) =>
    attachDeviceProgram(directory, deviceProgram(deviceRules(rules)), fresh)
  attach([], true)
  t.equal(run([directory], 'head -c1 /dev/zero > /dev/null'), '')
  t.match(run([directory], ': > /dev/kmsg'), /not permitted/)
  // The accesses of one open may come from two rules.
  const two = [
    { allow: true, type: 'c', major: 1, access: 'w' },
    { allow: true, type: 'c', major: 1, minor: 11, access: 'r' }
  ] as const
  attach(two, false)
  t.equal(run([directory], ': <> /dev/kmsg'), '')
  attach([...two, { allow: false, type: 'c', major: 1, access: 'w' }], false)
  t.equal(run([directory], ': < /dev/kmsg'), '')
  t.match(run([directory], ': <> /dev/kmsg'), /not permitted/)
  attach([{ allow: true }, { allow: false, type: 'c', major: 1, minor: 11, access: 'm' }], false)
  t.equal(run([directory], ': <> /dev/kmsg'), '')
})

t.test('frozen and thawed', { skip: root }, async (t) => {
  const location = place(t)
  const child = join(t, createCgroup(location, undefined, undefined), 'while :; do :; done')
  const ticks = () => Number(readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(' ')[13])
  t.equal(isFrozen(location), false)
  freeze(location)
  t.equal(isFrozen(location), true)
  const before = ticks()
  until(100, () => false)
  t.equal(ticks(), before, 'does not run')
  thaw(location)
  t.equal(isFrozen(location), false)
  t.ok(
    until(3000, () => ticks() > before),
    'runs again'
  )
  freeze(location)
  killAll(location, 9)
  t.same(processes(location), [], 'a frozen one can be killed')
})

const parts: Record<string, (location: CgroupLocation) => CgroupLocation> = {
  'with all that the host has': (location) => location,
  'without cgroup.kill': ({ paths: { '': _, ...paths }, ...location }) => ({ ...location, paths })
}
for (const [title, part] of Object.entries(parts)) {
  const skip = root || (mode === 'v2' && title === 'without cgroup.kill' ? 'needs v1' : false)
  t.test(`what forks all the time is killed, ${title}`, { skip }, async (t) => {
    const location = place(t)
    const created = createCgroup(location, { pids: { limit: 60 } }, undefined)
    const sub = `${Object.values(location.paths)[0]}/sub`
    join(t, created, `mkdir ${sub}; while :; do sleep 0.01 & sleep 0.02; done`)
    until(50, () => existsSync(sub))
    killAll(part(location), 9)
    t.same(processes(location), [])
    removeCgroup(location)
    t.ok(gone(location), 'with the cgroup that was made inside')
  })
}

t.test('other signals reach everybody once', { skip: root }, async (t) => {
  const location = place(t)
  const child = join(t, createCgroup(location, undefined, undefined), 'trap "exit 7" TERM; sleep 1000 & wait')
  const status = new Promise((resolve) => child.on('exit', resolve))
  until(1000, () => processes(location).length === 2)
  killAll(location, 15)
  t.equal(await status, 7)
  t.ok(until(1000, () => processes(location).length === 0))
})

t.test('a removal that fails names who is there', { skip: root }, async (t) => {
  const location = place(t)
  const child = join(t, createCgroup(location, undefined, undefined), 'exec sleep 1000')
  until(1000, () => readFileSync(`/proc/${child.pid}/comm`, 'utf8') === 'sleep\n')
  t.throws(() => removeCgroup(location, 20), {
    code: 'cgroup',
    errno: 'EBUSY',
    message: new RegExp(`process ${child.pid} \\(sleep\\) in state [SR]`)
  })
})

t.test('without rights a rootless container does without cgroups', { skip: root }, async (t) => {
  const script = `
    import { createCgroup, locate } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)}
    const logged = []
    const { location, joins } = createCgroup(locate('${parent}-rootless', 'x', { rootless: true }), { pids: { limit: 5 } }, (...line) => logged.push(line))
    console.log(JSON.stringify({ paths: location.paths, joins, logged }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    uid: 65534,
    gid: 65534
  })
  if (/EACCES|ERR_MODULE_NOT_FOUND/.test(stderr)) return t.pass('skipped: other users cannot read the build')
  const { paths, joins, logged } = JSON.parse(stdout || '{}')
  t.same([paths, joins], [{}, []], stderr)
  t.match(logged, [['warning', /Delegate=pids/]])
})

t.test('a cgroup that was there before stays, and what was made goes', { skip: root }, async (t) => {
  const location = locate(`${parent}/${count++}`, 'unused', { rootless: false })
  const [before, ...others] = [...new Set(Object.values(location.paths))]
  mkdirSync(before!, { recursive: true })
  t.teardown(() => rmdirSync(before!))
  const made = createCgroup(location, undefined, undefined)
  t.same(made.location.existing, [before])
  t.ok(others.every((directory) => existsSync(directory)))
  removeCgroup(made.location)
  t.ok(existsSync(before!))
  t.notOk(others.some((directory) => existsSync(directory)))
})
