/** Each example's plan is compared, line by line, with the golden file beside it; UPDATE_GOLDEN=1 writes the files anew. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Architecture } from '../abi/syscalls.ts'
import { specDocument } from '../config/spec.ts'
import type { Config, Process } from '../config/types.ts'
import { decode } from '../image/decode.ts'
import { encode } from '../image/encode.ts'
import { bitSet } from './bit-set.ts'
import { checkPlan } from './check.ts'
import { compileExec, type ExecFacts } from './exec.ts'
import type { ProcessOptions } from './facts.ts'
import { explainPlan, formatPlan } from './format.ts'

const facts = (arch: Architecture, more: Partial<ExecFacts> = {}): ExecFacts => ({
  arch,
  rootless: false,
  home: '/root',
  lastCapability: 40,
  permittedCapabilities: (1n << 41n) - 1n,
  setgroupsDenied: false,
  join: ['pid', 'network', 'mount', 'ipc', 'uts'],
  cgroups: [
    { directory: '/sys/fs/cgroup/cpu,cpuacct/box', controllers: ['cpu', 'cpuacct'], optional: false, file: 'tasks' },
    {
      directory: '/sys/fs/cgroup/systemd/box',
      controllers: ['name=systemd'],
      optional: false,
      file: 'tasks',
      instead: '/sys/fs/cgroup/systemd/init'
    }
  ],
  ownRoot: false,
  ...more
})

const options = (more: Partial<ProcessOptions> = {}): ProcessOptions => ({
  id: 'box',
  noNewKeyring: false,
  preserveFds: 0,
  consoleSocket: false,
  extraEnv: [],
  ...more
})

const spec = (rootless: boolean): Config =>
  specDocument({ rootless, euid: rootless ? 1000 : 0, egid: rootless ? 1000 : 0, cgroupV2: rootless })

interface Example {
  readonly process: Process
  readonly config: Config
  readonly facts: Partial<ExecFacts>
  readonly options: Partial<ProcessOptions>
}

const UNIFIED = { directory: '/sys/fs/cgroup/box', controllers: [], file: 'cgroup.procs' } as const

/** By the name of the golden file. */
const examples: Readonly<Record<string, Example>> = {
  'exec-default': {
    process: { ...spec(false).process!, terminal: false, args: ['ls', '-l'] },
    config: spec(false),
    facts: {},
    options: {}
  },
  'exec-terminal': {
    process: {
      cwd: '/srv',
      args: ['/bin/sh'],
      terminal: true,
      consoleSize: { width: 80, height: 25 },
      env: ['HOME=/'],
      user: { uid: 1000, gid: 1000, additionalGids: [7] },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }],
      capabilities: { bounding: ['CAP_KILL'] },
      execCPUAffinity: { initial: '0', final: '1-3,5' },
      apparmorProfile: 'box',
      scheduler: { policy: 'SCHED_BATCH', nice: -5 },
      oomScoreAdj: 100
    },
    config: spec(true),
    facts: {
      join: ['pid', 'user', 'mount', 'cgroup', 'time'],
      cgroups: [{ ...UNIFIED, optional: false, instead: '/sys/fs/cgroup/box/init.scope' }],
      seccomp: { filter: new Uint8Array(16), flags: 0 }
    },
    options: { consoleSocket: true, preserveFds: 1, noNewKeyring: true }
  },
  'exec-rootless': {
    process: { cwd: '/', args: ['/bin/true'], env: ['HOME=/'] },
    config: { ...spec(true), linux: { namespaces: [{ type: 'user' }, { type: 'pid' }] } },
    facts: {
      rootless: true,
      permittedCapabilities: 0n,
      setgroupsDenied: true,
      join: ['pid', 'user', 'cgroup'],
      ownRoot: true,
      seccomp: { filter: new Uint8Array(16), flags: 8, listener: true },
      cgroups: [
        { ...UNIFIED, optional: true },
        { directory: '/sys/fs/cgroup/pids/box', controllers: ['pids'], file: 'tasks', optional: true }
      ]
    },
    options: {}
  },
  'exec-shared': {
    process: { cwd: '/', args: ['/bin/true'], env: ['HOME=/'] },
    config: { ociVersion: '1.3.0', root: { path: 'rootfs' } },
    facts: { join: [], cgroups: [], ownRoot: true },
    options: {}
  }
}

const goldenDirectory = fileURLToPath(new URL('golden/', import.meta.url)).replace('/build/src/', '/src/')
const planOf = (arch: Architecture, { process, config, facts: more, options: chosen }: Example) =>
  compileExec(process, config, facts(arch, more), options(chosen))

for (const arch of ['x64', 'arm64'] as const) {
  for (const [name, example] of Object.entries(examples)) {
    const plan = planOf(arch, example)
    t.test(`the plan of the ${name} example for ${arch}`, async (t) => {
      t.same(checkPlan(plan), [], 'keeps the invariants of every plan')
      const file = `${goldenDirectory}${name}.${arch}.txt`
      if (process.env.UPDATE_GOLDEN) writeFileSync(file, formatPlan(plan))
      t.ok(existsSync(file), `${name}.${arch}.txt is there`)
      t.equal(formatPlan(plan), readFileSync(file, 'utf8'), `is that of ${name}.${arch}.txt`)
      t.equal(decode(encode(plan)).records.length, plan.steps.length, 'is encoded step by step')
      t.same(planOf(arch, example), plan, 'is the same when compiled again')
    })
  }
}

/** Indices of the steps that match, in order. */
const at = (example: Example, call: RegExp): number[] =>
  explainPlan(planOf('x64', example)).flatMap(({ index, call: name, args }) => (call.test(`${name}(${args.join(', ')})`) ? [index] : []))

t.test('the process is undumpable before it joins any namespace (CVE-2016-9962)', async (t) => {
  for (const [name, example] of Object.entries(examples)) {
    const [undumpable = Number.POSITIVE_INFINITY] = at(example, /^prctl\(PR_SET_DUMPABLE, 0/)
    for (const join of at(example, /^(setns|clone3?)\(/)) t.ok(undumpable < join, `${name}: step ${join}`)
  }
})

t.test('what is seen in the pid namespace has the root of the container', async (t) => {
  for (const [name, example] of Object.entries(examples)) {
    const [clone = 0] = at(example, /^clone3?\(/)
    const root = [...at(example, /^setns\(.*CLONE_NEWNS/), ...at(example, /^chroot\(/)]
    t.ok(root.length > 0 && root.every((step) => step < clone), name)
  }
})

t.test('the cgroup namespace is joined by whoever is in its cgroup', async (t) => {
  for (const name of ['exec-terminal', 'exec-rootless']) {
    const [clone = 0] = at(examples[name]!, /^clone\(/)
    const [join = 0] = at(examples[name]!, /^setns\(.*CLONE_NEWCGROUP/)
    t.ok(clone < join, name)
  }
})

t.test('lists of CPUs', async (t) => {
  const cpus = (list: string): number[] | undefined => {
    const mask = bitSet(list)
    return mask && [...mask].flatMap((byte, i) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => i * 8 + bit))
  }
  t.same(cpus('0'), [0])
  t.same(cpus('0-3, 7,9 - 10'), [0, 1, 2, 3, 7, 9, 10])
  t.same(cpus('8191,8192-4000000000'), [8191], 'no kernel has more')
  for (const list of ['', '-', '3-1', '1-', '1,,2', ',', '1-2-3', 'a']) t.equal(cpus(list), undefined, JSON.stringify(list))
  const example = { ...examples['exec-default']!, process: { cwd: '/', args: ['x'], execCPUAffinity: { final: '3-1' } } }
  t.throws(() => planOf('x64', example), { code: 'config', pointer: '/process/execCPUAffinity/final' })
})
