import t from 'tap'
import { sliceDirectory, unitDirectory, unitOf } from './systemd.names.ts'

const rootful = { rootless: false }

t.test('the parts of a path, and what stands for an empty one', async (t) => {
  t.same(unitOf('machine.slice:libpod:abc', 'box', rootful), { slice: 'machine.slice', unit: 'libpod-abc.scope' })
  t.same(unitOf('system.slice:docker:abc', 'box', rootful), { slice: 'system.slice', unit: 'docker-abc.scope' })
  t.same(unitOf('::abc', 'box', rootful), { slice: 'system.slice', unit: 'abc.scope' })
  t.same(unitOf('::abc', 'box', { rootless: true }), { slice: 'user.slice', unit: 'abc.scope' })
  t.same(unitOf(undefined, 'box', rootful), { slice: 'system.slice', unit: 'tsrun-box.scope' })
  t.same(unitOf('', 'box', { rootless: true }), { slice: 'user.slice', unit: 'tsrun-box.scope' })
  t.same(unitOf('a.slice:pre:a-b.slice', 'box', rootful), { slice: 'a.slice', unit: 'a-b.slice' })
})

t.test('what a unit may not be named is escaped', async (t) => {
  t.equal(unitOf('::a+b/ä', 'box', rootful).unit, 'a\\x2bb\\x2f\\xc3\\xa4.scope')
  t.equal(unitOf(undefined, 'a_b.c-d', rootful).unit, 'tsrun-a_b.c-d.scope')
})

t.test('other forms are refused in the words of runc', async (t) => {
  for (const path of ['/a/b', 'a', 'a:b', 'a:b:c:d', 'a:b:']) {
    const message = `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${path}" instead`
    t.throws(() => unitOf(path, 'box', rootful), { code: 'config', message: `${message} [/linux/cgroupsPath]` })
  }
})

t.test('a slice is below those that its name names', async (t) => {
  t.equal(sliceDirectory('-.slice'), '')
  t.equal(sliceDirectory('a.slice'), '/a.slice')
  t.equal(sliceDirectory('a-b-c.slice'), '/a.slice/a-b.slice/a-b-c.slice')
  for (const bad of ['', 'a', '.slice', '-a.slice', 'a-.slice', 'a--b.slice', '/a.slice', '../a.slice']) {
    t.throws(() => sliceDirectory(bad), { code: 'config', message: `invalid slice name: ${JSON.stringify(bad)} [/linux/cgroupsPath]` })
  }
})

t.test('directories of units', async (t) => {
  t.equal(unitDirectory({ slice: 'a-b.slice', unit: 'x-y.scope' }), '/a.slice/a-b.slice/x-y.scope')
  t.equal(unitDirectory({ slice: '-.slice', unit: 'x.scope' }), '/x.scope')
  t.equal(unitDirectory({ slice: 'system.slice', unit: 'a-b.slice' }), '/a.slice/a-b.slice')
})
