/** The programs in examples/ do what they say. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call, repository, sandbox, unable } from './harness.ts'

t.test('a job and a server through the library', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const before = box.snapshot()
  const job = box.bundle({ process: { args: ['/bin/sh', '-c', 'exit 3'] } })
  const server = box.bundle({ process: { args: ['/bin/sleep', '60'] } })
  const { status, stdout, stderr } = call(box.directory, ['node', join(repository, 'build/examples/library.js'), job, server])
  t.equal(stderr, '')
  t.equal(stdout, 'the job ended with status 3\nthe server is running\n')
  t.equal(status, 0)
  t.same(await box.leftovers(before), [], 'nothing is left behind')
})

t.test('the demo', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const before = box.snapshot()
  const options = { cwd: repository, timeoutMs: 60_000 }
  const { status, stdout, stderr } = call(box.directory, ['node', 'scripts/run.mjs', 'scripts/demo.ts'], options)
  t.equal(status, 0, stderr)
  for (const heading of ['Who am I', 'Namespaces', 'Mounts', 'Capabilities', 'Limits']) t.match(stdout, heading)
  t.match(stdout, /pid {12}1,/)
  t.match(stdout, /hostname {7}demo/)
  t.notMatch(stdout, 'it could!', 'what it may not do, it cannot do')
  t.notMatch(stdout, '\x1b', 'no colours in a file')
  t.notOk(existsSync(/made of|in (\/tmp\/tsrun-demo-\w+)/.exec(stdout)?.[1] ?? '/no/such'), 'its directory is gone')
  t.same(await box.leftovers(before), [], 'nothing is left behind')
})
