/** `linux.mountLabel` on a machine without SELinux, and what other runtimes make of it there. */
import { existsSync } from 'node:fs'
import t from 'tap'
import { needs, sandbox, unable } from '../harness.ts'

const skip = unable || (existsSync('/sys/fs/selinux/enforce') ? 'needs a machine without SELinux' : false)

t.test('is refused, with its place, and nothing is left', { skip }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const bundle = box.bundle({ linux: { mountLabel: 'system_u:object_r:container_file_t:s0:c1,c2' } })
  t.match(box.tsrun('run', '--bundle', bundle, box.id()), {
    status: 1,
    stderr: /selinux label is specified in config, but selinux is disabled or not supported: "system_u:.*" \[\/linux\/mountLabel\]/
  })
  t.same(await box.leftovers(before), [])
  await t.test('by runc as well', { skip: needs({ commands: ['runc'] }) }, async (t) => {
    t.not(box.runc('run', '--bundle', bundle, box.id()).status, 0)
  })
})

t.test('an empty one is none', { skip }, async (t) => {
  using box = sandbox(t)
  t.equal(box.tsrun('run', '--bundle', box.bundle({ linux: { mountLabel: '' } }), box.id()).status, 0)
})
