/** A hostile process: what it finds when it begins, and what it can reach. */
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, Namespace } from '../../src/config/types.ts'
import { DEFAULT_CONFIG, type Overrides } from '../config.ts'
import { call, needs, sandbox, tsrunPath, unable } from '../harness.ts'
import { user as caller, idMaps } from '../user.ts'
import { attack, outside, prepare, statusField, upTo, volume } from './attack.ts'

const forLooks = needs({ containers: true, host: { CAP_SYS_PTRACE: 'a look at a process that waits' } })
const forGroups = needs({ containers: true, ids: 2, userNamespaces: true })
const forIds = needs({ containers: true, ids: 1001 })

const own = DEFAULT_CONFIG.linux!.namespaces!
const joined = (more: readonly Namespace[]): readonly Namespace[] => [
  ...own.filter(({ type }) => !more.some((other) => other.type === type)),
  ...more
]

t.test('CVE-2024-21626: no descriptor of the runtime is in the container, nor a way through one', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const list = attack(box, { script: 'ls -l /proc/self/fd | grep -v /proc/' })
  t.equal(list.stdout.match(/->/g)?.length, 3, list.stdout)
  for (let fd = 3; fd <= 14; fd++) {
    const direct = [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/../../../..`, `/proc/thread-self/fd/${fd}`]
    for (const path of ['/link', ...(fd > 4 ? [] : direct)]) {
      const { status, stdout } = attack(box, {
        script: `cat .${host.path}/file ..${host.path}/file ${upTo(host.path)}/file; pwd`,
        config: { process: { cwd: path } },
        image: (rootfs) => symlinkSync(`/proc/self/fd/${fd}`, join(rootfs, 'link'))
      })
      if (status === 0 || stdout.includes('of the host')) t.fail(`cwd ${path}: ${stdout}`)
    }
    // The command is looked up while the program still has descriptors; none may lead to the host.
    const command = `/proc/self/fd/${fd}/${upTo('/')}${host.path.slice(1)}/directory`
    const { stderr } = attack(box, { config: { process: { args: [command] } } })
    if (!/no such file or directory|not a directory/.test(stderr)) t.fail(`command ${command}: ${stderr}`)
  }
})

t.test('CVE-2024-21626: a container that waits holds its standard streams and its socket', { skip: forLooks }, async (t) => {
  using box = sandbox(t)
  const { bundle, id } = prepare(box, {})
  box.tsrun('create', '--bundle', bundle, id)
  const { pid } = JSON.parse(box.tsrun('state', id).stdout)
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
  t.same(
    fds.slice(3).map((target) => target.replace(/\d+/, 'N')),
    ['socket:[N]']
  )
  t.equal(readlinkSync(`/proc/${pid}/cwd`), '/')
})

t.test(
  'CVE-2016-9962: init cannot be traced, nor looked at, until execve',
  { skip: needs({ containers: true, ids: 4712, commands: ['setpriv'] }) },
  async (t) => {
    using box = sandbox(t)
    const { bundle, id } = prepare(box, { script: 'sleep 1000', config: { process: { user: { uid: 4711, gid: 4711 } } } })
    box.tsrun('create', '--bundle', bundle, id)
    const { pid } = JSON.parse(box.tsrun('state', id).stdout)
    const skip = caller ? "an ordinary user's runtime must read it, and nobody else can see it" : false
    t.equal(skip ? 0 : statSync(`/proc/${pid}/fd`).uid, 0, 'an undumpable process belongs to root (proc(5))', { skip })
    // Another container in the same pid namespace, with the same user.
    const look = `for f in exe root cwd fd/0 fd/4 environ mem; do readlink /proc/1/$f || cat /proc/1/$f; done`
    const pids = joined([{ type: 'pid', path: `/proc/${pid}/ns/pid` }])
    const user = { uid: 4711, gid: 4711 }
    const other = attack(box, { script: look, config: { process: { user }, linux: { namespaces: pids } } })
    t.equal(other.stdout, '', 'nothing of it can be read')
  }
)

t.test(
  'CVE-2022-24769, CVE-2022-29162, CVE-2022-27650: nothing is inheritable or ambient that the config does not name',
  { skip: needs({ containers: true, host: { CAP_SETUID: 'capabilities to inherit' }, commands: ['setpriv'] }) },
  async (t) => {
    using box = sandbox(t)
    const some = ['CAP_NET_RAW', 'CAP_CHOWN']
    for (const uid of [0, 1000]) {
      const { stdout } = attack(box, {
        script: 'cat /proc/self/status',
        config: { process: { user: { uid, gid: uid }, capabilities: { bounding: some, permitted: some, effective: some } } }
      })
      t.equal(statusField(stdout, 'CapInh'), '0'.repeat(16))
      t.equal(statusField(stdout, 'CapAmb'), '0'.repeat(16))
      t.equal(statusField(stdout, 'CapBnd'), '0000000000002001')
    }
  }
)

t.test(
  "CVE-2022-2989, CVE-2022-2990: the caller's supplementary groups are dropped",
  { skip: needs({ containers: true, host: { CAP_SETUID: 'groups to drop' }, commands: ['setpriv'] }) },
  async (t) => {
    using box = sandbox(t)
    const { bundle, id } = prepare(box, { script: 'cat /proc/self/status', config: { process: { user: { uid: 1000, gid: 1000 } } } })
    const { stdout } = box.tsrunWith({ wrapper: ['setpriv', '--groups', '0,4,27,999'] }, 'run', '--bundle', bundle, id)
    t.equal(statusField(stdout, 'Groups')?.trim(), '')
  }
)

t.test('a user namespace: ids, groups and capabilities are its own', { skip: forGroups }, async (t) => {
  using box = sandbox(t)
  const config: Overrides<Config> = { linux: { namespaces: [...own, { type: 'user' }], ...idMaps(200_000) } }
  chmodSync(box.directory, 0o711)
  const { bundle, id } = prepare(box, { script: 'sleep 1000', config })
  t.match(box.tsrun('create', '--bundle', bundle, id), { status: 0, stderr: '' })
  const { pid } = JSON.parse(box.tsrun('state', id).stdout)
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  t.equal(statusField(status, 'Uid'), new Array(4).fill(caller?.uid ?? 200_000).join('\t'))
  t.equal(statusField(status, 'Groups')?.trim(), '')
  t.not(readlinkSync(`/proc/${pid}/ns/user`), readlinkSync('/proc/self/ns/user'))
})

t.test(
  "CVE-2014-8989: an ordinary user's container cannot drop groups",
  { skip: needs({ root: 'to become another user', userNamespaces: true, commands: ['setpriv'] }) },
  async (t) => {
    using box = sandbox(t)
    const uid = 4711
    const map = [{ containerID: 0, hostID: uid, size: 1 }]
    const { bundle, rootfs } = prepare(box, {
      script:
        'cat /proc/self/setgroups; for f in /sys/fs/cgroup/x /sys/fs/cgroup/*/x /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do (echo 0 > $f) 2>/dev/null && echo "CVE-2023-25809 $f"; done; true',
      without: ['/sys', '/sys/fs/cgroup', '/dev/mqueue', '/dev/pts'],
      mounts: [{ destination: '/sys', type: 'none', source: '/sys', options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'] }],
      config: {
        process: { rlimits: undefined },
        linux: {
          resources: undefined,
          namespaces: [{ type: 'user' }, { type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'ipc' }],
          uidMappings: map,
          gidMappings: map
        }
      }
    })
    chmodSync(box.directory, 0o755)
    const runtime = join(box.directory, 'run')
    mkdirSync(runtime)
    for (const path of [runtime, bundle, rootfs]) chownSync(path, uid, uid)
    const wrapper = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', 'sh', '-c', 'shift 2; exec "$0" "$@"']
    const env = { XDG_RUNTIME_DIR: runtime }
    const { stdout, stderr } = box.tsrunWith({ wrapper, env }, 'run', '--bundle', bundle, box.id())
    t.equal(stdout, 'deny\n', `${stderr}; and the host's cgroups are not writable: CVE-2023-25809`)
  }
)

t.test('CVE-2022-0492: the cgroups of a container are read-only', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const script =
    'for f in /sys/fs/cgroup/x /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/*/release_agent; do (echo 0 > $f) 2>/dev/null && echo $f; done; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/*/x 2>/dev/null && echo made; true'
  for (const namespaces of [own, [...own, { type: 'cgroup' } as const]]) {
    t.equal(attack(box, { script, config: { linux: { namespaces } } }).stdout, '')
  }
})

t.test('CVE-2015-3630: what the default configuration protects is protected', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { stdout } = attack(box, {
    script: `for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/irq/default_smp_affinity /proc/bus/x /proc/fs/x /sys/kernel/x; do
      (exec 3>>$f) 2>/dev/null && echo "can write $f"; done
      for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug; do [ ! -e $f ] || [ "$(stat -c %t:%T $f)" = 1:3 ] || echo "can read $f"; done
      for d in /proc/acpi /proc/asound /proc/scsi /sys/firmware; do [ -z "$(ls $d 2>/dev/null)" ] || echo "sees $d"; done`
  })
  t.equal(stdout, '')
})

t.test('a mask does not give way to who may not mount', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { stdout } = attack(box, {
    script:
      'umount /proc/timer_list; umount /proc/sys; mount -t proc proc /tmp; mount -o remount,rw /proc/sys; echo x > /proc/sys/kernel/hostname; true'
  })
  t.equal(stdout, '')
})

t.test("keys of the caller's session are out of reach", { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { stdout } = attack(box, { script: 'cat /proc/keys', config: { linux: { maskedPaths: [] } } })
  t.match(stdout, / keyring +_ses\./, 'it has a session keyring of its own')
})

t.test(
  "TIOCSTI: the caller's terminal is not the container's controlling one",
  { skip: needs({ containers: true, commands: ['script'] }) },
  async (t) => {
    using box = sandbox(t)
    const { bundle, id } = prepare(box, { script: '(exec 3</dev/tty) 2>/dev/null && echo reachable; cat /proc/self/stat' })
    const command = join(box.directory, 'call')
    const look = `sh -c '(exec 3</dev/tty) && echo "the caller has a terminal"'`
    writeFileSync(command, `#!/bin/sh\n${look}\nexec ${tsrunPath()} --root ${box.root()} run --bundle ${bundle} ${id}\n`, { mode: 0o755 })
    const { stdout } = call(box.directory, ['script', '--quiet', '--return', '--command', command, '/dev/null'])
    const [first, ...rest] = stdout.replaceAll('\r', '').trimEnd().split('\n')
    t.equal(first, 'the caller has a terminal')
    t.equal(rest.length, 1, stdout)
    t.equal(rest[0]?.split(') ')[1]?.split(' ')[4], '0', 'no controlling terminal (tty_nr, proc_pid_stat(5))')
  }
)

t.test(
  'propagation: no mount of a container is seen on the host, and none is left',
  { skip: needs({ containers: true, host: { CAP_SYS_ADMIN: 'mounts on the host' }, commands: ['unshare'] }) },
  async (t) => {
    using box = sandbox(t)
    const shared = join(box.directory, 'shared')
    mkdirSync(shared)
    const admin = ['CAP_SYS_ADMIN']
    const { bundle, id } = prepare(box, {
      script:
        'mount -t tmpfs inner /volume && mount -t tmpfs inner /tmp && echo mounted; mount --make-rshared / 2>/dev/null; mount -t tmpfs inner /root; true',
      mounts: [volume(shared, '/volume')],
      config: { process: { noNewPrivileges: false, capabilities: { bounding: admin, permitted: admin, effective: admin } } }
    })
    // A namespace that is as shared as most hosts are.
    const host = `mount -t tmpfs shared ${shared} && mount --make-rshared / && before=$(cat /proc/self/mountinfo); "$@"; [ "$before" = "$(cat /proc/self/mountinfo)" ] && echo same`
    const { stdout, stderr } = box.tsrunWith({ wrapper: ['unshare', '--mount', 'sh', '-c', host, 'sh'] }, 'run', '--bundle', bundle, id)
    t.equal(stdout, 'mounted\nsame\n', stderr)
  }
)

t.test('a hook that is a file of the image has the rights of the process, its cgroup, and no terminal', { skip: forIds }, async (t) => {
  using box = sandbox(t)
  const { rootfs } = attack(box, {
    config: {
      process: { user: { uid: 1000, gid: 1000, additionalGids: [7] } },
      hooks: { startContainer: [{ path: '/evil' }] }
    },
    image: (rootfs) => {
      writeFileSync(join(rootfs, 'out'), '', { mode: 0o666 })
      chmodSync(join(rootfs, 'out'), 0o666)
      writeFileSync(
        join(rootfs, 'evil'),
        '#!/bin/sh\n{ cat /proc/self/status /proc/self/cgroup; ls /proc/self/fd; (exec 5</dev/tty) && echo terminal; } > /out 2>&1\nexit 0\n',
        { mode: 0o755 }
      )
    }
  })
  const said = readFileSync(join(rootfs, 'out'), 'utf8')
  t.equal(statusField(said, 'Uid'), '1000\t1000\t1000\t1000')
  t.equal(statusField(said, 'Groups')?.trim(), '7')
  t.equal(statusField(said, 'CapEff'), '0'.repeat(16), 'a user without ambient capabilities has none')
  t.equal(statusField(said, 'CapBnd'), '0000000020000420')
  t.equal(statusField(said, 'NoNewPrivs'), '1')
  if (!needs({ ownCgroup: true })) t.match(said, /:\/.*tsrun-test-/, 'it is in the cgroup of the container')
  t.notMatch(said, /^terminal$/m)
})
