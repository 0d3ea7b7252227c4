/** Whatever the names are: a program that is recalled is the one that would be compiled, and what is recalled is no less checked. */
import t, { type Test } from 'tap'
import { everything, rootless, usual } from '../config/samples.ts'
import type { Config } from '../config/types.ts'
import { encode } from '../image/encode.ts'
import { architecture } from '../linux/ffi.ts'
import { compile } from '../plan/compile.ts'
import { exampleFacts, exampleOptions, examples } from '../plan/examples.ts'
import type { HostFacts, PlanOptions } from '../plan/facts.ts'
import { readBundle } from './bundle.ts'
import { stepsAfterReady } from './failure.ts'
import { checkBundle } from './load.ts'
import { draftOf } from './recall.ts'

type Release = PlanOptions['release']

/** A container: its configuration as it is written, and what the host is like. */
interface Wanted {
  readonly id: string
  readonly text: string
  readonly facts: HostFacts
  readonly release: Release
}

/** What became of it, in a form that can be compared; an error by its message. */
interface Outcome {
  readonly image: string
  readonly rest: unknown
  readonly said: readonly string[]
}

const read = (text: string) => ({ ...readBundle({ config: usual }, ''), document: JSON.parse(text) as unknown, text })

const optionsOf = ({ id, text, release }: Wanted): PlanOptions =>
  exampleOptions({ id, release, consoleSocket: (JSON.parse(text) as Config).process?.terminal === true })

/** The way of `create`. It is known to have been recalled by its steps, which are then made when they are asked for. */
async function drafted(wanted: Wanted): Promise<Outcome & { readonly recalled: boolean }> {
  const said: string[] = []
  try {
    const log = (level: string, message: string) => void said.push(`${level} ${message}`)
    const draft = await draftOf(read(wanted.text), { id: wanted.id, log }, wanted.release)
    const program = await draft.program(wanted.facts, optionsOf(wanted))
    const [once, twice] = [await program.steps(), await program.steps()]
    draft.keep()
    const { image, fds, lastClone, afterReady } = program
    return { image: hex(image), rest: JSON.parse(JSON.stringify({ fds, lastClone, afterReady })), said, recalled: once !== twice }
  } catch (error) {
    return { image: '', rest: String(error), said, recalled: false }
  }
}

/** The same without anything that was kept. */
function compiled(wanted: Wanted): Outcome {
  const said: string[] = []
  try {
    const { config } = checkBundle(read(wanted.text), (level, message) => void said.push(`${level} ${message}`))
    const plan = compile(config, wanted.facts, optionsOf(wanted))
    const lastClone = plan.steps.findLastIndex(({ call }) => call === 'clone' || call === 'clone3')
    const rest = JSON.parse(JSON.stringify({ fds: plan.fds, lastClone, afterReady: stepsAfterReady(plan) }))
    return { image: hex(encode(plan)), rest, said }
  } catch (error) {
    return { image: '', rest: String(error), said }
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** `second` after `first`. Gives whether it was recalled. */
async function follows(t: Test, first: Wanted, second: Wanted, what: string): Promise<boolean> {
  await drafted(first)
  const { recalled, ...found } = await drafted(second)
  t.strictSame(found, compiled(second), what)
  return recalled
}

const wanted = (id: string, config: object, more: Partial<Wanted> = {}): Wanted => ({
  id,
  text: JSON.stringify(config),
  facts: exampleFacts(architecture),
  release: 'socket',
  ...more
})

// ---------------------------------------------------------------- names at random

const DIGITS = '0123456789abcdef'

/** A small generator of numbers, so that a failure can be repeated. */
const random = (seed: number) => (below: number) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 4294967296) * below)
}
type Next = ReturnType<typeof random>
const pick = <T>(next: Next, list: readonly T[]): T => list[next(list.length)]!

/** What stands for a name in texts. */
const MARKS = ['{id}', '{short}', '{layer}', '{other}', '{uuid}', '{pod}'] as const
type Names = Readonly<Record<(typeof MARKS)[number], string>>

const hexadecimal = (next: Next, length: number, digits: string): string =>
  Array.from({ length }, () => digits[next(digits.length)]).join('')

/** Mostly as engines make them, and mostly of one shape; now and then of few different characters, or one like the other. */
function namesAtRandom(next: Next): Names {
  const rarely = next(4) === 0
  const digits = rarely ? pick(next, ['a1', '0e', '01', 'abcdef', '1b']) : DIGITS
  const usualId = hexadecimal(next, 64, digits)
  const id = rarely && next(3) === 0 ? `${pick(next, ['web-', 'pod_', 'Box'])}${hexadecimal(next, 6, '0123456789')}z` : usualId
  const layer = hexadecimal(next, 64, digits)
  const uuid = (separator: string): string => [8, 4, 4, 4, 12].map((length) => hexadecimal(next, length, digits)).join(separator)
  return {
    '{id}': id,
    '{short}': id.slice(0, 12),
    '{layer}': rarely ? pick(next, [layer, `ab${usualId}`.slice(0, 64), id]) : layer,
    '{other}': hexadecimal(next, 64, digits),
    '{uuid}': uuid(rarely ? '_' : '-'),
    '{pod}': uuid('_')
  }
}

const named = (text: string, names: Names): string => MARKS.reduce((filled, mark) => filled.replaceAll(mark, names[mark]), text)

/** Fills names into every text of a value. */
function filled<T>(value: T, names: Names): T {
  if (typeof value === 'string') return named(value, names) as T
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map((entry) => filled(entry, names)) as T
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [named(key, names), filled(member, names)])) as T
}

/** As Podman, Docker and containerd write them. */
const engineLike: Config = {
  ...usual,
  process: {
    ...usual.process!,
    terminal: false,
    args: ['/bin/sh', '-c', 'echo {short}'],
    env: ['PATH=/usr/bin:/bin', 'TERM=xterm', 'container=podman', 'HOSTNAME={short}', 'HOME=/root']
  },
  root: { path: '/var/lib/containers/storage/overlay/{layer}/merged' },
  hostname: '{short}',
  mounts: [
    ...usual.mounts!,
    {
      destination: '/etc/hostname',
      type: 'bind',
      source: '/run/containers/overlay-containers/{id}/userdata/hostname',
      options: ['bind', 'rprivate']
    },
    {
      destination: '/run/.containerenv',
      type: 'bind',
      source: '/run/containers/overlay-containers/{id}/userdata/.containerenv',
      options: ['bind']
    },
    { destination: '/data', type: 'bind', source: '/var/lib/containers/storage/volumes/{other}/_data', options: ['rbind'] },
    { destination: '/pod', type: 'bind', source: '/var/lib/kubelet/pods/{uuid}/volumes', options: ['rbind'] }
  ],
  annotations: { 'io.container.manager': 'libpod', 'org.opencontainers.image.stopSignal': '15', 'io.kubernetes.cri-o.id': '{id}' },
  linux: {
    ...usual.linux!,
    cgroupsPath: '/kubepods/pod{pod}/{id}',
    sysctl: { 'net.ipv4.ping_group_range': '0 0' },
    namespaces: [{ type: 'pid' }, { type: 'network', path: '/run/netns/netns-{uuid}' }, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }]
  }
}

/** An engine's names stand in it. */
const asAnEngine = (config: Config): Config => ({
  ...config,
  root: { ...config.root, path: '/l/{layer}/{other}' },
  linux: { ...config.linux, cgroupsPath: '/pod{pod}/{uuid}' }
})

const bases: readonly (readonly [Config, Partial<HostFacts>])[] = [
  ...Array.from({ length: 6 }, () => [engineLike, {}] as const),
  ...[usual, rootless, everything].map((config) => [asAnEngine(config), {}] as const),
  ...Object.values(examples).map(({ config, facts }) => [asAnEngine(config), facts] as const)
]

const factsOf = (more: Partial<HostFacts>): HostFacts => {
  const facts = exampleFacts(architecture, more)
  const joins = facts.cgroup.joins.map((join) => ({ ...join, directory: `${join.directory}/{id}` }))
  return { ...facts, rootfs: '/var/lib/{layer}/merged', bundle: '/run/{id}', cgroup: { ...facts.cgroup, joins } }
}

/** Puts marks into some texts of a configuration, wherever they are. */
function marked(text: string, next: Next): string {
  let result = text
  for (let count = next(3); count > 0; count--) {
    const strings = [...result.matchAll(/"(?:[^"\\]|\\.)*"/g)]
    const found = pick(next, strings)
    const place = found.index + 1 + next(found[0].length - 1)
    // Not within an escape, nor within another mark.
    if (/[\\{][^}"]{0,6}$/.test(result.slice(Math.max(0, place - 7), place))) continue
    result = result.slice(0, place) + pick(next, ['', '-', '/', '.', '_', '0', '=', ',', 'ä']) + pick(next, MARKS) + result.slice(place)
  }
  return result
}

const ROUNDS = 250

t.test('two containers that differ in names', async (t) => {
  const next = random(20)
  let recalled = 0
  for (let round = 0; round < ROUNDS; round++) {
    const [config, more] = pick(next, bases)
    const text = marked(JSON.stringify(config), next)
    const facts = factsOf(more)
    const release = pick(next, ['socket', 'sync'] as const)
    const [first, second] = [namesAtRandom(next), namesAtRandom(next)].map((names) => {
      return { id: names['{id}'], text: named(text, names), facts: filled(facts, names), release }
    }) as [Wanted, Wanted]
    if (await follows(t, first, second, `round ${round}`)) recalled++
    if (!t.passing()) return t.comment(first, second)
  }
  t.ok(recalled > ROUNDS / 4, `${recalled} were recalled`)
})

// ---------------------------------------------------------------- names that are something else as well

const A = 'a1'.repeat(32)
const B = 'b2'.repeat(32)
const C = `c${'0123456789abcdef'.repeat(4)}`.slice(0, 64)
const plain = (more: Partial<Config> = {}): Config => ({
  ociVersion: '1.3.0',
  root: { path: 'rootfs' },
  process: { cwd: '/', args: ['/bin/true'], env: ['HOME=/'] },
  linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'uts' }, { type: 'network' }] },
  ...more
})

t.test('an id that is not in the configuration', async (t) => {
  t.ok(await follows(t, wanted('bench-01', plain()), wanted('bench-02', plain()), 'the keyring has its own'))
  t.notOk(await follows(t, wanted('bench-01', plain()), wanted('bench-003', plain()), 'a longer one'))
  t.notOk(await follows(t, wanted('bench-01', plain()), wanted('benchm02', plain()), 'one with other separators'))
  const other = wanted('bench-02', plain({ process: { ...plain().process!, env: ['HOME=/', 'ID=bench-02'] } }))
  t.notOk(await follows(t, wanted('bench-01', plain()), other, 'one that is in its configuration'))
  t.ok(await follows(t, wanted(A, plain()), wanted(B, plain()), 'an id of an engine'))
  t.notOk(await follows(t, wanted(A, plain()), wanted(B, plain(), { release: 'sync' }), 'another way of starting'))
})

t.test('an id that a sysctl turns into', async (t) => {
  const vlan = plain({ linux: { ...plain().linux!, sysctl: { 'net.ipv4.conf.eth0/100.forwarding': '1' } } })
  await follows(t, wanted('eth0.100', vlan), wanted('eth0.101', vlan), 'eth0.100')
})

t.test('an id that starts with a number', async (t) => {
  const of = (number: string): Wanted => {
    const config = plain({ process: { ...plain().process!, rlimits: [{ type: 'RLIMIT_FSIZE', soft: 0, hard: 7 }] } })
    return wanted(number.padEnd(64, 'a'), {}, { text: JSON.stringify(config).replace('"hard":7', `"hard":${number}`) })
  }
  await follows(t, of('1234567890e1'), of('1234567890e2'), '1234567890e1')
})

t.test('an id whose first letter is part of an escape', async (t) => {
  const of = (letter: string): Wanted => {
    const tail = '0123456789abcdef'.repeat(4).slice(1)
    const config = plain({ process: { ...plain().process!, env: ['HOME=/', 'X=?'] } })
    return wanted(letter + tail, {}, { text: JSON.stringify(config).replace('?', `\\${letter}${tail}`) })
  }
  await follows(t, of('b'), of('f'), '\\b')
  const hidden = (id: string): Wanted =>
    wanted(id, {}, { text: JSON.stringify(plain({ hostname: '?' })).replace('?', `\\u0061${id.slice(1, 12)}`) })
  await follows(t, hidden(A), hidden(B), '\\u0061')
})

t.test('an id that is the bytes of numbers', async (t) => {
  const gid = (text: string): number => new DataView(new TextEncoder().encode(text).buffer).getUint32(0, true)
  const config = plain({ process: { ...plain().process!, user: { uid: 0, gid: 0, additionalGids: [gid('c1c2'), gid('c3c4')] } } })
  await follows(t, wanted('c1c2c3c4', config), wanted('d1d2d3d4', config), 'gids')
  const filter = new TextEncoder().encode('c1c2c3c4')
  const facts = { ...exampleFacts(architecture), seccomp: { filter, flags: 0 } }
  await follows(t, wanted('c1c2c3c4', plain(), { facts }), wanted('d1d2d3d4', plain(), { facts }), 'a filter')
})

t.test('names that overlap', async (t) => {
  const of = (id: string, layer: string): Wanted =>
    wanted(id, plain({ root: { path: `/l/${layer}` }, process: { ...plain().process!, env: ['HOME=/', `X=ab${id}`] } }))
  await follows(t, of(C, `ab${C.slice(0, 62)}`), of(B, A), 'two')
  const twice = (id: string): Wanted => wanted(id, plain({ hostname: `${id.slice(0, 12)}${id.slice(0, 2)}` }))
  await follows(t, twice(A), twice(B), 'one with itself')
})

t.test('names with a number between them', async (t) => {
  const of = (id: string, layer: string): Wanted =>
    wanted(id, plain({ root: { path: `/l/${layer}` }, process: { ...plain().process!, args: [`/bin/${layer}0${layer}${id}1${id}`] } }))
  t.ok(await follows(t, of(A, C), of(B, A), 'what is said of the command'))
})

t.test('separators that decide', async (t) => {
  const of = (separator: string): Wanted => {
    const uuid = ['0123abcd', '0123', '0123', '0123', '0123456789ab'].join(separator)
    const namespaces = [{ type: 'mount' as const }, { type: 'uts' as const, path: `/proc/1/ns/${uuid}` }]
    return wanted(A, plain({ hostname: 'h', linux: { namespaces } }))
  }
  await follows(t, of('-'), of('_'), 'a UTS namespace of the host')
})

t.test('a symlink that is compared', async (t) => {
  const config = plain({ mounts: [{ destination: '/a', source: '/b', options: ['bind', 'copy-symlink'] }] })
  const of = (id: string): Wanted => {
    const sources = { 0: { path: '/b', kind: 'other' as const, symlink: `/c/${id}` } }
    return wanted(id, config, { facts: exampleFacts(architecture, { sources }) })
  }
  await follows(t, of(A), of(B), 'its target')
})

t.test('facts that differ', async (t) => {
  const changes: readonly Partial<HostFacts>[] = [
    { kernel: [5, 10] },
    { rootless: true },
    { callerNofile: { soft: 7, hard: 8 } },
    { setgroupsDenied: true },
    { permittedCapabilities: 1n },
    { lastCapability: 3 },
    { home: '/home' },
    { seccomp: { filter: new Uint8Array(8), flags: 0 } },
    { seccomp: { filter: new Uint8Array(8), flags: 1 } },
    { seccomp: { filter: new Uint8Array(16), flags: 0 } },
    { cgroup: { mode: 'none', hierarchies: [], joins: [] } },
    { dangling: { '/proc': '/elsewhere' } },
    { rootfs: '/elsewhere' }
  ]
  const config = { ...usual, process: { ...usual.process!, rlimits: [] } }
  for (const change of changes) {
    const facts = exampleFacts(architecture, change)
    const what = JSON.stringify(change, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    t.notOk(await follows(t, wanted(A, config), wanted(B, config, { facts }), what), what)
    t.ok(await follows(t, wanted(A, config, { facts }), wanted(C, config, { facts }), what), `${what}, again`)
  }
})

t.test('what is odd is said each time', async (t) => {
  const config = plain({ annotations: { 'run.oci.handler': 'krun' } })
  t.notOk(await follows(t, wanted(A, config), wanted(B, config), 'a warning'))
})

t.test('a hostile number of names, and a text of a hostile length', async (t) => {
  const source = (i: number): string => `/${String(i).padStart(8, 'a')}-0123-0123-0123-0123456789ab`
  const of = (id: string, count: number): Wanted =>
    wanted(id, plain({ mounts: Array.from({ length: count }, (_, i) => ({ destination: '/a', type: 'tmpfs', source: source(i) })) }))
  t.ok(await follows(t, of(A, 10), of(B, 10), 'some'))
  for (const count of [1000, 20_000]) t.equal((await draftOf(read(of(A, count).text), { id: A }, 'socket')).config.mounts?.length, count)
  t.notOk(await follows(t, of(A, 100), of(B, 100), 'many'))
})
