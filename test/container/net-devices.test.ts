/** `linux.netDevices` (config-linux.md#network-devices), seen from the container, and from the host when something fails. */
import t from 'tap'
import type { Config } from '../../src/config/types.ts'
import { needs, type Sandbox, sandbox } from '../harness.ts'

const skip = needs({ containers: true, host: { CAP_NET_ADMIN: 'network devices' }, commands: ['ip', 'unshare'] })

/** A "host" of the test's own: a network namespace with a device that has addresses of every kind. */
const HOST = `
ip link set lo up
ip link add dev one type veth peer name other
ip link set other up
ip link set one mtu 1400 address 02:00:00:00:00:01
ip addr add 192.0.2.7/24 broadcast 192.0.2.255 dev one label one:web
ip addr add 198.51.100.9/32 dev one
ip -6 addr add 2001:db8::7/64 dev one nodad
ip addr add 192.0.2.77/24 dev one valid_lft 1000 preferred_lft 1000
ip addr add 169.254.3.3/16 scope link dev one
ip link set one up
`

/** Runs the runtime on that host, and then a script there. */
function run(
  box: Sandbox,
  netDevices: NonNullable<Config['linux']>['netDevices'],
  more: Partial<Config> = {},
  { before = '', after = 'true', args = ['/bin/true'] as readonly string[] } = {}
) {
  const bundle = box.bundle((config) => ({
    ...config,
    process: { ...config.process, args },
    ...more,
    linux: { ...config.linux, ...more.linux, netDevices }
  }))
  const script = `${HOST}${before}\n"$@"; status=$?; ${after}; exit $status`
  return box.tsrunWith({ wrapper: ['unshare', '--net', '--mount', 'sh', '-c', script, 'sh'] }, 'run', '--bundle', bundle, box.id())
}

const IP = ['/bin/sh', '-c', 'busybox ip -o link; busybox ip -o addr'] as const

t.test('a device moves with its addresses, gets its name and is up', { skip }, async (t) => {
  using box = sandbox(t)
  const { stdout, stderr, status } = run(box, { one: { name: 'wan' } }, {}, { args: IP })
  t.equal(status, 0, stderr)
  t.match(stdout, /wan@.*UP.*mtu 1400/)
  t.match(stdout, /02:00:00:00:00:01/)
  t.match(stdout, /inet 192\.0\.2\.7\/24 brd 192\.0\.2\.255 scope global wan:web/)
  t.match(stdout, /inet 198\.51\.100\.9\/32 scope global wan/)
  t.match(stdout, /inet6 2001:db8::7\/64 scope global/)
  t.notMatch(stdout, /192\.0\.2\.77/, 'it is not permanent')
  t.notMatch(stdout, /169\.254\.3\.3/, 'it is not global')
})

t.test('without a name it keeps its own; %d is a number that is free', { skip }, async (t) => {
  using box = sandbox(t)
  t.match(run(box, { one: {} }, {}, { args: IP }).stdout, / one@.*UP/)
  const before = 'ip link add two type veth peer name deux'
  const { stdout, stderr } = run(box, { one: { name: 'eth%d' }, two: { name: 'eth%d' } }, {}, { args: IP, before })
  t.match(stdout, /eth0@/, stderr)
  t.match(stdout, /eth1@/)
})

t.test('hooks find the device in the container, and not on the host', { skip }, async (t) => {
  using box = sandbox(t)
  const hook = (script: string) => [{ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] }]
  const log = `${box.directory}/log`
  const hooks = {
    createRuntime: hook(`ip -o link show one > ${log} 2>&1; true`),
    createContainer: hook(`ip -o link show one >> ${log} 2>&1; true`)
  }
  const { status, stderr } = run(box, { one: {} }, { hooks })
  t.equal(status, 0, stderr)
  const { readFileSync } = await import('node:fs')
  t.match(readFileSync(log, 'utf8'), /does not exist.*one@.*UP/s)
})

const SHOW = 'ip -o link show; ip -o addr show dev one'

t.test('a name that is taken, a device that is not there: an error, and all devices are where they were', { skip }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const missing = run(box, { one: {}, 'not~there': { name: 'x' } }, {}, { after: SHOW })
  t.equal(missing.status, 1)
  t.match(missing.stderr, /cannot move the network device "not~there" into the container: .*ENODEV.* \[\/linux\/netDevices\/not~0there\]/)
  const taken = run(box, { one: { name: 'lo' } }, {}, { after: SHOW })
  t.equal(taken.status, 1)
  t.match(taken.stderr, /the container has a network device "lo" already.*\[\/linux\/netDevices\/one\]/)
  for (const { stdout } of [missing, taken]) {
    t.match(stdout, /one@.*UP.*mtu 1400/)
    t.match(stdout, /inet 192\.0\.2\.7\/24 brd 192\.0\.2\.255 scope global one:web/)
    t.match(stdout, /inet6 2001:db8::7\/64 scope global/)
  }
  t.same(await box.leftovers(before), [])
})

t.test('a creation that fails later puts it back, with name and addresses', { skip }, async (t) => {
  using box = sandbox(t)
  for (const more of [
    { hooks: { createRuntime: [{ path: '/bin/false' }] } },
    { root: { path: 'rootfs' }, mounts: [{ destination: '/x', type: 'nonsense', source: 'x' }] }
  ]) {
    const { stdout, stderr, status } = run(box, { one: { name: 'wan' } }, more, { after: SHOW })
    t.equal(status, 1)
    t.notMatch(stderr, /put the network device/, 'no warning')
    t.match(stdout, /one@.*UP.*mtu 1400/, stderr)
    t.match(stdout, /inet 192\.0\.2\.7\/24 brd 192\.0\.2\.255 scope global one:web/)
    t.match(stdout, /inet6 2001:db8::7\/64 scope global/)
  }
})

t.test('a namespace that is joined', { skip }, async (t) => {
  using box = sandbox(t)
  const path = `${box.directory}/netns`
  const before = `touch ${path}; unshare --net=${path} true`
  const linux = { namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'network', path }] } as Config['linux']
  const after = `nsenter --net=${path} ip -o addr show dev wan; umount ${path}`
  const { stdout, stderr, status } = run(box, { one: { name: 'wan' } }, { linux: linux! }, { before, after })
  t.equal(status, 0, stderr)
  t.match(stdout, /inet 192\.0\.2\.7\/24 .*wan:web/, 'it stays there')
})

t.test('with a user namespace, and without a pid namespace', { skip }, async (t) => {
  using box = sandbox(t)
  const map = [{ containerID: 0, hostID: 0, size: 65536 }]
  const types = ['mount', 'uts', 'ipc', 'network'] as const
  for (const more of [['user', 'pid'], []] as const) {
    const namespaces = [...types, ...more].map((type) => ({ type }))
    const maps = more.length > 0 ? { uidMappings: map, gidMappings: map } : {}
    const { stdout, stderr, status } = run(box, { one: { name: 'wan' } }, { linux: { namespaces, ...maps } }, { args: IP })
    t.equal(status, 0, stderr)
    t.match(stdout, /inet 192\.0\.2\.7\/24 .*wan:web/, more.join())
  }
})
