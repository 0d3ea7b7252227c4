import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { danglingPaths } from './dangling.ts'

t.test('only paths through symlinks to nothing, and where in the root they lead', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'tsrun-dangling-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'etc'))
  writeFileSync(join(root, 'etc/hosts'), '')
  const link = (path: string, target: string): void => symlinkSync(target, join(root, path))
  link('etc/resolv.conf', '../run/resolve/stub.conf')
  link('etc/absolute', '/etc/resolv.conf')
  link('etc/names', 'hosts')
  link('up', '../../../../../../../../etc/passwd')
  link('loop', 'loop')
  link('var', './etc')
  const paths = [
    '/etc/hosts',
    '/etc/none',
    '/etc/names',
    '/etc/resolv.conf',
    'etc/absolute/x/../y',
    '/up',
    '/loop/x',
    '/var/new',
    '/etc/hosts/x'
  ]
  t.strictSame(danglingPaths(root, paths), {
    '/etc/resolv.conf': '/run/resolve/stub.conf',
    'etc/absolute/x/../y': '/run/resolve/stub.conf/y',
    '/up': '/etc/passwd',
    '/var/new': '/etc/new'
  })
})
