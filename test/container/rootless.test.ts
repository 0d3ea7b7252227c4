import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, IdMapping } from '../../src/config/types.ts'
import { listenUnix } from '../../src/linux/socket.ts'
import { answer, takeConnection } from '../agent.ts'
import { needs, type Sandbox, sandbox } from '../harness.ts'

const UID = 4711
const skip = needs({ root: true, userNamespaces: true, commands: ['setpriv'] })

const one: readonly IdMapping[] = [{ containerID: 0, hostID: UID, size: 1 }]

/** A bundle of an ordinary user's, and a way to call the runtime as that user. */
function ordinaryUser(box: Sandbox, script: string, map = one) {
  const bundle = box.bundle((config: Config) => ({
    ...config,
    process: { ...config.process, args: ['/bin/sh', '-c', script], rlimits: undefined },
    mounts: config.mounts!.flatMap((mount) => {
      if (mount.type === 'sysfs' || mount.type === 'cgroup' || mount.type === 'mqueue') return []
      return [{ ...mount, options: mount.options?.filter((option) => option !== 'gid=5') }]
    }),
    linux: {
      ...config.linux,
      resources: undefined,
      namespaces: [{ type: 'user' }, { type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'ipc' }],
      uidMappings: map,
      gidMappings: map
    }
  }))
  const runtimeDirectory = join(box.directory, 'run')
  mkdirSync(runtimeDirectory, { recursive: true })
  chmodSync(box.directory, 0o755)
  for (const path of [runtimeDirectory, bundle, join(bundle, 'rootfs')]) chownSync(path, UID, UID)
  const wrapper = ['setpriv', '--reuid', String(UID), '--regid', String(UID), '--clear-groups', 'sh', '-c', 'shift 2; exec "$0" "$@"']
  const env = { XDG_RUNTIME_DIR: runtimeDirectory, USER: 'somebody', LISTEN_FDS: '' }
  // The harness gives --root; an ordinary user has none, so the wrapper drops it.
  const call = (...args: string[]) => box.tsrunWith({ wrapper, env }, ...args)
  return { bundle, call, root: join(runtimeDirectory, 'tsrun') }
}

t.test('an ordinary user with one id', { skip }, async (t) => {
  using box = sandbox(t)
  const { bundle, call, root } = ordinaryUser(box, 'id -u; cat /proc/self/uid_map; cat /proc/self/setgroups; hostname')
  const before = box.snapshot()
  const { status, stdout, stderr } = call('run', '--bundle', bundle, box.id())
  t.equal(status, 0, stderr)
  t.match(stdout, new RegExp(`^0\\n\\s*0\\s+${UID}\\s+1\\ndeny\\ntest\\n$`))
  t.same(readdirSync(root), [])
  t.same(await box.leftovers(before), [])
})

t.test('a whole life', { skip }, async (t) => {
  using box = sandbox(t)
  const { bundle, call } = ordinaryUser(box, 'sleep 1000')
  const id = box.id()
  const steps = [
    ['create', '--bundle', bundle, id],
    ['start', id],
    ['kill', id, 'KILL']
  ] as const
  for (const step of steps) t.match(call(...step), { status: 0, stderr: '' }, step[0])
  for (let i = 0; i < 100 && !call('state', id).stdout.includes('"stopped"'); i++);
  t.match(call('delete', id), { status: 0, stderr: '' })
})

t.test('seccomp notifications reach an agent', { skip }, async (t) => {
  using box = sandbox(t)
  const { bundle, call } = ordinaryUser(box, 'mkdir /dev/shm/made 2>&1; true')
  const listenerPath = join(box.directory, 'agent')
  using listening = listenUnix(listenerPath, 0o777)
  chmodSync(listenerPath, 0o777)
  const path = join(bundle, 'config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as Config
  const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_NOTIFY' }]
  writeFileSync(
    path,
    JSON.stringify({ ...config, linux: { ...config.linux, seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerPath, syscalls } } })
  )
  const id = box.id()
  const created = call('create', '--bundle', bundle, id)
  t.equal(created.status, 0, created.stderr)
  const { state, listener } = await takeConnection(listening.fd)
  using _ = listener
  t.match(state, { fds: ['seccompFd'], state: { id, status: 'creating' } })
  t.equal(call('start', id).status, 0)
  const ECONNREFUSED = 111
  answer(listener.fd, ECONNREFUSED)
  for (let i = 0; i < 100 && !call('state', id).stdout.includes('"stopped"'); i++);
  t.match(created.later(), /Connection refused/)
  t.match(call('delete', id), { status: 0, stderr: '' })
})

t.test('exec', { skip }, async (t) => {
  using box = sandbox(t)
  const { bundle, call } = ordinaryUser(box, 'sleep 1000')
  const id = box.id()
  const view = 'id -u; cat /proc/self/uid_map; for n in user pid mnt uts ipc; do readlink /proc/self/ns/$n; done; ulimit -n'
  t.match(call('create', '--bundle', bundle, id), { status: 0, stderr: '' })
  const created = call('exec', id, 'sh', '-c', view)
  t.match(created, { status: 0, stderr: '', stdout: new RegExp(`^0\\n\\s*0\\s+${UID}\\s+1\\n`) }, 'in a created container')
  t.match(call('start', id), { status: 0, stderr: '' })
  t.match(call('exec', id, 'sh', '-c', view), { status: 0, stdout: created.stdout })
  const inside = call('exec', id, 'sh', '-c', 'for n in user pid mnt uts ipc; do readlink /proc/1/ns/$n; done')
  t.ok(created.stdout.includes(inside.stdout), 'in the namespaces of init')
  t.match(call('exec', '--tty', id, 'sh', '-c', 'tty; echo x > /dev/tty'), { status: 0, stdout: '/dev/pts/0\r\nx\r\n' })
  t.match(
    call('exec', '-u', '5', id, 'id'),
    { status: 255, stderr: /cannot become uid 5: invalid argument \(EINVAL\)/ },
    'an id without a mapping'
  )
  t.match(call('exec', id, 'nosuch'), { status: 255, stderr: /executable file not found in \$PATH/ })
  t.match(call('delete', '--force', id), { status: 0, stderr: '' })
})

t.test(
  'a range of ids that nobody has granted names the file and the line',
  { skip: skip || needs({ commands: ['newuidmap'] }) },
  async (t) => {
    using box = sandbox(t)
    const map = [...one, { containerID: 1, hostID: 1_000_000_000, size: 1000 }]
    const { bundle, call } = ordinaryUser(box, 'true', map)
    const before = box.snapshot()
    const { status, stderr } = call('run', '--bundle', bundle, box.id())
    t.equal(status, 1)
    t.match(stderr, /cannot write the gid map: newgidmap: /)
    t.match(stderr, `add the line "${UID}:1000000000:1000" to /etc/subgid`)
    t.same(await box.leftovers(before), [])
  }
)

t.test("root's container with a user namespace", { skip }, async (t) => {
  using box = sandbox(t)
  const map = [{ containerID: 0, hostID: 200_000, size: 65_536 }]
  const script = 'id -u; cat /proc/self/uid_map; ulimit -n; touch /dev/shm/x; chown 5:5 /dev/shm/x; stat -c %u /dev/shm/x'
  const bundle = box.bundle((config: Config) => ({
    ...config,
    process: {
      ...config.process,
      args: ['/bin/sh', '-c', script],
      capabilities: { bounding: ['CAP_CHOWN'], effective: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'] },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 900, hard: 900 }]
    },
    linux: { ...config.linux, namespaces: [...config.linux!.namespaces!, { type: 'user' }], uidMappings: map, gidMappings: map }
  }))
  chmodSync(box.directory, 0o711)
  const { status, stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(status, 0, stderr)
  t.match(stdout, /^0\n\s*0\s+200000\s+65536\n900\n5\n$/)
})

t.test('joined namespaces', { skip }, async (t) => {
  using box = sandbox(t)
  const first = box.id()
  const sleeping = box.bundle({ process: { args: ['/bin/sleep', '1000'] }, hostname: 'first' })
  box.tsrun('create', '--bundle', sleeping, first)
  const { namespace_paths: paths } = JSON.parse(readFileSync(join(box.root(), first, 'state.json'), 'utf8'))
  const bundle = box.bundle({
    hostname: undefined,
    process: { args: ['/bin/sh', '-c', 'hostname; ls /proc | grep -c "^[0-9]*$"'] },
    linux: {
      namespaces: [
        { type: 'pid', path: paths.NEWPID },
        { type: 'uts', path: paths.NEWUTS },
        { type: 'network', path: paths.NEWNET },
        { type: 'ipc', path: paths.NEWIPC },
        { type: 'mount' }
      ]
    }
  })
  const { status, stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(status, 0, stderr)
  const [hostname, processes] = stdout.split('\n')
  t.equal(hostname, 'first')
  t.ok(Number(processes) >= 3, 'the first init and ours')
  writeFileSync(join(box.directory, 'not-a-namespace'), '')
  const wrong = box.bundle({ hostname: undefined, linux: { namespaces: [{ type: 'network', path: paths.NEWUTS }, { type: 'mount' }] } })
  t.match(
    box.tsrun('run', '--bundle', wrong, box.id()).stderr,
    /cannot join the network namespace.*invalid argument \(EINVAL\) \[\/linux\/namespaces\/0\/path\]/
  )
  box.tsrun('delete', '--force', first)
})
