import t from 'tap'
import type { Config } from '../config/types.ts'
import { cgroupOwner } from './delegate.ts'

const mount = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid'] }
const mapping = [
  { containerID: 0, hostID: 100000, size: 1000 },
  { containerID: 1000, hostID: 300000, size: 10 }
]
const config = (uid: number, more: Partial<Config> = {}): Config => ({
  ociVersion: '1.0.2',
  process: { user: { uid, gid: 0 }, cwd: '/', args: ['x'] },
  mounts: [mount],
  linux: { namespaces: [{ type: 'cgroup' }, { type: 'user' }], uidMappings: mapping },
  ...more
})

t.test("the owner of a cgroup is the host's id of the container's user", async (t) => {
  t.equal(cgroupOwner(config(0)), 100000)
  t.equal(cgroupOwner(config(1005)), 300005)
  t.equal(cgroupOwner(config(5000)), undefined, 'not mapped')
  t.equal(cgroupOwner(config(7, { linux: { namespaces: [{ type: 'cgroup' }] } })), 7, 'no user namespace')
})

t.test('a cgroup is given to nobody without a cgroup namespace of its own, or a file system that can be written', async (t) => {
  t.equal(cgroupOwner(config(0, { linux: { namespaces: [{ type: 'user' }], uidMappings: mapping } })), undefined)
  t.equal(cgroupOwner(config(0, { linux: { namespaces: [{ type: 'cgroup', path: '/proc/1/ns/cgroup' }] } })), undefined)
  t.equal(cgroupOwner(config(0, { mounts: [{ ...mount, options: ['ro'] }] })), undefined)
  t.equal(cgroupOwner(config(0, { mounts: [] })), undefined)
})
