/** tsrun beside runc under the same systemd, and as a service of it. They need systemd as process 1; `npm run test:vm` has it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { SOCK_DGRAM } from '../../src/abi/socket.ts'
import type { Config } from '../../src/config/types.ts'
import { connectUnix, writeAll } from '../../src/linux/socket.ts'
import type { Overrides } from '../config.ts'
import { asRoot, needs, type Result, type Sandbox, sandbox, tsrunPath } from '../harness.ts'

t.setTimeout(120_000)

const booted = existsSync('/run/systemd/system')
const skip = asRoot || (booted ? needs({ cgroup: 'v2', commands: ['systemctl'] }) : 'needs systemd as process 1')
const MIB = 1 << 20

function run(command: string, ...args: string[]): string {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 })
  if (error) throw error
  return `${stdout}${stderr}`.trim()
}

/** What systemd and the kernel know of a container's limits. */
const PROPERTIES = [
  ...['Slice', 'Delegate', 'DefaultDependencies', 'CPUAccounting', 'MemoryAccounting', 'TasksAccounting', 'IOAccounting'],
  ...['MemoryMax', 'MemorySwapMax', 'MemoryLow', 'MemoryHigh', 'CPUWeight', 'CPUQuotaPerSecUSec', 'CPUQuotaPeriodUSec'],
  ...['AllowedCPUs', 'TasksMax', 'IOWeight', 'DevicePolicy']
]
const FILES = [
  ...['memory.max', 'memory.swap.max', 'memory.low', 'memory.high', 'cpu.weight', 'cpu.max', 'cpuset.cpus', 'pids.max'],
  'cgroup.type'
]

function seen(unit: string): Record<string, unknown> {
  const lines = run('systemctl', 'show', unit, ...PROPERTIES.map((name) => `--property=${name}`)).split('\n')
  // By number or by name (/proc/devices), it is the same.
  const allowed = run('systemctl', 'show', unit, '--property=DeviceAllow').replace('char-pts', 'char-136').split('\n').sort()
  const directory = join('/sys/fs/cgroup', run('systemctl', 'show', '--value', '--property=ControlGroup', unit))
  const files = FILES.map((file) => `${file}: ${readFileSync(join(directory, file), 'utf8').trim()}`)
  return { properties: lines.sort(), allowed: [...new Set(allowed)], files }
}

const CASES: Readonly<Record<string, NonNullable<Config['linux']>['resources']>> = {
  'no limits': {},
  memory: { memory: { limit: 64 * MIB, swap: 128 * MIB, reservation: 32 * MIB } },
  'memory without end': { memory: { limit: -1, swap: -1 } },
  // Without shares: runc 1.1 makes another weight of them than 1.4 and tsrun do.
  cpu: { cpu: { quota: 50_000, period: 100_000, cpus: '0' } },
  'half a per cent': { cpu: { quota: 1234, period: 200_000 } },
  processes: { pids: { limit: 30 } },
  unified: { unified: { 'memory.high': String(48 * MIB), 'cpu.weight': '321', 'pids.max': '77' } },
  devices: {
    devices: [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'c', major: 1, minor: 11, access: 'rw' }
    ]
  }
}

t.test('the same units as with runc', { skip: skip || needs({ commands: ['runc'] }) }, async (t) => {
  for (const [name, resources] of Object.entries(CASES)) {
    const box = sandbox(t)
    const at = (runtime: (...args: string[]) => Result): Record<string, unknown> => {
      const id = box.id()
      const overrides = { process: { args: ['/bin/sleep', '1000'] }, linux: { resources, cgroupsPath: `system.slice:both:${id}` } }
      const started = runtime('--systemd-cgroup', 'run', '--detach', '--bundle', box.bundle(overrides as Overrides<Config>), id)
      t.equal(started.status, 0, `${name}: ${started.stderr}`)
      const found = seen(`both-${id}.scope`)
      runtime('delete', '--force', id)
      return found
    }
    const [runc, tsrun] = [at((...args) => box.runc(...args)), at((...args) => box.tsrun(...args))]
    t.same(tsrun, runc, name)
  }
})

/** A unit that is removed when the test ends. */
function service(t: { teardown(fn: () => void): unknown }, box: Sandbox, lines: readonly string[]): string {
  const name = `${box.id()}.service`
  const path = `/run/systemd/system/${name}`
  const common = [
    '[Service]',
    `Environment=PATH=${process.env.PATH} TSRUN_TEST=${box.directory}`,
    'TimeoutStartSec=60',
    'TimeoutStopSec=20'
  ]
  writeFileSync(path, `${[...common, ...lines].join('\n')}\n`)
  run('systemctl', 'daemon-reload')
  t.teardown(() => {
    run('systemctl', 'kill', '--signal=KILL', name)
    run('systemctl', 'stop', name)
    rmSync(path)
    run('systemctl', 'daemon-reload')
    run('systemctl', 'reset-failed', name)
  })
  return name
}

const show = (unit: string, name: string): string => run('systemctl', 'show', '--value', `--property=${name}`, unit)

const seconds = (count: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1000 * count))

async function until(what: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 300; tries++) {
    if (what()) return true
    await seconds(0.1)
  }
  return false
}

t.test('a service of Type=notify is active when the container says so', { skip }, async (t) => {
  const box = sandbox(t)
  const id = box.id()
  const bundle = box.bundle({ process: { args: ['/bin/sleep', '1000'] } })
  const command = `${tsrunPath()} --root ${box.root()} --systemd-cgroup run --bundle ${bundle} ${id}`
  const unit = service(t, box, ['Type=notify', 'NotifyAccess=main', `ExecStart=${command}`, 'KillSignal=SIGKILL'])
  run('systemctl', 'start', '--no-block', unit)
  t.ok(await until(() => box.tsrun('state', id).stdout.includes('"running"')), 'the container runs')
  await seconds(1)
  t.equal(show(unit, 'ActiveState'), 'activating', 'and has not said that it is ready')
  const { pid } = JSON.parse(box.tsrun('state', id).stdout)
  const say = (message: string): void => {
    using socket = connectUnix(`/proc/${pid}/root/run/notify/notify.sock`, SOCK_DGRAM)
    writeAll(socket.fd, Buffer.from(message))
  }
  say('STATUS=nearly\nMAINPID=1')
  await seconds(1)
  t.equal(show(unit, 'ActiveState'), 'activating')
  say('READY=1')
  t.ok(await until(() => show(unit, 'ActiveState') === 'active'), 'now it is')
  t.equal(
    readlinkSync(`/proc/${show(unit, 'MainPID')}/exe`),
    realpathSync(tsrunPath()),
    'the main process is the runtime, not what the container has named'
  )
})

t.test('a service with a container in the foreground', { skip }, async (t) => {
  const box = sandbox(t)
  const id = box.id()
  const bundle = box.bundle({ process: { args: ['/bin/sh', '-c', 'trap "exit 3" TERM; while :; do sleep 0.1; done'] } })
  const command = `${tsrunPath()} --root ${box.root()} --systemd-cgroup run --bundle ${bundle} ${id}`
  const ended = join(box.directory, 'ended')
  const tell = `ExecStopPost=/bin/sh -c 'echo $$SERVICE_RESULT $$EXIT_STATUS > ${ended}'`
  const unit = service(t, box, ['Type=exec', `ExecStart=${command}`, 'SuccessExitStatus=3', tell])
  t.equal(run('systemctl', 'start', unit), '')
  t.ok(await until(() => box.tsrun('state', id).stdout.includes('"running"')))
  const scope = `tsrun-${id}.scope`
  t.equal(show(scope, 'ActiveState'), 'active', 'the container has a scope of its own')
  t.equal(run('systemctl', 'stop', unit), '', 'the signal of systemd reaches the container')
  t.equal(readFileSync(ended, 'utf8'), 'success 3\n')
  t.equal(show(scope, 'ActiveState'), 'inactive')
  t.equal(box.tsrun('state', id).status, 1, 'and the container is gone')
})

t.test('features says that it can', { skip: asRoot }, async (t) => {
  const box = sandbox(t)
  t.match(JSON.parse(box.tsrun('features').stdout).linux.cgroup, { systemd: true, systemdUser: true, v1: true, v2: true })
})
