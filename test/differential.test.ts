/**
 * The same bundles and the same calls for runc and tsrun, side by side: exit statuses, states, and the container's own view must be equal.
 *
 * What may differ is in differences.ts, with the reason. $TSRUN_REFERENCE names another runtime to compare with.
 */
import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../src/config/types.ts'
import { DEFAULT_CONFIG, merge, type Overrides } from './config.ts'
import { DIFFERENCES } from './differences.ts'
import { type Needs, needs, type Result, type Sandbox, sandbox, tsrunPath } from './harness.ts'
import { idMaps, user } from './user.ts'
import { type Namespaces, PROBE_ARGS, PROBE_ENV, parseView, type View } from './view.ts'

t.setTimeout(240_000)

const reference = process.env.TSRUN_REFERENCE ?? 'runc'
const skip = needs({ containers: true, commands: [reference] })

type Side = 'runc' | 'tsrun'
const SIDES = ['runc', 'tsrun'] as const satisfies readonly Side[]

const call = (box: Sandbox, side: Side, args: readonly string[]): Result =>
  side === 'runc' ? box.runtime(reference, args) : box.runtime(tsrunPath(), args)

const by = user ? 'user' : 'root'

const hostNamespaces: Namespaces = Object.fromEntries(
  readdirSync('/proc/self/ns').map((name) => [name, readlinkSync(`/proc/self/ns/${name}`)])
)

/** Lines that one side has and the other has not, without those that are intended. */
function unexplained(section: string, name: string, lines: Readonly<Record<Side, readonly string[]>>): string[] {
  const other = (side: Side): Side => (side === 'runc' ? 'tsrun' : 'runc')
  const intended = (side: Side, line: string): boolean =>
    DIFFERENCES.some(
      (each) =>
        (each.by ?? by) === by && each.section === section && each.only === side && (each.case ?? name) === name && each.line.test(line)
    )
  return SIDES.flatMap((side) =>
    lines[side].filter((line) => !lines[other(side)].includes(line) && !intended(side, line)).map((line) => `only ${side}: ${line}`)
  )
}

/**
 * Lines that both have, in the order in which each has them: mounts hide one another, so their order counts. That of the devices,
 * which are bound one by one in a user namespace, does not.
 */
function commonOrder(lines: Readonly<Record<Side, readonly string[]>>): Readonly<Record<Side, readonly string[]>> {
  const isDevice = (line: string): boolean => /^\/dev\/\w+ devtmpfs /.test(line)
  const common = (side: Side, other: Side): string[] => lines[side].filter((line) => lines[other].includes(line) && !isDevice(line))
  return { runc: common('runc', 'tsrun'), tsrun: common('tsrun', 'runc') }
}

/** The default configuration, with a user, limits and so on laid over it, that prints its view. */
function probing(overrides: Overrides<Config>): Config {
  const config = merge<Config>(DEFAULT_CONFIG, overrides)
  const env = [...(config.process?.env ?? []), PROBE_ENV]
  return merge(config, { process: { args: [...PROBE_ARGS], env } })
}

interface Seen {
  readonly result: Result
  readonly view: View
}

function look(box: Sandbox, side: Side, config: Config): Seen {
  const bundle = box.bundle(() => config)
  const id = box.id()
  const result = call(box, side, ['run', '--bundle', bundle, id])
  return { result, view: parseView(result.stdout, { [bundle]: 'BUNDLE', [id]: 'ID', [box.directory]: 'DIR' }, hostNamespaces) }
}

const mounts = DEFAULT_CONFIG.mounts ?? []
const namespaces = DEFAULT_CONFIG.linux?.namespaces ?? []
const ALL_CAPABILITIES = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN', 'CAP_FOWNER', 'CAP_MKNOD'] as const

/** Configurations whose view is compared; `source` is a directory with a file `file` in it. */
const VIEWS: Readonly<Record<string, (source: string) => Overrides<Config>>> = {
  'the default': () => ({}),
  'few namespaces': () => ({ linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }] }, hostname: undefined }),
  'an ordinary user': () => ({ process: { user: { uid: 1000, gid: 1001, additionalGids: [5, 1002], umask: 0o77 }, cwd: '/tmp' } }),
  'all five sets of capabilities': () => ({
    process: {
      capabilities: {
        bounding: ALL_CAPABILITIES,
        effective: ALL_CAPABILITIES,
        permitted: ALL_CAPABILITIES,
        inheritable: ['CAP_CHOWN', 'CAP_NET_ADMIN'],
        ambient: ['CAP_NET_ADMIN']
      }
    }
  }),
  'ambient capabilities of an ordinary user': () => ({
    process: {
      user: { uid: 1000, gid: 1000 },
      capabilities: {
        bounding: ['CAP_NET_RAW'],
        effective: ['CAP_NET_RAW'],
        permitted: ['CAP_NET_RAW'],
        inheritable: ['CAP_NET_RAW'],
        ambient: ['CAP_NET_RAW']
      }
    }
  }),
  'no capabilities': () => ({ process: { capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] } } }),
  'new privileges': () => ({ process: { noNewPrivileges: false } }),
  'resource limits of the process': () => ({
    process: {
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: 100, hard: 200 },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
        { type: 'RLIMIT_NPROC', soft: 512, hard: 1024 },
        { type: 'RLIMIT_STACK', soft: 1 << 20, hard: 1 << 24 }
      ]
    }
  }),
  'no resource limits': () => ({ process: { rlimits: [] } }),
  environment: () => ({ process: { env: ['PATH=/bin', 'A=1', 'B=with space', 'A=2', 'EMPTY='] } }),
  'memory, pids and cpu': () => ({
    linux: {
      resources: {
        memory: { limit: 64 << 20, reservation: 32 << 20 },
        pids: { limit: 100 },
        cpu: { shares: 512, quota: 50_000, period: 100_000, cpus: '0', mems: '0' }
      }
    }
  }),
  'device rules': () => ({
    linux: {
      resources: {
        devices: [
          { allow: false, access: 'rwm' },
          { allow: true, type: 'c', major: 10, minor: 200, access: 'rw' },
          { allow: true, type: 'b', major: 7, access: 'r' }
        ]
      }
    }
  }),
  'a cgroup namespace': () => ({ linux: { namespaces: [...namespaces, { type: 'cgroup' }] } }),
  'bind mounts': (source) => ({
    mounts: [
      ...mounts,
      { destination: '/bound', type: 'bind', source, options: ['rbind', 'rw'] },
      { destination: '/bound-ro', type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec'] },
      { destination: '/etc/file', type: 'bind', source: join(source, 'file'), options: ['bind', 'ro'] },
      { destination: '/deep/er/file', type: 'bind', source: join(source, 'file'), options: ['bind', 'rprivate'] }
    ]
  }),
  'tmpfs and its options': () => ({
    mounts: [
      ...mounts,
      { destination: '/t1', type: 'tmpfs', source: 'tmpfs', options: ['size=1m', 'mode=700', 'noatime'] },
      { destination: '/t2', type: 'tmpfs', source: 'none', options: ['nosuid', 'nodev', 'noexec', 'ro', 'nodiratime'] },
      { destination: '/t2/../t3', type: 'tmpfs', source: 'tmpfs' }
    ]
  }),
  'a writable, shared root': () => ({ root: { readonly: false }, linux: { rootfsPropagation: 'shared' } }),
  'a slave root': () => ({ linux: { rootfsPropagation: 'rslave' } }),
  devices: () => ({
    linux: {
      devices: [
        { path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o600, uid: 7, gid: 8 },
        { path: '/dev/deep/loop', type: 'b', major: 7, minor: 0, fileMode: 0o640 },
        { path: '/dev/fifo', type: 'p' }
      ]
    }
  }),
  'sysctls and names': () => ({
    hostname: 'a-name',
    linux: { sysctl: { 'kernel.shmmax': '1048576', 'kernel.msgmax': '4096', 'net.ipv4.ip_forward': '1' } }
  }),
  'oom score': () => ({ process: { oomScoreAdj: 321 } }),
  'masked and read-only paths': () => ({
    linux: { maskedPaths: ['/proc/kcore', '/sys/firmware', '/no/such'], readonlyPaths: ['/proc/bus', '/no/such', '/tmp'] }
  }),
  'nothing masked': () => ({ linux: { maskedPaths: [], readonlyPaths: [] } }),
  'a user namespace': () => ({
    linux: {
      namespaces: [...namespaces, { type: 'user' }],
      ...idMaps(0)
    }
  }),
  'a working directory that is made': () => ({ root: { readonly: false }, process: { cwd: '/made/for/it' } })
}

/** What the kernel, or runc 1.1, does not let everybody do. */
const NEEDS: Readonly<Record<string, Needs>> = {
  'few namespaces': { host: { CAP_SYS_ADMIN: "a sysfs of the host's network" } },
  'an ordinary user': { host: { CAP_SETGID: 'additional groups, which runc 1.1 sets for root only' } },
  'ambient capabilities of an ordinary user': { ids: 1001 },
  'memory, pids and cpu': { controllers: ['memory', 'pids', 'cpu'] },
  devices: { host: { CAP_MKNOD: 'device nodes' } }
}

t.test('the view from inside', { skip }, async (t) => {
  for (const [name, overrides] of Object.entries(VIEWS)) {
    t.test(name, { skip: needs(NEEDS[name] ?? {}) }, async (t) => {
      const box = sandbox(t)
      const source = join(box.directory, 'source')
      mkdirSync(source)
      writeFileSync(join(source, 'file'), 'content\n')
      const config = probing(overrides(source))
      const [runc, tsrun] = [look(box, 'runc', config), look(box, 'tsrun', config)]
      t.equal(tsrun.result.status, runc.result.status, `exit status (${tsrun.result.stderr.trim()}) (${runc.result.stderr.trim()})`)
      if (tsrun.result.status !== runc.result.status) return
      t.ok(runc.view.size > 10, 'the reference shows itself')
      for (const [section, lines] of runc.view) {
        const both = { runc: lines, tsrun: tsrun.view.get(section) ?? [] }
        t.same(unexplained(section, name, both), [], section)
        const common = commonOrder(both)
        if (section === 'mountinfo') t.same(common.tsrun, common.runc, 'order of mounts')
      }
    })
  }
})

/** The state without what is different in any two containers, one line a field. */
function stateLines(result: Result, box: Sandbox): string[] {
  if (result.status !== 0) return ['no state']
  const state = JSON.parse(result.stdout) as Record<string, unknown>
  return Object.entries(state).map(([key, value]) => {
    if (key === 'pid') return `pid ${value === 0 ? 0 : 'N'}`
    if (key === 'created')
      return `created ${String(value)
        .replace(/\d/g, '9')
        .replace(/9{7,9}Z/, 'NZ')}`
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return `${key} ${text
      .replaceAll(box.directory, 'DIR')
      .replace(/bundle-\d+/, 'BUNDLE')
      .replace(/tsrun-test-\w+-\d+/, 'ID')}`
  })
}

/** A life as a list of calls; `ID` and `BUNDLE` stand for themselves, and the word before `?` in `status?` asks for the state. */
interface Life {
  readonly config?: Overrides<Config>
  readonly calls: readonly (readonly string[])[]
}

const sleep: Overrides<Config> = { process: { args: ['/bin/sleep', '60'] } }
const sh = (script: string): Overrides<Config> => ({ process: { args: ['/bin/sh', '-c', script] } })
const CREATE = ['create', '--bundle', 'BUNDLE', 'ID'] as const
const RUN = ['run', '--bundle', 'BUNDLE', 'ID'] as const
const RUN_DETACHED = ['run', '--detach', '--bundle', 'BUNDLE', 'ID'] as const
const STATE = ['state', 'ID'] as const
const WAIT = ['(wait until stopped)'] as const

const LIVES: Readonly<Record<string, Life>> = {
  'create, start, kill, delete': {
    config: sleep,
    calls: [CREATE, STATE, ['start', 'ID'], STATE, ['kill', 'ID', 'KILL'], WAIT, STATE, ['delete', 'ID'], STATE]
  },
  'annotations in the state': {
    config: { ...sleep, annotations: { 'org.example.a': 'b', 'org.example.c': '' } },
    calls: [CREATE, STATE, ['delete', '--force', 'ID'], STATE]
  },
  'a process that ends by itself': { config: sh('exit 3'), calls: [CREATE, ['start', 'ID'], WAIT, STATE, ['delete', 'ID']] },
  'run gives the exit status': { config: sh('exit 7'), calls: [RUN, STATE] },
  'run gives 128 + n for a signal': { config: sh('kill -9 $$'), calls: [RUN, STATE] },
  'run --keep': { config: sh('exit 1'), calls: [['run', '--keep', '--bundle', 'BUNDLE', 'ID'], STATE, ['delete', 'ID'], STATE] },
  'run --detach': { config: sleep, calls: [RUN_DETACHED, STATE, ['delete', '--force', 'ID'], STATE] },
  'start twice': { config: sleep, calls: [CREATE, ['start', 'ID'], ['start', 'ID'], ['delete', '--force', 'ID']] },
  'start after the end': { config: sh('exit 0'), calls: [CREATE, ['start', 'ID'], WAIT, ['start', 'ID'], ['delete', 'ID']] },
  'delete while it runs': { config: sleep, calls: [RUN_DETACHED, ['delete', 'ID'], STATE, ['delete', '--force', 'ID']] },
  'delete when created': { config: sleep, calls: [CREATE, ['delete', 'ID'], STATE] },
  'delete --force when created': { config: sleep, calls: [CREATE, ['delete', '--force', 'ID'], STATE] },
  'kill when created': { config: sleep, calls: [CREATE, ['kill', 'ID', 'KILL'], WAIT, STATE, ['delete', 'ID']] },
  'kill when stopped': {
    config: sh('exit 0'),
    calls: [CREATE, ['start', 'ID'], WAIT, ['kill', 'ID', 'KILL'], ['kill', '--all', 'ID', 'KILL'], ['delete', 'ID']]
  },
  'signals by name and number': {
    config: sh('trap "exit 5" USR1; while :; do sleep 0.1; done'),
    calls: [RUN_DETACHED, ['kill', 'ID', '0'], ['kill', 'ID', 'NOSUCH'], ['kill', 'ID', 'SIGUSR1'], WAIT, ['delete', 'ID']]
  },
  'empty values are values that are not given': {
    config: sh('trap "exit 5" TERM; while :; do sleep 0.1; done'),
    calls: [
      ['--log-format', '', '--rootless', '', '--log', '', ...RUN_DETACHED],
      ['exec', '--cwd', '', '--pid-file', '', '--process', '', 'ID', 'true'],
      ['kill', 'ID', ''],
      WAIT,
      ['delete', 'ID']
    ]
  },
  'a console socket without a terminal': {
    config: sleep,
    calls: [
      ['create', '--console-socket', '/no/such', '--bundle', 'BUNDLE', 'ID'],
      STATE,
      RUN_DETACHED,
      ['exec', '--detach', '--console-socket', '/no/such', 'ID', 'true'],
      ['delete', '--force', 'ID']
    ]
  },
  'an id twice': { config: sleep, calls: [CREATE, CREATE, STATE, ['delete', '--force', 'ID']] },
  'no such container': {
    calls: [STATE, ['start', 'ID'], ['kill', 'ID', 'KILL'], ['delete', 'ID'], ['delete', '--force', 'ID']]
  },
  'wrong ids': { calls: ['.', '..', '', 'a/b', 'a b', 'ä'].map((id) => ['create', '--bundle', 'BUNDLE', id]) },
  'wrong command lines': {
    calls: [
      ['create'],
      ['create', 'a', 'b'],
      ['start'],
      ['state'],
      ['kill'],
      ['delete'],
      ['create', '--no-such-flag', 'ID'],
      ['no-such-command']
    ]
  },
  'no such bundle': { calls: [['create', '--bundle', '/no/such', 'ID'], STATE] },
  'no such command': { config: { process: { args: ['no-such-command'] } }, calls: [CREATE, STATE, RUN, STATE] },
  'not executable': { config: { process: { args: ['/etc/passwd'] } }, calls: [CREATE, STATE] },
  'no args': { config: { process: { args: [] } }, calls: [CREATE, STATE] },
  'a namespace twice': { config: { linux: { namespaces: [{ type: 'mount' }, { type: 'mount' }] } }, calls: [CREATE, STATE] },
  'a relative cwd': { config: { process: { cwd: 'tmp' } }, calls: [CREATE, STATE] },
  'a missing bind source': {
    config: { mounts: [...mounts, { destination: '/x', type: 'bind', source: '/no/such', options: ['bind'] }] },
    calls: [CREATE, STATE]
  },
  list: { config: sleep, calls: [['list', '-q'], CREATE, ['list', '-q'], ['delete', '--force', 'ID'], ['list', '-q']] }
}

/** Blocks the test until the container has stopped; at most five seconds. */
function waitUntilStopped(box: Sandbox, side: Side, id: string): string {
  for (let tries = 0; tries < 100; tries++) {
    const result = call(box, side, ['state', id])
    if (result.status !== 0 || (JSON.parse(result.stdout) as { status: string }).status === 'stopped') return 'stopped'
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  }
  return 'still there'
}

/**
 * Each call with its exit status, and the state where it is asked for.
 *
 * @param errors receives what the calls wrote to stderr, which is not compared
 */
function live(box: Sandbox, side: Side, { config = {}, calls }: Life, errors: string[]): string[] {
  const id = box.id()
  const bundle = box.bundle(config)
  return calls.flatMap((args, index) => {
    const what = `${index + 1}. ${args.join(' ')}:`
    if (args === WAIT) return [`${what} ${waitUntilStopped(box, side, id)}`]
    const filled = args.map((arg) => (arg === 'ID' ? id : arg === 'BUNDLE' ? bundle : arg))
    const result = call(box, side, filled)
    if (result.stderr) errors.push(`${side} ${what} ${result.stderr.trim()}`)
    if (args === STATE) return stateLines(result, box).map((line) => `${what} ${line}`)
    const output = args[0] === 'list' ? ` ${result.stdout.replaceAll(id, 'ID').trim()}` : ''
    return [`${what} ${result.status}${output}`]
  })
}

t.test('lives', { skip }, async (t) => {
  for (const [name, life] of Object.entries(LIVES)) {
    t.test(name, async (t) => {
      const box = sandbox(t)
      const before = box.snapshot()
      const errors: string[] = []
      const lines = { runc: live(box, 'runc', life, errors), tsrun: live(box, 'tsrun', life, errors) }
      const found = unexplained('state', name, lines)
      t.same(found.length > 0 ? [...found, ...errors] : [], [], 'statuses and states')
      t.same(await box.leftovers(before), [], 'nothing is left behind')
    })
  }
})
