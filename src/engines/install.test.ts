import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { type EngineName, engineFiles } from './files.ts'
import { perform, planInstall, planUninstall } from './install.ts'

const executable = '/opt/tsrun/tsrun'

/** An /etc of its own, with a file of an engine in it. */
function place(directory: string, engine: EngineName, text?: string, mode = 0o644) {
  const path = join(directory, engineFiles[engine].path)
  if (text !== undefined) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { mode })
  }
  const installation = { engine, executable, directory }
  return {
    path,
    install: () => perform(planInstall(installation), false),
    uninstall: () => perform(planUninstall(installation), true),
    text: () => readFileSync(path, 'utf8')
  }
}

t.test('where nothing was, nothing stays', async (t) => {
  for (const engine of ['podman', 'containerd', 'docker'] as const) {
    const { path, install, uninstall, text } = place(t.testdir(), engine)
    install()
    t.match(text(), executable, engine)
    t.equal(statSync(path).mode & 0o777, 0o644)
    t.same(readdirSync(dirname(path)).length, 1, 'no backup of nothing')
    uninstall()
    t.notOk(existsSync(path), engine)
    t.throws(uninstall, { code: 'not-found' })
  }
})

const CONTAINERD = `# ours
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
`
const DOCKER = '{"log-level": "warn",\n "default-runtime": "crun", "runtimes": {"crun": {"path": "/usr/bin/crun"}}}\n'

t.test('what was there stays, is kept, and comes back to the byte', async (t) => {
  for (const [engine, former] of [
    ['containerd', CONTAINERD],
    ['docker', DOCKER],
    ['podman', '# mine\n']
  ] as const) {
    const { path, install, uninstall, text } = place(t.testdir(), engine, former, 0o600)
    install()
    t.equal(readFileSync(`${path}.before-tsrun`, 'utf8'), former)
    t.equal(statSync(path).mode & 0o777, 0o600, 'who may read it stays')
    const first = text()
    install()
    t.equal(text(), first, 'once more changes nothing')
    uninstall()
    t.equal(text(), former, engine)
    t.notOk(existsSync(`${path}.before-tsrun`))
  }
})

t.test('later changes stay as well', async (t) => {
  const docker = place(t.testdir(), 'docker', DOCKER)
  docker.install()
  writeFileSync(docker.path, JSON.stringify({ ...JSON.parse(docker.text()), debug: true }))
  docker.uninstall()
  const expected = { 'log-level': 'warn', debug: true, 'default-runtime': 'crun', runtimes: { crun: { path: '/usr/bin/crun' } } }
  t.same(JSON.parse(docker.text()), expected)
  const containerd = place(t.testdir(), 'containerd', CONTAINERD)
  containerd.install()
  writeFileSync(containerd.path, `${containerd.text()}\n[debug]\nlevel = "info"\n`)
  containerd.uninstall()
  t.equal(containerd.text(), `${CONTAINERD}\n[debug]\nlevel = "info"\n`)
})

t.test('containerd: the version decides, and its own default runtime is kept', async (t) => {
  const { add } = engineFiles.containerd
  t.match(add('version = 3\n', executable), '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.tsrun]')
  t.match(add(undefined, executable), 'containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"')
  const own = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n'
  t.equal(add(own, executable).match(/runtimes\.runc\]/g)?.length, 1, 'no table twice')
  t.throws(() => add('[plugins.cri]\n', executable), { code: 'unsupported', message: /no version/ })
  t.throws(() => add('version = 9\n', executable), { code: 'unsupported', message: /version 9/ })
  t.throws(() => add('version = 2\n[plugins.x.containerd.runtimes.tsrun]\n', executable), { code: 'exists' })
})

t.test('a file that cannot be added to stays as it is', async (t) => {
  const { install, text } = place(t.testdir(), 'docker', '{"a": ')
  t.throws(install, { code: 'config', message: 'daemon.json is no JSON object' })
  t.equal(text(), '{"a": ')
  t.throws(() => engineFiles.docker.add('[]', executable), { code: 'config' })
  const blocked = t.testdir({ docker: 'a file' })
  t.throws(() => perform(planInstall({ engine: 'docker', executable, directory: blocked }), false), {
    code: 'system',
    message: /daemon\.json/
  })
})
