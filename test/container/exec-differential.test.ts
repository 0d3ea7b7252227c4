/** The same containers and the same calls of `exec` for runc and tsrun: exit statuses, and what the process sees, must be equal. */
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, Process } from '../../src/config/types.ts'
import { DEFAULT_CONFIG, merge, type Overrides } from '../config.ts'
import { SLEEP, userNamespace } from '../exec.ts'
import { type Needs, needs, type Result, type Sandbox, sandbox, tsrunPath } from '../harness.ts'
import { idsOfUser, user } from '../user.ts'
import { PROBE_ARGS, PROBE_ENV, parseView, type View } from '../view.ts'

t.setTimeout(110_000)

const reference = process.env.TSRUN_REFERENCE ?? 'runc'
const skip = needs({ containers: true, commands: [reference] })

interface Difference {
  readonly section: string
  /** In this case only. */
  readonly name?: string
  readonly because: string
}

/** Sections that differ, and why that is right. */
const DIFFERENCES: readonly Difference[] = [
  { section: 'pid', because: "runc's stages are processes in the container as well" },
  { section: 'fds', because: "the standard streams are the caller's; runc copies through pipes" },
  { section: 'mountinfo', because: 'compared by the test of containers, with the reasons' },
  { section: 'masked', because: 'compared by the test of containers, with the reasons' },
  { section: 'status', name: "the container's umask", because: 'runc 1.1 forgets the umask of the config, runc 1.2 honours it' },
  {
    section: 'limits',
    name: 'a document that says little',
    because: "limits that it does not mention are the container's; runc gives the caller's"
  }
]

const ALL = ['CAP_CHOWN', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN'] as const
const namespaces = DEFAULT_CONFIG.linux?.namespaces ?? []
const document: Process = { cwd: '/', args: [...PROBE_ARGS], env: ['PATH=/bin'] }

/** The container, and either options of `exec` or a document. */
const VIEWS: Readonly<Record<string, readonly [Overrides<Config>, readonly string[] | Process]>> = {
  'the default': [{}, []],
  'a user': [{}, ['-u', '1000:1001', '-g', '5', '-g', '1002', '--cwd', '/tmp']],
  'a capability': [{}, ['--cap', 'CAP_CHOWN', '--cap', 'CAP_SYS_ADMIN']],
  'a capability for a user': [{}, ['--cap', 'CAP_CHOWN', '-u', '1000']],
  'a capability where some are ambient': [
    {
      process: {
        capabilities: { bounding: ALL, effective: ALL, permitted: ALL, inheritable: ['CAP_NET_ADMIN'], ambient: ['CAP_NET_ADMIN'] }
      }
    },
    ['--cap', 'CAP_MKNOD', '-u', '1000']
  ],
  'new privileges': [{ process: { noNewPrivileges: false } }, []],
  'no new privileges': [{ process: { noNewPrivileges: false } }, ['--no-new-privs']],
  "the container's umask": [{ process: { user: { umask: 0o77 } } }, []],
  environment: [{}, ['-e', 'A=1', '-e', 'PATH=/bin', '-e', 'A=2', '-e', 'HOME=']],
  'oom score and limits': [{ process: { oomScoreAdj: 100, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 200, hard: 200 }] } }, []],
  'a cgroup namespace': [{ linux: { namespaces: [...namespaces, { type: 'cgroup' }] } }, []],
  'a user namespace': [{ linux: userNamespace(0) }, []],
  'a user in a user namespace': [{ linux: userNamespace(0) }, ['-u', '5:6']],
  'a document that says little': [{ process: { oomScoreAdj: 100 } }, document],
  'a document': [
    {},
    {
      ...document,
      user: { uid: 7, gid: 8, additionalGids: [9] },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 100 }],
      noNewPrivileges: true,
      capabilities: { bounding: ['CAP_CHOWN'], effective: [], permitted: [] }
    }
  ]
}

const hostNamespaces = Object.fromEntries(readdirSync('/proc/self/ns').map((name) => [name, readlinkSync(`/proc/self/ns/${name}`)]))

const isDocument = (wanted: readonly string[] | Process): wanted is Process => !Array.isArray(wanted)

function look(box: Sandbox, runtime: string, config: Config, wanted: readonly string[] | Process): { result: Result; view: View } {
  const bundle = box.bundle(() => config)
  const id = box.id()
  box.runtime(runtime, ['run', '--detach', '--bundle', bundle, id])
  const file = join(box.directory, 'process.json')
  writeFileSync(file, JSON.stringify(wanted))
  const args = isDocument(wanted) ? ['--process', file, id] : [...wanted, id, ...PROBE_ARGS]
  const result = box.runtime(runtime, ['exec', ...args])
  return { result, view: parseView(result.stdout, { [bundle]: 'BUNDLE', [id]: 'ID', [box.directory]: 'DIR' }, hostNamespaces) }
}

/** An ordinary user's runc 1.1 keeps the caller's group; here a container has those of its configuration. */
const withoutGroups = (lines: readonly string[]): readonly string[] =>
  user && idsOfUser > 1 ? lines.map((line) => line.replace(/^Groups: 0$/, 'Groups:')) : lines

/** What the kernel, or runc 1.1, does not let everybody do. */
const NEEDS: Readonly<Record<string, Needs>> = {
  'a user': { host: { CAP_SETGID: 'additional groups, which runc 1.1 sets for root only' } },
  'a capability for a user': { ids: 1001 },
  'a capability where some are ambient': { ids: 1001 },
  'a user in a user namespace': { ids: 7 },
  'a document': { host: { CAP_SETGID: 'additional groups, which runc 1.1 sets for root only' } }
}

for (const [name, [overrides, wanted]] of Object.entries(VIEWS)) {
  t.test(`the view from inside: ${name}`, { skip: skip || needs(NEEDS[name] ?? {}) }, async (t) => {
    const box = sandbox(t)
    const environment = { process: { env: [...(DEFAULT_CONFIG.process?.env ?? []), PROBE_ENV] } }
    const layers: readonly Overrides<Config>[] = [SLEEP, environment, overrides]
    const config = layers.reduce<Config>((all, layer) => merge<Config>(all, layer), DEFAULT_CONFIG)
    const theirs = look(box, reference, config, wanted)
    const ours = look(box, tsrunPath(), config, wanted)
    t.equal(ours.result.status, theirs.result.status, `exit status (${ours.result.stderr.trim()}) (${theirs.result.stderr.trim()})`)
    t.ok(theirs.view.size > 10, 'the reference shows itself')
    for (const [section, lines] of theirs.view) {
      const intended = DIFFERENCES.some((each) => each.section === section && (each.name ?? name) === name)
      if (!intended) t.same(ours.view.get(section), withoutGroups(lines), section)
    }
  })
}

/** Arguments behind `exec`; ID stands for the container. */
const CALLS: readonly (readonly string[])[] = [
  ['ID', 'true'],
  ['ID', 'sh', '-c', 'exit 3'],
  ['ID', 'sh', '-c', 'kill -9 $$'],
  ['ID', 'no-such-command'],
  ['ID', '/etc/passwd'],
  ['ID', '/etc'],
  ['ID'],
  [],
  ['no-such-container', 'true'],
  ['--cwd', '/no/such', 'ID', 'true'],
  ['--cwd', 'relative', 'ID', 'true'],
  ['--env', 'A', 'ID', 'true'],
  ['--user', '1000x', 'ID', 'true'],
  ['--user', '1:', 'ID', 'true'],
  ['--cap', 'CAP_FOO', 'ID', 'true'],
  ['--process', '/no/such', 'ID'],
  ['--tty', '--detach', 'ID', 'true'],
  ['--console-socket', '/no/such', 'ID', 'true'],
  ['--cgroup', '../x', 'ID', 'true'],
  ['--cgroup', 'no-such', 'ID', 'true'],
  ['--cgroup', 'a', '--cgroup', 'b', 'ID', 'true'],
  ['--no-such-flag', 'ID', 'true'],
  ['--detach', 'ID', 'true'],
  ['-d', 'ID', 'no-such-command'],
  ['-e', 'A=1', 'ID', 'ls', '-l', '--', '/']
]

t.test('exit statuses', { skip }, async (t) => {
  const box = sandbox(t)
  const statuses = (runtime: string): string[] => {
    const id = box.id()
    box.runtime(runtime, ['run', '--detach', '--bundle', box.bundle(SLEEP), id])
    return CALLS.map((args) => {
      const { status } = box.runtime(runtime, ['exec', ...args.map((arg) => (arg === 'ID' ? id : arg))])
      return `exec ${args.join(' ')}: ${status}`
    })
  }
  t.same(statuses(tsrunPath()), statuses(reference))
})
