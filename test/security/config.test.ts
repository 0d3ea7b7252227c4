/** A hostile config.json: what the runtime does with it must be what it says, and to the container alone. */
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, Namespace } from '../../src/config/types.ts'
import { DEFAULT_CONFIG, type Overrides } from '../config.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'
import { attack, exchanging, outside, prepare, statusField, volume } from './attack.ts'

const forMounts = needs({ containers: true, host: { CAP_SYS_ADMIN: 'namespaces to lose' }, commands: ['unshare'] })
const forDevices = needs({ containers: true, host: { CAP_MKNOD: 'device nodes' } })

/** The error for a configuration; no state may be left. */
function refusal(box: Sandbox, config: Overrides<Config>): string {
  const { bundle, id } = prepare(box, { config })
  const { status, stderr } = box.tsrun('run', '--bundle', bundle, id)
  const left = existsSync(box.root()) ? readdirSync(box.root()) : []
  return [status === 1 ? stderr : `status ${status}: ${stderr}`, ...left].join('\n')
}

t.test(
  'CVE-2024-40635, CVE-2026-46680: ids beyond 32 bits, -1 and fractions are refused, the greatest are not wrapped',
  { skip: needs({ containers: true, ids: 4_294_967_295 }) },
  async (t) => {
    using box = sandbox(t)
    for (const uid of [-1, 4294967295, 4294967296, 2 ** 32 + 1000, 2 ** 64, 1.5, 1e300]) {
      t.match(refusal(box, { process: { user: { uid } } }), /\/process\/user\/uid/, `uid ${uid}`)
      t.match(refusal(box, { process: { user: { additionalGids: [uid] } } }), /\/process\/user\/additionalGids\/0/, `gid ${uid}`)
    }
    const user = { uid: 4294967294, gid: 3000000000, additionalGids: [4294967293, 2147483648] }
    const { stdout, stderr } = attack(box, { script: 'cat /proc/self/status', config: { process: { user } } })
    t.equal(statusField(stdout, 'Uid'), new Array(4).fill(user.uid).join('\t'), stderr)
    t.equal(statusField(stdout, 'Gid'), new Array(4).fill(user.gid).join('\t'))
    t.equal(statusField(stdout, 'Groups')?.trim(), '2147483648 4294967293')
  }
)

t.test('CVE-2021-43784: id maps that are too large are an error, and not fewer namespaces', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const namespaces: Namespace[] = [...DEFAULT_CONFIG.linux!.namespaces!, { type: 'user' }]
  for (const count of [341, 20_000]) {
    const map = Array.from({ length: count }, (_, i) => ({ containerID: i, hostID: 100_000 + i, size: 1 }))
    t.match(refusal(box, { linux: { namespaces, uidMappings: map, gidMappings: map } }), `must have at most 340 entries, not ${count}`)
  }
  const wraps = [{ containerID: 1, hostID: 4294967290, size: 10 }]
  t.match(refusal(box, { linux: { namespaces, uidMappings: wraps, gidMappings: wraps } }), /\/linux\/uidMappings\/0\/size/)
})

t.test('runc#4103: the name of a huge page size is no path', { skip: unable }, async (t) => {
  using box = sandbox(t)
  for (const pageSize of ['../../x', '2MB/../../../x', '.', 'x', '2MB\n']) {
    t.match(refusal(box, { linux: { resources: { hugepageLimits: [{ pageSize, limit: 0 }] } } }), /hugepageLimits|[Hh]uge/, pageSize)
  }
})

t.test('CVE-2022-0811: sysctls are those of the namespaces, by every spelling', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const before = readFileSync('/proc/sys/kernel/core_pattern', 'latin1')
  const names = [
    ...[
      'kernel.core_pattern',
      'kernel/core_pattern',
      'net.ipv4.../../kernel/core_pattern',
      'net/../kernel/core_pattern',
      'net/ipv4/../../kernel/core_pattern'
    ],
    ...[
      'kernel.shmmax/../core_pattern',
      './kernel/core_pattern',
      '/kernel/core_pattern',
      'kernel//core_pattern',
      'fs.mqueue.../../kernel/core_pattern',
      ''
    ],
    ...['net', 'net.', '../sysrq-trigger', 'vm.drop_caches', 'kernel.shm_rmid_forced\0', 'net.ipv4.ip_forward\n']
  ]
  for (const name of names) t.match(refusal(box, { linux: { sysctl: { [name]: '|/evil' } } }), /sysctl/, JSON.stringify(name))
  const several = refusal(box, { linux: { sysctl: { 'kernel.shm_rmid_forced': '1+kernel.core_pattern=|/evil' } } })
  t.match(several, /set the sysctl "kernel.shm_rmid_forced".*EINVAL/)
  t.equal(readFileSync('/proc/sys/kernel/core_pattern', 'latin1'), before)
})

t.test('the path of a cgroup does not lead out, and no key of `unified` moves processes of the host', { skip: unable }, async (t) => {
  using box = sandbox(t)
  for (const cgroupsPath of ['/../x', '../../x', '/', '/.', '//']) t.match(refusal(box, { linux: { cgroupsPath } }), /cgroup/, cgroupsPath)
  for (const key of ['../x', 'a/b', '..', 'cgroup.procs', 'cgroup.threads', 'cgroup.kill']) {
    t.match(refusal(box, { linux: { resources: { unified: { [key]: String(process.pid) } } } }), /unified resource/, key)
  }
})

const joined = (type: Namespace['type'], path: string): readonly Namespace[] =>
  DEFAULT_CONFIG.linux!.namespaces!.map((namespace) => (namespace.type === type ? { type, path } : namespace))

t.test("the runtime's own namespaces under other names", { skip: forMounts }, async (t) => {
  using box = sandbox(t)
  // Whatever may happen, happens in namespaces that end with this call.
  const wrapper = [
    'unshare',
    '--mount',
    '--uts',
    '--net',
    '--propagation',
    'private',
    'sh',
    '-c',
    '"$@"; status=$?; cat /proc/self/mountinfo | wc -l; hostname; exit $status',
    'sh'
  ]
  const ttl = { 'net.ipv4.ip_default_ttl': '77' }
  const cases: readonly (readonly [Namespace['type'], string, Overrides<Config>, RegExp])[] = [
    ['uts', 'uts', { hostname: 'evil' }, /unable to set hostname without a private UTS namespace/],
    ['network', 'net', { linux: { sysctl: ttl } }, /sysctl "net.ipv4.ip_default_ttl" is not in a separate kernel namespace/],
    ['mount', 'mnt', { linux: { maskedPaths: [], readonlyPaths: [] } }, /must not be the mount namespace of the runtime/]
  ]
  for (const [type, file, config, message] of cases) {
    for (const directory of ['/proc/self/../self/ns', '/proc/self/task/../ns', '//proc/self/ns', '/proc/thread-self/../../ns']) {
      const { bundle, id } = prepare(box, {
        config: {
          hostname: undefined,
          linux: { namespaces: joined(type, `${directory}/${file}`), ...config.linux },
          ...(config.hostname === undefined ? {} : { hostname: config.hostname })
        }
      })
      const { stdout, stderr, status } = box.tsrunWith({ wrapper }, 'run', '--bundle', bundle, id)
      t.equal(status, 1, `${directory}/${file}`)
      t.match(stderr, message)
      t.notMatch(stdout, /evil/)
      t.ok(Number(stdout.split('\n')[0]) > 5, 'the mounts are still there')
    }
  }
})

t.test('a config without capabilities gives none', { skip: unable }, async (t) => {
  using box = sandbox(t)
  for (const capabilities of [undefined, { bounding: [], permitted: [], effective: [] }]) {
    const { stdout } = attack(box, { script: 'cat /proc/self/status', config: { process: { capabilities, noNewPrivileges: false } } })
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) t.equal(statusField(stdout, set), '0'.repeat(16), set)
  }
})

t.test('strings with a NUL, which the kernel would see the beginning of', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const configs: Overrides<Config>[] = [
    { process: { args: ['/bin/true\0x'] } },
    { process: { cwd: '/tmp\0/x' } },
    { process: { env: ['A=b\0C=d'] } },
    { root: { path: 'rootfs\0x' } },
    { hostname: 'a\0b' },
    { mounts: [volume('/etc\0/x', '/mnt')] },
    { mounts: [{ destination: '/mnt', type: 'tmpfs', options: ['size=1k\0x'] }] },
    { linux: { maskedPaths: ['/proc/kcore\0x'] } },
    { hooks: { prestart: [{ path: '/bin/true\0x' }] } }
  ]
  for (const config of configs) t.match(refusal(box, config), /must not contain a NUL byte/)
})

t.test('CVE-2022-1708: a config.json that is no file, has no end, or changes while it is read', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle } = prepare(box, {})
  const file = join(bundle, 'config.json')
  const good = readFileSync(file)
  for (const target of ['/dev/zero', '/dev/tty', '/proc/kmsg', '/proc/self/mem', '/sys/kernel/debug', '/dev/stdin', 'config.json']) {
    rmSync(file)
    symlinkSync(target, file)
    const { status, stderr } = box.tsrunWith({ timeoutMs: 5000 }, 'run', '--bundle', bundle, box.id())
    t.equal(status, 1, target)
    t.notMatch(stderr, /this is a bug/)
  }
  rmSync(file)
  writeFileSync(file, good)
  symlinkSync('/dev/zero', join(bundle, 'endless'))
  using _ = exchanging(box, file, join(bundle, 'endless'), 50_000)
  for (let i = 0; i < 20; i++) {
    const { status, stderr } = box.tsrunWith({ timeoutMs: 5000 }, 'run', '--bundle', bundle, box.id())
    if (status !== 0 && !/not a regular file|config.json/.test(stderr)) t.fail(`${status} ${stderr}`)
  }
})

t.test('what a config, an image or a hook says cannot command a terminal, nor pass for a line of ours', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const evil = '\x1b]0;evil\x07\x9b31m\nhint: run this\r\n{"level":"info"}\u202e'
  const configs: Overrides<Config>[] = [
    { process: { args: [`/x${evil}`] } },
    { process: { cwd: `x${evil}` } },
    { linux: { maskedPaths: [`/etc/passwd/${evil}`] } },
    { linux: { readonlyPaths: [`/etc/passwd/${evil}`] } },
    { linux: { devices: [{ path: `/etc/passwd/${evil}`, type: 'c', major: 1, minor: 3 }] } },
    { mounts: [{ destination: '/mnt', type: `x${evil}` }] },
    { mounts: [volume(`/nothing${evil}`, '/mnt')] },
    { root: { path: `x${evil}` } },
    { hooks: { createRuntime: [{ path: `/x${evil}` }] } },
    { hooks: { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', `printf '%s' '${evil}' >&2; exit 1`] }] } }
  ]
  for (const config of configs) {
    const { bundle, id } = prepare(box, { config })
    const log = join(box.directory, `log-${id}`)
    const { stderr, status } = box.tsrun('--log', log, '--log-format', 'json', 'run', '--bundle', bundle, id)
    const lines = readFileSync(log, 'utf8')
    t.equal(status, 1)
    t.notMatch(stderr, /(?![\n\t])[\p{Cc}\u202e]/u)
    t.notMatch(stderr, /^(?:hint: run|\{)/m)
    t.equal(lines.trimEnd().split('\n').length, 1, 'one line in the log')
    t.match(JSON.parse(lines), { level: 'error' })
  }
})

t.test(
  'CVE-2015-3627: standard streams are what the caller has given, and a device of the config is one',
  { skip: forDevices },
  async (t) => {
    using box = sandbox(t)
    const host = outside(box)
    const before = host.look()
    const { stdout } = attack(box, {
      script: 'readlink /proc/self/fd/0; echo evil > /dev/stdin; ls /proc/self/fd',
      config: { linux: { devices: [{ path: '/dev/odd', type: 'c', major: 1, minor: 3, fileMode: 0o160666 }] } }
    })
    t.match(stdout, /^\/dev\/null\n0\n1\n2\n3\n$/)
    t.same(host.look(), before)
  }
)
