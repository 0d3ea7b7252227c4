/** Each example's plan is compared, line by line, with the golden file beside it; UPDATE_GOLDEN=1 writes the files anew. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { decode } from '../image/decode.ts'
import { encode } from '../image/encode.ts'
import { checkPlan } from './check.ts'
import { compile } from './compile.ts'
import { exampleFacts, exampleOptions, examples } from './examples.ts'
import { formatPlan } from './format.ts'

const goldenDirectory = fileURLToPath(new URL('golden/', import.meta.url)).replace('/build/src/', '/src/')

for (const arch of ['x64', 'arm64'] as const) {
  for (const [name, { config, facts, options }] of Object.entries(examples)) {
    const plan = compile(config, exampleFacts(arch, facts), exampleOptions(options))
    t.test(`the plan of the ${name} example for ${arch}`, async (t) => {
      t.same(checkPlan(plan), [], 'keeps the invariants of every plan')
      const file = `${goldenDirectory}${name}.${arch}.txt`
      if (process.env.UPDATE_GOLDEN) writeFileSync(file, formatPlan(plan))
      t.ok(existsSync(file), `${name}.${arch}.txt is there`)
      t.equal(formatPlan(plan), readFileSync(file, 'utf8'), `is that of ${name}.${arch}.txt`)
      t.equal(decode(encode(plan)).records.length, plan.steps.length, 'is encoded step by step')
      t.same(compile(config, exampleFacts(arch, facts), exampleOptions(options)), plan, 'is the same when compiled again')
    })
  }
}

t.test("root of a user namespace may not write into the host's v2 cgroups, so init moves by a file that was opened before", async (t) => {
  const { config } = examples.rootless!
  const cgroup = { mode: 'v2', hierarchies: [], joins: [{ directory: '/sys/fs/cgroup/box', controllers: [], optional: false }] } as const
  const plan = compile(config, exampleFacts('x64', { cgroup, sources: examples.rootless!.facts.sources ?? {} }), exampleOptions())
  const calls = formatPlan(plan).split('\n')
  const at = (call: RegExp): number => calls.findIndex((line) => call.test(line))
  const open = at(/openat\(AT_FDCWD, "\/sys\/fs\/cgroup\/box\/cgroup.procs"/)
  t.ok(open >= 0 && open < at(/unshare\(CLONE_NEWUSER\)/), 'opened with the rights of the host')
  t.ok(at(/clone\(/) < at(/write\(<cgroup "\/sys\/fs\/cgroup\/box">, "0", 1\)/), 'written by init')
  t.equal(at(/clone3\(/), -1)
})
