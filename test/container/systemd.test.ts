/** --systemd-cgroup: scopes and slices of systemd, for root and for a user. They need systemd as process 1; `npm run test:vm` has it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Config } from '../../src/config/types.ts'
import type { Overrides } from '../config.ts'
import { asRoot, type CallOptions, needs, type Sandbox, sandbox } from '../harness.ts'
import { AS_USER, asUser, booted, cgroupFile, cgroupOf, linger, RUNTIME, run, skipSystemd as skip, skipUser, UID } from '../systemd.ts'

const SLEEP: Overrides<Config> = { process: { args: ['/bin/sleep', '1000'] } }
const MIB = 1 << 20

/** Properties of a unit as `systemctl show` prints them. */
function show(unit: string, ...names: string[]): Record<string, string> {
  const lines = run('systemctl', 'show', unit, ...names.map((name) => `--property=${name}`)).split('\n')
  const found: Record<string, string> = {}
  for (const line of lines) {
    const cut = line.indexOf('=')
    const [name, value] = [line.slice(0, cut), line.slice(cut + 1)]
    found[name] = found[name] === undefined ? value : `${found[name]}\n${value}`
  }
  return found
}

const stateOf = (unit: string): string => show(unit, 'LoadState', 'ActiveState').ActiveState ?? ''

interface State {
  readonly pid: number
  readonly status: string
}

const stateIn = (stdout: string): State => JSON.parse(stdout)

/** Starts a container that sleeps; returns its id, its scope and the scope's cgroup. */
function sleeping(t: Test, box: Sandbox, overrides: Overrides<Config> = {}, options: CallOptions = {}) {
  const id = box.id()
  const bundle = box.bundle({ ...SLEEP, ...overrides })
  const started = box.tsrunWith(options, '--systemd-cgroup', 'run', '--detach', '--bundle', bundle, id)
  t.match(started, { status: 0, stderr: '' }, 'runs')
  const { pid } = stateIn(box.tsrun('state', id).stdout)
  const cgroup = cgroupOf(pid)
  t.teardown(() => void box.tsrun('delete', '--force', id))
  return { id, pid, cgroup, unit: cgroup.slice(cgroup.lastIndexOf('/') + 1) }
}

t.test(
  'without systemd the option is refused, and nothing is left',
  { skip: asRoot || (booted ? 'needs a host without systemd' : false) },
  async (t) => {
    const box = sandbox(t)
    const before = box.snapshot()
    const { status, stderr } = box.tsrun('--systemd-cgroup', 'run', '--bundle', box.bundle(), box.id())
    t.equal(status, 1)
    t.match(stderr, /systemd cgroup flag passed, but systemd support for managing cgroups is not available: .*\/run\/systemd\/system/)
    t.match(stderr, /leave --systemd-cgroup away/)
    t.same(await box.leftovers(before), [])
  }
)

t.test('a scope with the limits of config.json', { skip }, async (t) => {
  const box = sandbox(t)
  // The engine opens descriptors of its own when it first starts a program.
  run('true')
  const before = box.snapshot()
  const resources = {
    memory: { limit: 64 * MIB, swap: 128 * MIB, reservation: 32 * MIB },
    cpu: { shares: 2048, quota: 12_345, period: 100_000, cpus: '0-1' },
    pids: { limit: 30 },
    blockIO: { weight: 1000 },
    unified: { 'memory.high': String(48 * MIB) }
  }
  const { id, cgroup, unit } = sleeping(t, box, { linux: { resources } })
  t.equal(cgroup, `/system.slice/tsrun-${id}.scope`)
  const properties = {
    Slice: 'system.slice',
    Description: `tsrun container ${id}`,
    Delegate: 'yes',
    DefaultDependencies: 'no',
    CPUAccounting: 'yes',
    MemoryAccounting: 'yes',
    TasksAccounting: 'yes',
    IOAccounting: 'yes',
    CollectMode: 'inactive-or-failed',
    MemoryMax: String(64 * MIB),
    MemorySwapMax: String(64 * MIB),
    MemoryLow: String(32 * MIB),
    MemoryHigh: String(48 * MIB),
    CPUWeight: '174',
    CPUQuotaPerSecUSec: '130ms',
    CPUQuotaPeriodUSec: '100ms',
    AllowedCPUs: '0-1',
    TasksMax: '30',
    IOWeight: '10000'
  }
  t.same(show(unit, ...Object.keys(properties)), properties)
  t.equal(cgroupFile(cgroup, 'cpu.max'), '12345 100000', 'what systemd rounds is exact in the file')
  t.equal(cgroupFile(cgroup, 'pids.max'), '30')
  t.equal(cgroupFile(cgroup, 'memory.high'), String(48 * MIB))
  t.match(box.tsrun('delete', '--force', id), { status: 0, stderr: '' })
  t.equal(stateOf(unit), 'inactive')
  t.notOk(existsSync(`/sys/fs/cgroup${cgroup}`))
  t.same(await box.leftovers(before), [])
})

t.test('every command works in a scope', { skip }, async (t) => {
  const box = sandbox(t)
  const { id, cgroup, pid } = sleeping(t, box)
  const child = box.tsrun('exec', id, 'cat', '/proc/self/cgroup')
  t.match(child, { status: 0, stderr: '' })
  t.equal(child.stdout.trim(), `0::${cgroup}`, 'exec is in the scope')
  t.match(box.tsrun('ps', '--format', 'json', id), { status: 0, stdout: `[${pid}]` })
  t.match(box.tsrun('pause', id), { status: 0, stderr: '' })
  t.equal(stateIn(box.tsrun('state', id).stdout).status, 'paused')
  t.match(box.tsrun('resume', id), { status: 0, stderr: '' })
  t.match(box.tsrun('events', '--stats', id), { status: 0, stdout: /"pids":\{"current":1/ })
  t.match(box.tsrun('kill', id, 'KILL'), { status: 0, stderr: '' })
  t.equal(await stopped(box, id), true)
  t.match(box.tsrun('delete', id), { status: 0, stderr: '' })
})

async function stopped(box: Sandbox, id: string): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    if (stateIn(box.tsrun('state', id).stdout).status === 'stopped') return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

t.test('a limit of one process', { skip }, async (t) => {
  const box = sandbox(t)
  const resources = { pids: { limit: 1 }, cpu: { quota: 12_345, period: 100_000 } }
  const { cgroup, unit } = sleeping(t, box, { linux: { resources } })
  t.equal(cgroupFile(cgroup, 'pids.max'), '1')
  t.equal(cgroupFile(cgroup, 'cpu.max'), '12345 100000')
  t.same(show(unit, 'TasksMax'), { TasksMax: '1' })
})

t.test('update tells systemd, and daemon-reload changes nothing', { skip }, async (t) => {
  const box = sandbox(t)
  const { id, cgroup, unit } = sleeping(t, box, { linux: { resources: { memory: { limit: 64 * MIB }, pids: { limit: 30 } } } })
  const args = [
    '--memory',
    '128m',
    '--memory-swap',
    '256m',
    '--pids-limit',
    '20',
    '--cpu-quota',
    '23456',
    '--cpu-share',
    '512',
    '--cpuset-cpus',
    '1'
  ]
  t.match(box.tsrun('update', ...args, id), { status: 0, stderr: '' })
  const properties = {
    MemoryMax: String(128 * MIB),
    MemorySwapMax: String(128 * MIB),
    TasksMax: '20',
    CPUQuotaPerSecUSec: '240ms',
    CPUWeight: '59',
    AllowedCPUs: '1'
  }
  t.same(show(unit, ...Object.keys(properties)), properties)
  const files = ['memory.max', 'memory.swap.max', 'pids.max', 'cpu.max', 'cpu.weight', 'cpuset.cpus']
  const contents = () => files.map((file) => cgroupFile(cgroup, file))
  const before = contents()
  t.same(before, [String(128 * MIB), String(128 * MIB), '20', '23456 100000', '59', '1'])
  run('systemctl', 'daemon-reload')
  t.same(contents(), before)
})

t.test('an update that is refused leaves systemd and the files as they were', { skip }, async (t) => {
  const box = sandbox(t)
  const { id, cgroup, unit } = sleeping(t, box, { linux: { resources: { pids: { limit: 30 } } } })
  const { status, stderr } = box.tsrun('update', '--pids-limit', '20', '--cpuset-cpus', '999', id)
  t.not(status, 0)
  t.match(stderr, /cpuset\.cpus/)
  t.equal(cgroupFile(cgroup, 'pids.max'), '30')
  t.same(show(unit, 'TasksMax', 'AllowedCPUs'), { TasksMax: '30', AllowedCPUs: '' })
})

t.test('device rules survive daemon-reload', { skip }, async (t) => {
  const box = sandbox(t)
  const devices = [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: 11, access: 'w' }
  ] as const
  const nodes = [
    { path: '/dev/kmsg', type: 'c', major: 1, minor: 11, fileMode: 0o666 },
    { path: '/dev/mem', type: 'c', major: 1, minor: 1, fileMode: 0o666 }
  ] as const
  const capabilities = { bounding: ['CAP_SYS_RAWIO'], effective: ['CAP_SYS_RAWIO'], permitted: ['CAP_SYS_RAWIO'] }
  const process = { args: ['/bin/sleep', '1000'], capabilities }
  const { id, unit } = sleeping(t, box, { process, linux: { resources: { devices: [...devices] }, devices: [...nodes] } })
  const { DevicePolicy, DeviceAllow } = show(unit, 'DevicePolicy', 'DeviceAllow')
  t.equal(DevicePolicy, 'strict')
  t.match(DeviceAllow, '/dev/char/1:11 w')
  const script = 'for i in kmsg null mem; do (: >/dev/$i) && echo $i; done'
  const access = () => box.tsrun('exec', id, 'sh', '-c', script)
  const expected = { stdout: 'kmsg\nnull\n', stderr: /mem: Operation not permitted/ }
  t.match(access(), expected)
  for (let times = 0; times < 2; times++) run('systemctl', 'daemon-reload')
  t.match(access(), expected)
})

t.test('where cgroupsPath says', { skip }, async (t) => {
  const box = sandbox(t)
  const name = box.id()
  const slice = `${name.replaceAll('-', '')}.slice`
  const nested = `${slice.slice(0, -'.slice'.length)}-inner.slice`
  t.teardown(() => void run('systemctl', 'stop', slice))
  const at = (cgroupsPath: string) => sleeping(t, box, { linux: { cgroupsPath } }).cgroup
  t.equal(at(`${slice}:pre:${name}`), `/${slice}/pre-${name}.scope`)
  t.equal(at(`${nested}::${name}-b`), `/${slice}/${nested}/${name}-b.scope`)
  t.equal(at(`::${name}-c`), `/system.slice/${name}-c.scope`)
})

t.test('a slice of its own', { skip }, async (t) => {
  const box = sandbox(t)
  const slice = `${box.id().replaceAll('-', '')}.slice`
  t.teardown(() => void run('systemctl', 'stop', slice))
  const { id, cgroup } = sleeping(t, box, { linux: { cgroupsPath: `:x:${slice}`, resources: { pids: { limit: 30 } } } })
  t.equal(cgroup, `/${slice}`)
  t.equal(cgroupFile(cgroup, 'pids.max'), '30')
  t.match(box.tsrun('delete', '--force', id), { status: 0, stderr: '' })
  t.equal(stateOf(slice), 'inactive')
})

t.test('other forms of cgroupsPath are refused before anything is made', { skip }, async (t) => {
  const box = sandbox(t)
  const before = box.snapshot()
  const refusals: Readonly<Record<string, RegExp>> = {
    '/a/b': /expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "\/a\/b" instead/,
    'a--b.slice::x': /invalid slice name: "a--b\.slice"/
  }
  for (const [cgroupsPath, message] of Object.entries(refusals)) {
    const { status, stderr } = box.tsrun('--systemd-cgroup', 'run', '--bundle', box.bundle({ linux: { cgroupsPath } }), box.id())
    t.equal(status, 1)
    t.match(stderr, message)
  }
  t.same(await box.leftovers(before), [])
})

t.test('annotations set properties', { skip }, async (t) => {
  const box = sandbox(t)
  const annotations = {
    'org.systemd.property.TimeoutStopSec': '7.5',
    'org.systemd.property.KillSignal': '37',
    'org.systemd.property.After': "['dbus.service']",
    'org.systemd.property.CollectMode': "'inactive'"
  }
  const { unit } = sleeping(t, box, { annotations })
  t.match(show(unit, 'TimeoutStopUSec', 'KillSignal', 'After', 'CollectMode'), {
    TimeoutStopUSec: '7.500000s',
    KillSignal: '37',
    After: /dbus\.service/,
    CollectMode: 'inactive'
  })
  const wrong = (name: string, value: string) => {
    const bundle = box.bundle({ annotations: { [`org.systemd.property.${name}`]: value } })
    return box.tsrun('--systemd-cgroup', 'run', '--bundle', bundle, box.id()).stderr
  }
  t.match(wrong('TimeoutStopSec', 'soon'), /GVariant.*quoted.*\[\/annotations\/org\.systemd\.property\.TimeoutStopSec\]/)
  t.match(wrong('NoSuchThing', '5'), /NoSuchThing/)
})

t.test('a creation that fails leaves no unit', { skip }, async (t) => {
  const box = sandbox(t)
  const before = box.snapshot()
  const id = box.id()
  const { status } = box.tsrun('--systemd-cgroup', 'create', '--bundle', box.bundle({ process: { args: ['/no/such/command'] } }), id)
  t.not(status, 0)
  t.equal(stateOf(`tsrun-${id}.scope`), 'inactive')
  t.same(await box.leftovers(before), [])
})

t.test('a unit that is in use is not touched', { skip }, async (t) => {
  const box = sandbox(t)
  const { unit, pid } = sleeping(t, box)
  const cgroupsPath = `::${unit.slice(0, -'.scope'.length)}`
  const { status, stderr } = box.tsrun('--systemd-cgroup', 'run', '--bundle', box.bundle({ linux: { cgroupsPath } }), box.id())
  t.equal(status, 1)
  t.match(stderr, /systemd has a unit of this name/)
  t.match(stderr, new RegExp(`systemctl status ${unit}`))
  // What was to be made is undone; the other container lives on.
  t.ok(existsSync(`/proc/${pid}`))
  t.equal(stateOf(unit), 'active')
})

t.test('a failed scope of the same name is no hindrance', { skip: skip || needs({ commands: ['systemd-run'] }) }, async (t) => {
  const box = sandbox(t)
  const id = box.id()
  const unit = `tsrun-${id}.scope`
  const killed = ['--scope', `--unit=${unit}`, '--property=RuntimeMaxSec=1', '--property=TimeoutStopSec=1', 'sleep', '60']
  run('systemd-run', '--quiet', ...killed)
  for (let tries = 0; tries < 50 && stateOf(unit) !== 'failed'; tries++) await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(stateOf(unit), 'failed')
  const { status, stderr } = box.tsrun('--systemd-cgroup', 'run', '--bundle', box.bundle(), id)
  t.match({ status, stderr }, { status: 0, stderr: '' })
  t.not(stateOf(unit), 'failed')
})

t.test('no bus: systemd itself answers root', { skip }, async (t) => {
  const box = sandbox(t)
  const env = { DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nowhere/bus' }
  const { id, cgroup } = sleeping(t, box, {}, { env })
  t.equal(cgroup, `/system.slice/tsrun-${id}.scope`)
  t.match(box.tsrunWith({ env }, 'update', '--pids-limit', '20', id), { status: 0, stderr: '' })
  t.match(box.tsrunWith({ env }, 'delete', '--force', id), { status: 0, stderr: '' })
})

// ---------------------------------------------------------------- a user's containers

/** With limits that systemd delegates to a user. */
const limited = (config: Config): Config => ({
  ...config,
  linux: { ...config.linux, resources: { memory: { limit: 64 * MIB }, pids: { limit: 30 }, cpu: { shares: 2048 } } }
})

t.test('a user without a session is told what to do', { skip: skipUser }, async (t) => {
  const box = sandbox(t)
  const { bundle, call } = asUser(box, limited)
  const { status, stderr } = call({}, '--systemd-cgroup', 'run', '--bundle', bundle, box.id())
  t.equal(status, 1)
  t.match(stderr, `no bus of user ${UID}`)
  t.match(stderr, `loginctl enable-linger ${UID}`)
  t.match(stderr, `unix:path=${RUNTIME}/bus`)
  const asRoot = call({}, '--systemd-cgroup', '--rootless=false', 'run', '--bundle', bundle, box.id())
  t.equal(asRoot.status, 1)
  // The former where polkit is installed.
  t.match(asRoot.stderr, /nteractive authentication required|Permission denied/)
  t.match(asRoot.stderr, /--rootless=true/)
})

t.test('scopes of a user', { skip: skipUser }, async (t) => {
  await linger(true)
  t.teardown(() => linger(false))
  const box = sandbox(t)
  const { bundle, call } = asUser(box, limited)
  const env = { XDG_RUNTIME_DIR: RUNTIME }
  const id = box.id()
  t.match(call(env, '--systemd-cgroup', 'run', '--detach', '--bundle', bundle, id), { status: 0, stderr: '' })
  const { pid } = stateIn(call(env, 'state', id).stdout)
  const cgroup = cgroupOf(pid)
  t.equal(cgroup, `/user.slice/user-${UID}.slice/user@${UID}.service/user.slice/tsrun-${id}.scope`)
  t.equal(cgroupFile(cgroup, 'memory.max'), String(64 * MIB))
  t.equal(cgroupFile(cgroup, 'pids.max'), '30')
  t.equal(call(env, 'exec', id, 'cat', '/proc/self/cgroup').stdout.trim(), `0::${cgroup}`, 'systemd moves what exec starts')
  t.match(call(env, 'update', '--pids-limit', '20', id), { status: 0, stderr: '' })
  t.equal(cgroupFile(cgroup, 'pids.max'), '20')
  t.match(call(env, 'pause', id), { status: 0, stderr: '' })
  t.match(call(env, 'resume', id), { status: 0, stderr: '' })
  t.match(call(env, 'delete', '--force', id), { status: 0, stderr: '' })
  t.notOk(existsSync(`/sys/fs/cgroup${cgroup}`))
})

t.test("root in a user's namespace is that user", { skip: skipUser || needs({ commands: ['unshare'] }) }, async (t) => {
  await linger(true)
  t.teardown(() => linger(false))
  const box = sandbox(t)
  const { bundle } = asUser(box, limited)
  const wrapper = [...AS_USER, 'unshare', '--user', '--map-root-user']
  const env = { XDG_RUNTIME_DIR: RUNTIME }
  const id = box.id()
  const call = (...args: string[]) => box.tsrunWith({ wrapper, env }, ...args)
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'))
  for (const map of [config.linux.uidMappings, config.linux.gidMappings]) map[0].hostID = 0
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config))
  t.match(call('--systemd-cgroup', 'run', '--detach', '--bundle', bundle, id), { status: 0, stderr: '' })
  const { pid } = stateIn(call('state', id).stdout)
  t.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), `/user@${UID}.service/user.slice/tsrun-${id}.scope`)
  t.match(call('delete', '--force', id), { status: 0, stderr: '' })
})
