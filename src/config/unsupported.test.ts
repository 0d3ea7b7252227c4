import t from 'tap'
import { everything, minimal, rootless, usual } from './samples.ts'
import type { Config } from './types.ts'
import { unsupported, unsupportedProblems } from './unsupported.ts'

t.test('the usual documents ask for nothing that is not supported', async (t) => {
  for (const config of [minimal, usual, rootless]) t.strictSame(unsupportedProblems(config, 'config'), [])
})

t.test('every row refuses what asks for it', async (t) => {
  const all: Config = {
    ...everything,
    linux: { ...everything.linux, personality: { domain: 'LINUX32', flags: ['X'] } }
  }
  const refused = unsupportedProblems(all, 'config').map(({ pointer }) => pointer.replaceAll(/\/\d+/g, '/*'))
  for (const { at, only } of unsupported) t.equal(refused.includes(at), only !== 'exec', at)
})

t.test('empty values ask for nothing', async (t) => {
  const empty = {
    process: { apparmorProfile: '', selinuxLabel: '', execCPUAffinity: { initial: '0' } },
    mounts: [{ destination: '/a', uidMappings: [], gidMappings: [], options: ['rw', 'idmapped', 'size=1'] }],
    linux: { mountLabel: '', netDevices: {}, personality: { domain: 'LINUX', flags: [] } }
  }
  t.strictSame(unsupportedProblems(empty, 'config'), [])
})
