import t from 'tap'
import { everything, minimal, rootless, usual } from './samples.ts'
import type { Config } from './types.ts'
import { warnings } from './warnings.ts'

const pointers = (config: object) => warnings({ ...minimal, ...config } as Config).map(({ pointer }) => pointer)

t.test('nothing is odd in the samples', async (t) => {
  for (const config of [minimal, usual, rootless, everything]) t.strictSame(warnings(config), [])
})

t.test('unknown capabilities', async (t) => {
  t.match(warnings({ ...minimal, process: { cwd: '/', capabilities: { bounding: ['CAP_KILL', 'CAP_FLY'] } } }), [
    { pointer: '/process/capabilities/bounding/1', message: 'ignoring unknown or unavailable capabilities: "CAP_FLY"' }
  ])
})

t.test('relative destinations of mounts', async (t) => {
  t.strictSame(pointers({ mounts: [{ destination: '/a' }, { destination: 'b' }] }), ['/mounts/1/destination'])
})

t.test("a file system's options on a bind mount", async (t) => {
  const options = ['bind', 'size=1m', 'ro', 'mode=755']
  t.strictSame(pointers({ mounts: [{ destination: '/a', source: '/b', options }] }), ['/mounts/0/options/1', '/mounts/0/options/3'])
  t.strictSame(pointers({ mounts: [{ destination: '/a', source: '/b', type: 'bind', options: ['x'] }] }), ['/mounts/0/options/0'])
  t.strictSame(pointers({ mounts: [{ destination: '/a', type: 'tmpfs', options: ['size=1m'] }] }), [])
})

t.test('what only a tmpfs can do', async (t) => {
  t.strictSame(pointers({ mounts: [{ destination: '/a', type: 'proc', options: ['ro', 'tmpcopyup'] }] }), ['/mounts/0/options/1'])
  t.strictSame(pointers({ mounts: [{ destination: '/a', type: 'tmpfs', options: ['tmpcopyup'] }] }), [])
})

t.test('what only a bind mount can do', async (t) => {
  for (const option of ['copy-symlink', 'src-nofollow', 'dest-nofollow']) {
    t.strictSame(pointers({ mounts: [{ destination: '/a', type: 'tmpfs', options: ['ro', option] }] }), ['/mounts/0/options/1'])
    t.strictSame(pointers({ mounts: [{ destination: '/a', source: '/b', options: [option, 'rbind'] }] }), [])
  }
})

t.test('mappings of a namespace that is joined', async (t) => {
  t.strictSame(pointers({ linux: { namespaces: [{ type: 'user', path: '/u' }], uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] } }), [
    '/linux/uidMappings'
  ])
})

t.test('annotations without an effect, here or for this container', async (t) => {
  const at = (...keys: string[]) => keys.map((key) => `/annotations/${key}`)
  t.strictSame(pointers({ annotations: { 'run.oci.handler': 'krun' } }), at('run.oci.handler'))
  t.strictSame(pointers({ annotations: { 'run.oci.timens_offset': 'boottime 1 0' } }), at('run.oci.timens_offset'), 'no time namespace')
  const linux = { ...minimal.linux, namespaces: [{ type: 'time' as const }] }
  t.strictSame(pointers({ annotations: { 'run.oci.timens_offset': 'boottime 1 0' }, linux }), [])
  t.strictSame(
    pointers({ annotations: { 'run.oci.timens_offset': 'boottime 1 0' }, linux: { ...linux, timeOffsets: {} } }),
    at('run.oci.timens_offset'),
    'the offsets of the specification count'
  )
  t.strictSame(pointers({ annotations: { 'run.oci.seccomp.receiver': '/l' } }), at('run.oci.seccomp.receiver'), 'no profile')
  const seccomp = { defaultAction: 'SCMP_ACT_ALLOW' as const }
  t.strictSame(pointers({ annotations: { 'run.oci.seccomp.receiver': '/l' }, linux: { seccomp } }), [])
  const listening = { seccomp: { ...seccomp, listenerPath: '/m' } }
  t.strictSame(pointers({ annotations: { 'run.oci.seccomp.receiver': '/l' }, linux: listening }), at('run.oci.seccomp.receiver'))
})

t.test('misspelt names, but not names that are only unknown', async (t) => {
  t.match(warnings({ ...minimal, hostnam: 'x', 'com.example': 1 } as Config), [
    { pointer: '/hostnam', message: 'ignoring the unknown property "hostnam" (did you mean "hostname"?)' }
  ])
  t.strictSame(pointers({ Hostname: 'x', constructor: 1, hasOwnProperty: 1, toString: 1 }), ['/Hostname'])
  t.strictSame(pointers({ mounts: [{ destination: '/a', option: [] }], hooks: { postStop: [], poststart: [{ path: '/', arg: [] }] } }), [
    '/mounts/0/option',
    '/hooks/postStop',
    '/hooks/poststart/0/arg'
  ])
  t.strictSame(pointers({ linux: { netDevices: { eth0: { nme: 'x' } }, resources: { memory: { limt: 1 }, unified: { limt: '1' } } } }), [
    '/linux/netDevices/eth0/nme',
    '/linux/resources/memory/limt'
  ])
})
