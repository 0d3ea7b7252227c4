/** The flags of checkpoint and restore that depend on where a container comes from and where it goes to, each beside runc in the same run. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Config, Mount } from '../../src/config/types.ts'
import { Checkpointer, COUNT, criuErrors, type Quiet, removeImages, skip, until } from '../checkpoint.ts'
import type { Overrides } from '../config.ts'
import { needs, type Sandbox, sandbox } from '../harness.ts'
import { cgroupFile, cgroupOf, pathIn } from '../systemd.ts'

t.setTimeout(240_000)

const MIB = 1 << 20
const RUNTIMES = ['tsrun', 'runc'] as const
const skipFor = (name: string): string | false => skip || needs({ commands: name === 'runc' ? ['runc'] : [] })

/** The same test under both. */
function each(title: string, body: (t: Test, runtime: Checkpointer, box: Sandbox) => Promise<void>, more: string | false = false): void {
  for (const name of RUNTIMES) {
    t.test(`${name}: ${title}`, { skip: skipFor(name) || more, timeout: 120_000 }, async (t) => {
      const box = sandbox(t)
      await body(t, new Checkpointer(box, name), box)
    })
  }
}

/** A container that runs, and where its images go. */
function running(t: Test, box: Sandbox, runtime: Checkpointer, change: Overrides<Config> | ((config: Config) => Config)) {
  const id = box.id()
  const bundle = box.bundle(change)
  const images = join(box.directory, `images-${id}`)
  t.match(runtime.quiet('run', '--detach', '--bundle', bundle, id), { status: 0 }, 'runs')
  t.teardown(() => runtime.remove(id))
  return {
    id,
    bundle,
    images,
    checkpoint: (...args: string[]) => runtime.quiet('checkpoint', '--image-path', images, ...args, id),
    restore: (...args: string[]) => runtime.quiet('restore', '--detach', '--image-path', images, '--bundle', bundle, ...args, id),
    exec: (...args: string[]) => runtime.output('exec', id, ...args)
  }
}

const counting = (...also: string[]): Overrides<Config> => ({ process: { args: ['/bin/sh', '-c', [...also, COUNT].join('\n')] } })
const count = (exec: (...args: string[]) => string): number => Number(exec('cat', '/dev/shm/count'))

/** Without it the rest of a test would only wait. */
function must(t: Test, { status, log }: Quiet, what: string): void {
  if (!t.match({ status, log }, { status: 0, log: '' }, what)) throw new Error(`${what}: ${log}`)
}

/** Saved, gone, there again, and further than it was. */
async function goesOn(t: Test, container: ReturnType<typeof running>, between: () => unknown = () => {}): Promise<void> {
  const { checkpoint, restore, exec } = container
  t.ok(await until(() => count(exec) > 100), 'counts')
  const before = count(exec)
  must(t, checkpoint(), 'checkpoint')
  between()
  must(t, restore(), 'restore')
  t.ok(await until(() => count(exec) > before), 'goes on from where it was')
}

const FIRST = 100_000
const MAP = [{ containerID: 0, hostID: FIRST, size: 65_536 }]

each('a user namespace comes back with its maps', async (t, runtime, box) => {
  chmodSync(box.directory, 0o755)
  const container = running(t, box, runtime, (config) => ({
    ...config,
    process: { ...config.process!, args: ['/bin/sh', '-c', COUNT] },
    mounts: config.mounts!.filter(({ type }) => type !== 'mqueue' && type !== 'cgroup'),
    linux: {
      ...config.linux,
      namespaces: (['user', 'pid', 'mount', 'uts', 'ipc', 'network'] as const).map((type) => ({ type })),
      uidMappings: MAP,
      gidMappings: MAP
    }
  }))
  // CRIU opens images with the rights of the mapped root; runc closes the directory to him.
  await goesOn(t, container, () => runtime.name === 'runc' && chmodSync(container.images, 0o711))
  t.match(container.exec('cat', '/proc/self/uid_map'), /^\s*0\s+100000\s+65536$/)
  t.equal(statSync(container.images).mode & 0o007, runtime.name === 'runc' ? 1 : 0, 'memory is not for everybody')
  t.match(readFileSync(`/proc/${runtime.pid(container.id)}/status`, 'utf8'), new RegExp(`^Uid:\\s+${FIRST}\\b`, 'm'))
})

/** Runs a command on a terminal of `script`'s, which stays until the end of the test. */
function onTerminal(t: Test, file: string, command: readonly string[]) {
  const staying = `${command.join(' ')}; exec sleep 1000`
  const script = spawn('script', ['--quiet', '--flush', '--command', staying, file], { stdio: ['pipe', 'ignore', 'ignore'] })
  const ended = new Promise((resolve) => script.once('exit', resolve))
  t.teardown(async () => {
    script.kill('SIGKILL')
    await ended
  })
  return { shown: () => (existsSync(file) ? readFileSync(file, 'utf8') : '') }
}

each('--shell-job: on the terminal of the caller, and then on that of another', async (t, runtime, box) => {
  const id = box.id()
  const bundle = box.bundle(counting('(while :; do echo here; sleep 0.1; done) &'))
  const images = join(box.directory, 'images')
  const first = onTerminal(t, join(box.directory, 'first'), runtime.command('run', '--detach', '--bundle', bundle, id))
  t.teardown(() => runtime.remove(id))
  t.ok(await until(() => /here/.test(first.shown())), 'it writes to the terminal')
  const refused = runtime.quiet('checkpoint', '--image-path', images, id)
  t.not(refused.status, 0)
  t.match(criuErrors(images, 'dump'), /shell-job|tty|lookup mount/)
  removeImages(images)
  must(t, runtime.quiet('checkpoint', '--shell-job', '--image-path', images, id), 'checkpoint')
  // runc 1.1 wants a console socket for it, and dies without one.
  if (runtime.name === 'runc') return
  const args = ['restore', '--shell-job', '--detach', '--image-path', images, '--bundle', bundle, id]
  const second = onTerminal(t, join(box.directory, 'second'), runtime.command(...args))
  t.ok(await until(() => /here/.test(second.shown())), 'it writes to the other one')
  t.ok(runtime.pid(id) > 0)
})

const LOGS = ['CAP_SYSLOG'] as const

/** A container that has a directory of the host in it, where /dev/log is. CRIU looks for peers in its network namespace only: that of the host. */
const logging =
  (directory: string, program: string) =>
  (config: Config): Config => ({
    ...config,
    process: {
      ...config.process!,
      args: ['/bin/sh', '-c', `ln -s /mnt/log /dev/log; exec ${program}`],
      capabilities: { bounding: LOGS, effective: LOGS, permitted: LOGS }
    },
    mounts: [...config.mounts!, { destination: '/mnt', source: directory, options: ['bind'] }],
    linux: { ...config.linux, namespaces: config.linux!.namespaces!.filter(({ type }) => type !== 'network') }
  })

each('--ext-unix-sk: a datagram socket that is connected to one outside', async (t, runtime, box) => {
  const directory = join(box.directory, 'log')
  mkdirSync(directory)
  running(t, box, runtime, logging(directory, 'syslogd -n -O /mnt/messages'))
  t.ok(await until(() => existsSync(join(directory, 'log'))), 'somebody listens')
  const container = running(t, box, runtime, logging(directory, 'klogd -n'))
  const sockets = (): string => container.exec('ls', '-l', '/proc/1/fd')
  t.ok(await until(() => /socket:/.test(sockets())), 'it is connected')
  t.not(container.checkpoint().status, 0)
  t.match(criuErrors(container.images, 'dump'), /ext-unix-sk|xternal/)
  removeImages(container.images)
  must(t, container.checkpoint('--ext-unix-sk'), 'checkpoint')
  must(t, container.restore('--ext-unix-sk'), 'restore')
  t.match(sockets(), /socket:/)
})

/** In a cgroup below its own, which it makes itself, with a limit, a process of the container sleeps. */
const BELOW = 'mkdir /sys/fs/cgroup/below; sleep 1000 & echo $! > /sys/fs/cgroup/below/cgroup.procs'
const CGROUP: Mount = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'rw'] }

/** What can be seen of the cgroups of a container that was restored; '' is what is not there. */
function cgroupView(runtime: Checkpointer, id: string) {
  const pid = runtime.pid(id)
  if (pid === 0) return undefined
  const cgroup = cgroupOf(pid)
  const read = (file: string): string => (existsSync(pathIn(cgroup, file)) ? cgroupFile(cgroup, file) : '')
  return {
    pids: read('pids.max'),
    memory: read('memory.max'),
    descendants: read('cgroup.max.descendants'),
    depthBelow: read('below/cgroup.max.depth'),
    sleepsBelow: read('below/cgroup.procs') !== ''
  }
}

/** Saves and restores a container whose limits have been changed since it was created. */
async function inMode(t: Test, box: Sandbox, runtime: Checkpointer, mode: string) {
  const cgroupsPath = `/${box.id()}`
  const container = running(t, box, runtime, (config) => ({
    ...config,
    process: { ...config.process!, args: ['/bin/sh', '-c', [BELOW, COUNT].join('\n')] },
    mounts: [...config.mounts!.filter(({ type }) => type !== 'cgroup'), CGROUP],
    linux: {
      ...config.linux,
      cgroupsPath,
      namespaces: [...config.linux!.namespaces!, { type: 'cgroup' }],
      resources: { ...config.linux!.resources, pids: { limit: 30 }, memory: { limit: 64 * MIB } }
    }
  }))
  t.ok(await until(() => cgroupView(runtime, container.id)?.sleepsBelow === true), 'its own cgroup is used')
  t.match(runtime.quiet('update', '--pids-limit', '25', '--memory', String(32 * MIB), container.id), { status: 0 })
  writeFileSync(pathIn(cgroupsPath, 'cgroup.max.descendants'), '33')
  writeFileSync(pathIn(cgroupsPath, 'below/cgroup.max.depth'), '7')
  must(t, container.checkpoint('--manage-cgroups-mode', mode), mode)
  const { status, log } = container.restore('--manage-cgroups-mode', mode)
  const view = cgroupView(runtime, container.id)
  t.comment(`${runtime.name} ${mode}: ${status} ${JSON.stringify(view)} ${log.slice(0, 300)} ${criuErrors(container.images, 'restore')}`)
  return { view, status }
}

/** On v2 CRIU saves what structures cgroups (cgroup.*), and no limits: those are of the configuration. Processes are back in the container's own cgroup. */
const LIMITS = { pids: '30', memory: String(64 * MIB) }
const MODES = {
  soft: { ...LIMITS, descendants: 'max', depthBelow: '7', sleepsBelow: false },
  full: { ...LIMITS, descendants: '33', depthBelow: '7', sleepsBelow: false },
  strict: { ...LIMITS, descendants: '33', depthBelow: '7', sleepsBelow: false },
  ignore: { ...LIMITS, descendants: 'max', depthBelow: '', sleepsBelow: false }
} as const

for (const [mode, view] of Object.entries(MODES)) {
  t.test(`--manage-cgroups-mode ${mode}`, { skip, timeout: 120_000 }, async (t) => {
    const box = sandbox(t)
    t.same(await inMode(t, box, new Checkpointer(box, 'tsrun'), mode), { status: 0, view })
    // runc 1.1 restores as with soft, whatever it is told; it does not know ignore.
    if (mode === 'soft' && needs({ commands: ['runc'] }) === false)
      t.same(await inMode(t, box, new Checkpointer(box, 'runc'), mode), { status: 0, view }, 'as runc')
  })
}

t.test('--manage-cgroups-mode strict: not into a cgroup that is there', { skip }, async (t) => {
  const box = sandbox(t)
  const cgroupsPath = `/${box.id()}`
  const container = running(t, box, new Checkpointer(box, 'tsrun'), { ...counting(), linux: { cgroupsPath } })
  must(t, container.checkpoint(), 'checkpoint')
  mkdirSync(pathIn(cgroupsPath))
  const { status, log } = container.restore('--manage-cgroups-mode', 'strict')
  t.equal(status, 1)
  t.match(log, /it exists, and --manage-cgroups-mode is strict/)
  t.ok(existsSync(pathIn(cgroupsPath)), 'and it stays')
  rmdirSync(pathIn(cgroupsPath))
  must(t, container.restore('--manage-cgroups-mode', 'strict'), 'restore')
})

const PROFILES = ['tsrun-saved', 'tsrun-restored'] as const
const skipProfiles = needs({ commands: ['apparmor_parser'], files: ['/sys/kernel/security/apparmor/profiles'] })

/** Loads profiles that permit everything, and differ in their names. */
function loadProfiles(t: Test, box: Sandbox): void {
  const file = join(box.directory, 'profiles')
  const rules = 'file,\n  capability,\n  network,\n  mount,\n  umount,\n  signal,\n  ptrace,\n  unix,'
  writeFileSync(file, PROFILES.map((name) => `profile ${name} flags=(attach_disconnected) {\n  ${rules}\n}\n`).join('\n'))
  const parser = (how: string): number | null => spawnSync('apparmor_parser', [how, '--skip-cache', file]).status
  t.equal(parser('--replace'), 0)
  t.teardown(() => void parser('--remove'))
}

each(
  '--lsm-profile: under another profile of AppArmor',
  async (t, runtime, box) => {
    loadProfiles(t, box)
    const [saved, restored] = PROFILES
    const container = running(t, box, runtime, { process: { args: ['/bin/sh', '-c', COUNT], apparmorProfile: saved } })
    const profile = (): string => readFileSync(`/proc/${runtime.pid(container.id)}/attr/current`, 'utf8').trim()
    t.match(profile(), saved)
    must(t, container.checkpoint(), 'checkpoint')
    must(t, container.restore(), 'restore')
    t.match(profile(), saved, 'without the flag it is as it was')
    runtime.remove(container.id)
    must(t, container.restore('--lsm-profile', `apparmor:${restored}`), 'restore')
    t.match(profile(), restored)
  },
  skipProfiles
)

t.test(
  '--lsm-profile: a profile that is not loaded is refused, for CRIU would restore without any',
  { skip: skip || skipProfiles },
  async (t) => {
    const box = sandbox(t)
    const container = running(t, box, new Checkpointer(box, 'tsrun'), counting())
    must(t, container.checkpoint(), 'checkpoint')
    t.match(container.restore('--lsm-profile', 'apparmor:no-such-profile'), { status: 1, log: /no-such-profile.*: it is not loaded/ })
  }
)

each('--lsm-mount-context: without SELinux there are no contexts to replace', async (t, runtime, box) => {
  const container = running(t, box, runtime, counting())
  must(t, container.checkpoint(), 'checkpoint')
  must(t, container.restore('--lsm-mount-context', 'system_u:object_r:container_file_t:s0:c1,c2'), 'restore')
  t.ok(await until(() => count(container.exec) > 100))
})

/** Its standard streams are pipes: of all that is outside, those are what either runtime replaces. */
function onPipes(t: Test, command: readonly string[]): void {
  const piped = spawn('sh', ['-c', `sleep 1000 | ${command.join(' ')} 2>&1 | cat >/dev/null`], { stdio: 'ignore', detached: true })
  const ended = new Promise((resolve) => piped.once('exit', resolve))
  t.teardown(async () => {
    process.kill(-piped.pid!, 'SIGKILL')
    await ended
  })
}

for (const [by, from] of [RUNTIMES, [...RUNTIMES].reverse()] as ['tsrun' | 'runc', 'tsrun' | 'runc'][]) {
  t.test(`${by}'s images are restored by ${from}`, { skip: skipFor('runc'), timeout: 120_000 }, async (t) => {
    const box = sandbox(t)
    const [saver, restorer] = [new Checkpointer(box, by), new Checkpointer(box, from)]
    const volume = join(box.directory, 'volume')
    mkdirSync(volume)
    writeFileSync(join(volume, 'file'), 'of the host\n')
    const [id, images] = [box.id(), join(box.directory, 'images')]
    const bundle = box.bundle((config) => ({
      ...config,
      process: { ...config.process!, args: ['/bin/sh', '-c', COUNT] },
      mounts: [...config.mounts!, { destination: '/mnt', source: volume, options: ['rbind'] }],
      linux: { ...config.linux, resources: { ...config.linux!.resources, pids: { limit: 30 } } }
    }))
    t.teardown(() => {
      for (const runtime of [saver, restorer]) runtime.remove(id)
    })
    onPipes(t, saver.command('run', '--detach', '--bundle', bundle, id))
    const execBy =
      (runtime: Checkpointer) =>
      (...args: string[]) =>
        runtime.output('exec', id, ...args)
    t.ok(await until(() => count(execBy(saver)) > 100), 'counts')
    const before = count(execBy(saver))
    must(t, saver.quiet('checkpoint', '--image-path', images, id), 'checkpoint')
    must(t, restorer.quiet('restore', '--detach', '--image-path', images, '--bundle', bundle, id), 'restore')
    t.ok(await until(() => count(execBy(restorer)) > before), 'it goes on')
    t.equal(execBy(restorer)('cat', '/mnt/file'), 'of the host')
    t.equal(cgroupFile(cgroupOf(restorer.pid(id)), 'pids.max'), '30')
  })
}

t.test('idmapped mounts come back mapped', { skip }, async (t) => {
  const box = sandbox(t)
  const source = join(box.directory, 'source')
  mkdirSync(join(source, 'below'), { recursive: true })
  for (const name of ['roots', 'theirs']) writeFileSync(join(source, name), '')
  chownSync(join(source, 'theirs'), 500, 600)
  const [uid, gid] = [
    { containerID: 500, hostID: 7, size: 1 },
    { containerID: 600, hostID: 8, size: 1 }
  ]
  const root = { containerID: 0, hostID: 0, size: 1 }
  const maps = { uidMappings: [root, uid], gidMappings: [root, gid] }
  const runtime = new Checkpointer(box, 'tsrun')
  const container = running(t, box, runtime, (config) => ({
    ...config,
    root: { ...config.root!, readonly: false },
    process: { ...config.process!, args: ['/bin/sh', '-c', COUNT] },
    mounts: [
      ...config.mounts!,
      { destination: '/mnt', type: 'bind', source, options: ['rbind', 'ridmap'], ...maps },
      { destination: '/srv', type: 'bind', source: join(source, 'theirs'), options: ['bind'], ...maps },
      { destination: '/media', type: 'bind', source, options: ['rbind'] }
    ]
  }))
  const seen = (): string => container.exec('stat', '-c', '%n %u:%g', '/mnt/roots', '/mnt/theirs', '/srv', '/media/theirs')
  const wanted = '/mnt/roots 0:0\n/mnt/theirs 7:8\n/srv 7:8\n/media/theirs 500:600'
  t.equal(seen(), wanted)
  await goesOn(t, container)
  t.equal(seen(), wanted, 'after the restore')
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), box.root(), 'what was mounted for CRIU is not seen on the host')
})
