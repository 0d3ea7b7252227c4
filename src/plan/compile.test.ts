/** Each example's plan is compared, line by line, with the golden file beside it; UPDATE_GOLDEN=1 writes the files anew. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { namespaceRefusals } from '../errors/wording.plan.ts'
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

t.test('a container that has no cgroup of its own sees that of the runtime, and not all of the hierarchy', async (t) => {
  const { config, facts } = examples.rootless!
  const hierarchy = { controllers: ['memory'], mountpoint: '/sys/fs/cgroup/memory', version: 1, own: '/session' } as const
  const mounts = [...(config.mounts ?? []), { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] }]
  const namespaces = config.linux!.namespaces!.filter(({ type }) => type !== 'cgroup')
  const cgroup = { mode: 'v1', hierarchies: [hierarchy], joins: [] } as const
  const plan = compile(
    { ...config, mounts, linux: { ...config.linux, namespaces } },
    exampleFacts('x64', { ...facts, cgroup }),
    exampleOptions()
  )
  t.match(formatPlan(plan), 'open_tree(AT_FDCWD, "/sys/fs/cgroup/memory/session"')
})

t.test("an ordinary user's init with other ids stays dumpable, where nobody but the runtime can look at it", async (t) => {
  const { config, facts } = examples.rootless!
  const calls = (uid: number, pid: { path?: string } = {}): string => {
    const namespaces = config.linux!.namespaces!.map((each) => (each.type === 'pid' ? { ...each, ...pid } : each))
    const own: typeof config = {
      ...config,
      process: { ...config.process!, user: { uid, gid: 0 } },
      linux: { ...config.linux, namespaces }
    }
    return formatPlan(compile(own, exampleFacts('x64', facts), exampleOptions()))
  }
  const dumpable = /prctl\(PR_SET_DUMPABLE, 1/
  t.match(calls(1000), dumpable)
  t.ok(calls(1000).search(dumpable) > calls(1000).search(/capset\(/), 'after the last change of its credentials')
  t.notMatch(calls(0), dumpable, 'nothing has taken that away')
  t.notMatch(calls(1000, { path: '/proc/7/ns/pid' }), dumpable, 'others see it')
})

t.test('so does one whose root is a subordinate id, before hooks and exec join it', async (t) => {
  const { config, facts } = examples.rootless!
  const calls = (hostID: number, user: { path?: string } = {}): string => {
    const namespaces = config.linux!.namespaces!.map((each) => (each.type === 'user' ? { ...each, ...user } : each))
    const maps = user.path === undefined ? [{ containerID: 0, hostID, size: 1 }] : []
    const own = { ...config, linux: { ...config.linux, namespaces, uidMappings: maps, gidMappings: maps } }
    return formatPlan(compile(own, exampleFacts('x64', { ...facts, euid: 1000, egid: 1000 }), exampleOptions()))
  }
  const dumpable = /prctl\(PR_SET_DUMPABLE, 1/
  t.notMatch(calls(1000), dumpable, 'root is the user')
  const another = calls(100_000)
  t.ok(another.search(/setresuid\(0, 0, 0\)/) < another.search(dumpable) && another.search(dumpable) < another.search(/clone\(|clone3\(/))
  t.notMatch(calls(100_000, { path: '/proc/7/ns/user' }), dumpable, 'others are in the namespace')
})

t.test('without a user namespace an ordinary user is told to add one', async (t) => {
  const { config, facts } = examples.rootless!
  const namespaces = config.linux!.namespaces!.filter(({ type }) => type !== 'user')
  const { uidMappings: _, gidMappings: __, ...linux } = config.linux!
  const without = { ...config, linux: { ...linux, namespaces } }
  const clones = (more: typeof facts) =>
    compile(without, exampleFacts('x64', { ...facts, ...more }), exampleOptions()).steps.filter(({ call }) => /^clone3?$/.test(call))
  t.ok(clones({}).every(({ why }) => why?.EPERM === namespaceRefusals.EPERM))
  t.ok(clones({ rootless: false }).every(({ why }) => why?.EPERM === undefined))
})

t.test('nor may a process in a cgroup namespace that is joined, for a cgroup that is not below its root', async (t) => {
  const config = {
    ociVersion: '1.3.0',
    root: { path: 'rootfs' },
    process: { cwd: '/', args: ['/bin/true'] },
    linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'cgroup', path: '/proc/4/ns/cgroup' }] }
  } as const
  for (const optional of [false, true]) {
    const cgroup = { mode: 'v2', hierarchies: [], joins: [{ directory: '/sys/fs/cgroup/box', controllers: [], optional }] } as const
    const plan = compile(config, exampleFacts('x64', { cgroup }), exampleOptions())
    const calls = formatPlan(plan).split('\n')
    const at = (call: RegExp): number => calls.findIndex((line) => call.test(line))
    const open = at(/openat\(AT_FDCWD, "\/sys\/fs\/cgroup\/box\/cgroup.procs"/)
    t.ok(open >= 0 && open < at(/setns\(.*CLONE_NEWCGROUP\)/), 'opened before')
    t.ok(at(/write\(.*, "0", 1\)/) > open, 'written')
    t.equal(at(/clone3\(/), -1)
  }
})
