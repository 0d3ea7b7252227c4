import t from 'tap'
import { parseConfig } from './load.ts'
import { specText } from './spec.ts'
import { warnings } from './warnings.ts'

const ids = { euid: 1000, egid: 100 }

t.test('each document is accepted without a warning', async (t) => {
  for (const rootless of [false, true]) {
    for (const cgroupV2 of [false, true]) {
      const config = parseConfig(specText({ rootless, cgroupV2, ...ids }), 'config.json')
      t.strictSame(warnings(config), [])
      t.equal(config.hostname, 'tsrun')
      t.equal(
        config.linux?.namespaces?.some(({ type }) => type === 'cgroup'),
        cgroupV2
      )
    }
  }
})

t.test('is indented with tabs, without a newline at the end', async (t) => {
  const text = specText({ rootless: false, cgroupV2: true, ...ids })
  t.match(text, /^\{\n\t"ociVersion": "1\.3\.0",\n\t"process": \{\n\t\t"terminal": true,/)
  t.ok(text.endsWith('}'))
})

t.test('rootless maps the caller, and needs no rights', async (t) => {
  const { linux, mounts } = parseConfig(specText({ rootless: true, cgroupV2: false, ...ids }), 'config.json')
  t.strictSame(linux?.uidMappings, [{ containerID: 0, hostID: 1000, size: 1 }])
  t.strictSame(linux?.gidMappings, [{ containerID: 0, hostID: 100, size: 1 }])
  t.strictSame(
    linux?.namespaces?.map(({ type }) => type),
    ['pid', 'ipc', 'uts', 'mount', 'user']
  )
  t.equal(linux?.resources, undefined)
  t.strictSame(
    mounts?.map(({ destination, type }) => `${destination} ${type}`),
    ['/proc proc', '/dev tmpfs', '/dev/pts devpts', '/dev/shm tmpfs', '/dev/mqueue mqueue', '/sys none']
  )
  t.notOk(mounts?.[2]?.options?.includes('gid=5'))
})
