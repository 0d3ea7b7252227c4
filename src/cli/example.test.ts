import t from 'tap'
import { exampleConfig } from './example.ts'

t.test('the example is a shell on a read-only root', async (t) => {
  const config = exampleConfig({ cgroup2: false })
  t.match(config, { ociVersion: '1.3.0', process: { args: ['sh'], terminal: true, cwd: '/' }, root: { path: 'rootfs', readonly: true } })
  t.same(
    config.linux?.namespaces?.map(({ type }) => type),
    ['pid', 'network', 'ipc', 'uts', 'mount']
  )
  t.same(exampleConfig({ cgroup2: true }).linux?.namespaces?.at(-1), { type: 'cgroup' })
})

t.test('the rootless one asks for nothing that an ordinary user may not do', async (t) => {
  const config = exampleConfig({ cgroup2: false, rootless: { uid: 1000, gid: 1001 } })
  t.same(config.linux?.uidMappings, [{ containerID: 0, hostID: 1000, size: 1 }])
  t.same(config.linux?.gidMappings, [{ containerID: 0, hostID: 1001, size: 1 }])
  t.same(
    config.linux?.namespaces?.map(({ type }) => type),
    ['pid', 'ipc', 'uts', 'mount', 'user']
  )
  t.equal(config.linux?.resources, undefined)
  t.match(
    config.mounts?.find(({ destination }) => destination === '/sys'),
    { type: 'none', source: '/sys' }
  )
  t.notOk(config.mounts?.some(({ options }) => options?.includes('gid=5')))
  t.notOk(config.mounts?.some(({ type }) => type === 'cgroup'))
  t.ok(exampleConfig({ cgroup2: true, rootless: { uid: 1, gid: 1 } }).mounts?.some(({ type }) => type === 'cgroup'))
})
