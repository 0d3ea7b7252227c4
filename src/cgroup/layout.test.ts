import t from 'tap'
import { parseLayout } from './layout.ts'

const line = (root: string, mountpoint: string, type: string, options: string) =>
  `31 23 0:28 ${root} ${mountpoint} rw,relatime shared:9 - ${type} ${type} ${options}\n`
const noise = '24 30 0:22 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n'

t.test('a v2 host', async (t) => {
  const { mode, hierarchies } = parseLayout(
    noise + line('/', '/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate') + noise,
    '0::/user.slice/a.scope\n'
  )
  t.equal(mode, 'v2')
  t.same(hierarchies, [{ version: 2, mountpoint: '/sys/fs/cgroup', controllers: [], own: '/user.slice/a.scope' }])
})

t.test('a v1 hierarchy on the side does not make a v2 host hybrid', async (t) => {
  const { mode, hierarchies } = parseLayout(
    line('/', '/opt/vpn/net_cls', 'cgroup', 'rw,net_cls') + line('/', '/sys/fs/cgroup', 'cgroup2', 'rw'),
    '1:net_cls:/\n0::/\n'
  )
  t.equal(mode, 'v2')
  t.equal(hierarchies.length, 1)
})

t.test('a v1 host with controllers that share a hierarchy, and a named one', async (t) => {
  const { mode, hierarchies } = parseLayout(
    line('/', '/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct') +
      line('/', '/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,name=systemd'),
    '4:cpu,cpuacct:/a:b\n1:name=systemd:/\n'
  )
  t.equal(mode, 'v1')
  t.same(
    hierarchies.map(({ controllers, own }) => [controllers, own]),
    [
      [['cpu', 'cpuacct'], '/a:b'],
      [['name=systemd'], '/']
    ]
  )
})

t.test('options after the controllers do not hide them', async (t) => {
  const { hierarchies } = parseLayout(line('/', '/sys/fs/cgroup/cpuset', 'cgroup', 'rw,cpuset,noprefix,release_agent=/x'), '4:cpuset:/\n')
  t.same(hierarchies[0]?.controllers, ['cpuset'])
})

t.test('a hybrid host', async (t) => {
  const { mode } = parseLayout(
    line('/', '/sys/fs/cgroup/unified', 'cgroup2', 'rw') + line('/', '/sys/fs/cgroup/pids', 'cgroup', 'rw,pids'),
    '2:pids:/\n0::/\n'
  )
  t.equal(mode, 'hybrid')
})

t.test('in a container, the own cgroup is seen from the root of the mount', async (t) => {
  const own = (root: string, path: string) =>
    parseLayout(line(root, '/sys/fs/cgroup/pids', 'cgroup', 'rw,pids'), `2:pids:${path}\n`).hierarchies[0]?.own
  t.equal(own('/docker/1', '/docker/1/below'), '/below')
  t.equal(own('/docker/1', '/docker/1'), '/')
  t.equal(own('/docker/1', '/docker/12'), '/')
  t.equal(own('/', '/../..'), '/')
})

t.test('of several mounts of one hierarchy the one below /sys/fs/cgroup is taken', async (t) => {
  const { hierarchies } = parseLayout(
    line('/', '/var/lib/box/pids', 'cgroup', 'rw,pids') +
      line('/', '/sys/fs/cgroup/pids', 'cgroup', 'rw,pids') +
      line('/', '/mnt/pids', 'cgroup', 'rw,pids'),
    '2:pids:/\n'
  )
  t.same(
    hierarchies.map(({ mountpoint }) => mountpoint),
    ['/sys/fs/cgroup/pids']
  )
})

t.test('spaces in mount points', async (t) => {
  t.equal(parseLayout(line('/', '/a\\040b', 'cgroup2', 'rw'), '0::/\n').hierarchies[0]?.mountpoint, '/a b')
})

t.test('a host without cgroups', async (t) => {
  t.same(parseLayout(noise, ''), { mode: 'none', hierarchies: [] })
})
