import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import t from 'tap'
import { everything } from './samples.ts'

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder))
}
const root = findRoot(dirname(fileURLToPath(import.meta.url)))
const schema = (name: string): object => JSON.parse(readFileSync(join(root, 'schemas', `${name}.json`), 'utf8')) as object

t.test('what is generated is fresh', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/run.mjs', 'scripts/generate-config.ts', '--check'], {
    cwd: root,
    encoding: 'utf8'
  })
  t.equal(status, 0, stderr)
})

t.test('nothing generated imports anything', async (t) => {
  for (const name of ['types', 'validate', 'names']) {
    t.notMatch(readFileSync(join(root, `src/config/generated/${name}.ts`), 'utf8'), /\b(?:import|require)\b\s*[({'"*]/, name)
  }
})

const ajv = new Ajv({ allowUnionTypes: true })
ajv.addKeyword('tsType')
for (const name of ['config', 'process', 'state', 'features']) ajv.addSchema(schema(name))

t.test('config.json and process.json are schemas of their own', async (t) => {
  t.ok(ajv.validate('config.json', everything))
  t.ok(ajv.validate('process.json', everything.process))
  t.notOk(ajv.validate('process.json', {}))
})

t.test('state', async (t) => {
  const state = { ociVersion: '1.3.0', id: 'a', status: 'running', pid: 1, bundle: '/b', annotations: { a: 'b' }, owner: '' }
  t.ok(ajv.validate('state.json', state))
  t.ok(ajv.validate('state.json', { ociVersion: '1.3.0', id: 'a', status: 'stopped', bundle: '/b' }))
  for (const [key, value] of Object.entries({ id: '', status: 'asleep', pid: -1, bundle: 'b', annotations: { a: 1 }, ociVersion: 'x' })) {
    t.notOk(ajv.validate('state.json', { ...state, [key]: value }), key)
  }
  t.notOk(ajv.validate('state.json', { ...state, pid: undefined }), 'a running container has a pid')
})

t.test('features', async (t) => {
  t.ok(ajv.validate('features.json', { ociVersionMin: '1.0.0', ociVersionMax: '1.3.0' }))
  t.ok(
    ajv.validate('features.json', {
      ociVersionMin: '1.0.0',
      ociVersionMax: '1.3.0',
      hooks: null,
      linux: { namespaces: ['pid'], cgroup: { v1: true, rdma: null } }
    })
  )
  t.notOk(ajv.validate('features.json', { ociVersionMin: '1.0.0' }))
  t.notOk(ajv.validate('features.json', { ociVersionMin: '1.0.0', ociVersionMax: '1.3.0', linux: { selinux: { enabled: 'yes' } } }))
})
