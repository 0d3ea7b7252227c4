import t from 'tap'
import { engineFiles } from '../../src/engines/files.ts'
import { configFiles, forRuntime } from './page.ts'

const EXECUTABLE = '/usr/local/sbin/tsrun'

t.test('the page shows what tsrun install writes', async (t) => {
  for (const [section, engine] of [
    ['Podman', 'podman'],
    ['containerd', 'containerd'],
    ['Docker', 'docker']
  ] as const) {
    const { path, add } = engineFiles[engine]
    const written = add(undefined, EXECUTABLE).replace(/^# (begin|end) tsrun install\n/gm, '')
    t.same(configFiles(section), [{ path: `/etc/${path}`, text: written }], section)
  }
})

t.test('files of the page are found by their paths', async (t) => {
  const page = '# Title\n\n## One\n\n`/etc/a/b.conf`, as root:\n\n```toml\nx = 1\n```\n\n`not/etc`\n\n```\nno\n```\n\n## Two\n'
  t.same(configFiles('One', page), [{ path: '/etc/a/b.conf', text: 'x = 1\n' }])
  t.throws(() => configFiles('Two', page), /no file of Two/)
  t.throws(() => configFiles('Three', page), /no part "Three"/)
})

t.test('another runtime in the same places', async (t) => {
  const text = 'runtime = "tsrun"\n[engine.runtimes]\ntsrun = ["/usr/local/sbin/tsrun"]\n'
  const other = forRuntime({ path: '/etc/x', text }, 'crun', '/usr/bin/crun')
  t.equal(other.text, 'runtime = "crun"\n[engine.runtimes]\ncrun = ["/usr/bin/crun"]\n')
})
