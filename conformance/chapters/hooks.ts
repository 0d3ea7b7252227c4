/** config.md: hooks, and the steps of runtime.md's lifecycle that are theirs. */
import { chmodSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { type Container, eventually, textOf } from '../container.ts'
import { is, like } from '../expect.ts'
import { acts, type Case, type Change, type Requirement, refusals, section, type Verdict } from '../requirement.ts'
import type { Stage } from '../stage.ts'

const hooks = section('config.md#posix-platform-hooks')
const lifecycle = section('runtime.md#lifecycle')

/** A kind of hook: the operation that calls it, and the namespaces in which it is looked up and runs. */
interface Kind {
  readonly name: string
  readonly section: string
  readonly by: 'create' | 'start' | 'delete'
  readonly runs: 'runtime' | 'container'
  readonly resolves: 'runtime' | 'container'
}

const KINDS: readonly Kind[] = [
  { name: 'prestart', section: 'prestart', by: 'create', runs: 'runtime', resolves: 'runtime' },
  { name: 'createRuntime', section: 'createruntime-hooks', by: 'create', runs: 'runtime', resolves: 'runtime' },
  { name: 'createContainer', section: 'createcontainer-hooks', by: 'create', runs: 'container', resolves: 'runtime' },
  { name: 'startContainer', section: 'startcontainer-hooks', by: 'start', runs: 'container', resolves: 'container' },
  { name: 'poststart', section: 'poststart', by: 'start', runs: 'runtime', resolves: 'runtime' },
  { name: 'poststop', section: 'poststop', by: 'delete', runs: 'runtime', resolves: 'runtime' }
]

/** Where hooks write: a directory of the root file system, under the name that a hook of this kind has for it. */
const place = ({ resolves }: Kind, { rootfs }: Container): string => (resolves === 'container' ? '/data' : `${rootfs}/data`)

/** A hook that runs a script, with DIR set to the directory that it can write to. */
function hook(kind: Kind, container: Container, script: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const path = kind.resolves === 'container' ? '/bin/sh' : '/bin/busybox'
  // What does not read its standard input can end a runtime that writes to it by SIGPIPE.
  return {
    path,
    args: ['sh', '-c', /\bcat\b|\bsed\b/.test(script) ? script : `cat > /dev/null; ${script}`],
    env: ['PATH=/bin:/usr/bin:/sbin:/usr/sbin', `DIR=${place(kind, container)}`],
    ...more
  }
}

/** A configuration with hooks; the process says that it ran, and waits or ends. */
const withHooks =
  (make: (container: Container) => Readonly<Record<string, unknown>>, process = 'echo process >> /data/order'): Change =>
  (config, container) => {
    config.hooks = make(container)
    config.process.args = ['/bin/sh', '-c', process]
  }

const written = (container: Container, name: string): string => textOf(`${container.rootfs}/data/${name}`)

/** Takes a container through its whole life. */
async function live(container: Container): Promise<void> {
  await container.mustRun()
  await container.stopped()
  const { status, stderr } = await container.delete()
  if (status !== 0) throw new Error(`delete failed: ${stderr}`)
}

/** Runs one script as a hook of this kind, and judges what it wrote to $DIR/out. */
async function says(stage: Stage, kind: Kind, script: string, judge: (seen: string, container: Container) => Verdict): Promise<Verdict> {
  using container = stage.container(withHooks((made) => ({ [kind.name]: [hook(kind, made, script)] })))
  await live(container)
  return judge(written(container, 'out'), container)
}

const field = (text: string, name: string): unknown => {
  try {
    return (JSON.parse(text) as Record<string, unknown>)[name]
  } catch {
    return `no JSON: ${JSON.stringify(text)}`
  }
}
const equals = (found: unknown, wanted: unknown): Verdict => (found === wanted ? undefined : `saw ${found}, not ${wanted}`)
const HOST_UTS = (): string => readlinkSync('/proc/self/ns/uts')
const isHost: (seen: string) => Verdict = (seen) => is(HOST_UTS())(seen, 0)
const isInside: (seen: string) => Verdict = (seen) =>
  /^uts:/.test(seen) && seen !== HOST_UTS() ? undefined : `saw ${JSON.stringify(seen)}, and the runtime has ${HOST_UTS()}`

const STATE = 'cat > $DIR/out'
type Act = readonly [Requirement, (stage: Stage) => Promise<Verdict>]

/** What holds for hooks of every kind. */
function common(kind: Kind): readonly Act[] {
  const { name } = kind
  const own = section(`config.md#${kind.section}`)
  const args = (script: string): string[] => ['sh', '-c', script, 'a b', '']
  return [
    [
      own.must(`${name} hooks are executed in the ${kind.runs} namespace`),
      (stage) => says(stage, kind, 'readlink /proc/self/ns/uts > $DIR/out', kind.runs === 'runtime' ? isHost : isInside)
    ],
    [own.must(`the path of ${name} hooks resolves in the ${kind.resolves} namespace`), (stage) => resolves(stage, kind)],
    [own.must(`${name} hooks are called as part of ${kind.by}`), (stage) => calledBy(stage, kind)],
    [hooks.must(`${name} hooks are called in the listed order`), (stage) => inOrder(stage, kind)],
    [
      hooks.must(`the state is passed to ${name} hooks over stdin: its id`),
      (stage) => says(stage, kind, STATE, (seen, { id }) => equals(field(seen, 'id'), id))
    ],
    [
      hooks.must(`the state is passed to ${name} hooks over stdin: its bundle`),
      (stage) => says(stage, kind, STATE, (seen, { bundle }) => equals(field(seen, 'bundle'), bundle))
    ],
    [
      hooks.must(`the state is passed to ${name} hooks over stdin: ociVersion and status are strings`),
      (stage) =>
        says(stage, kind, STATE, (seen) => equals(`${typeof field(seen, 'ociVersion')} ${typeof field(seen, 'status')}`, 'string string'))
    ],
    [
      hooks.must(`args of ${name} hooks have the semantics of execv's argv`),
      (stage) => passes(stage, kind, { args: args('printf "[%s]" "$0" "$@" > $DIR/out') }, '[a b][]')
    ],
    [
      hooks.must(`env of ${name} hooks has the semantics of environ`),
      (stage) =>
        says(stage, kind, 'env > $DIR/out', (seen) => like(/^DIR=/m)(seen, 0) ?? (seen.includes('OF_THE_RUNTIME') ? seen : undefined))
    ]
  ]
}

async function passes(stage: Stage, kind: Kind, more: Readonly<Record<string, unknown>>, wanted: string): Promise<Verdict> {
  using container = stage.container(withHooks((made) => ({ [kind.name]: [hook(kind, made, '', more)] })))
  await live(container)
  return is(wanted)(written(container, 'out'), 0)
}

/** A program of one name on the host and in the container, which says where it is. */
async function resolves(stage: Stage, kind: Kind): Promise<Verdict> {
  using container = stage.container(
    withHooks((made) => ({ [kind.name]: [{ ...hook(kind, made, ''), path: `${made.rootfs}/hook`, args: ['hook'] }] }))
  )
  const script = (where: string, directory: string): string => `#!/bin/sh\ncat > /dev/null\necho ${where} > ${directory}/out\n`
  const inside = `${container.rootfs}${container.rootfs}`
  mkdirSync(inside, { recursive: true })
  writeFileSync(`${container.rootfs}/hook`, script('runtime', place(kind, container)))
  writeFileSync(`${inside}/hook`, script('container', '/data'))
  for (const path of [`${container.rootfs}/hook`, `${inside}/hook`]) chmodSync(path, 0o755)
  await live(container)
  return is(kind.resolves)(written(container, 'out'), 0)
}

async function calledBy(stage: Stage, kind: Kind): Promise<Verdict> {
  using container = stage.container(withHooks((made) => ({ [kind.name]: [hook(kind, made, 'echo called > $DIR/out')] }), 'sleep 0.2'))
  const steps = [
    ['create', () => container.create()],
    ['start', () => container.start()],
    ['delete', async () => ((await container.stopped()) ? container.delete() : container.delete())]
  ] as const
  for (const [name, step] of steps) {
    const { status, stderr } = await step()
    if (status !== 0) return `${name} failed: ${stderr}`
    const called = written(container, 'out') === 'called'
    if (called !== steps.findIndex(([each]) => each === name) >= steps.findIndex(([each]) => each === kind.by)) {
      return called ? `already called when ${name} had returned` : `not called when ${name} had returned`
    }
  }
  return undefined
}

async function inOrder(stage: Stage, kind: Kind): Promise<Verdict> {
  const scripts = ['echo 1 >> $DIR/out', 'sleep 0.02; echo 2 >> $DIR/out', 'echo 3 >> $DIR/out']
  using container = stage.container(withHooks((made) => ({ [kind.name]: scripts.map((script) => hook(kind, made, script)) })))
  await live(container)
  return is('1\n2\n3')(written(container, 'out'), 0)
}

/** One life with a hook of every kind and the process, all of which write down that they ran. */
async function order(stage: Stage): Promise<readonly string[]> {
  const all = (made: Container): Record<string, unknown> =>
    Object.fromEntries(KINDS.map((kind) => [kind.name, [hook(kind, made, `echo ${kind.name} >> $DIR/order`)]]))
  using container = stage.container(withHooks(all))
  await live(container)
  return written(container, 'order').split('\n')
}

const before =
  (first: string, second: string) =>
  async (stage: Stage): Promise<Verdict> => {
    const found = await order(stage)
    const [a, b] = [found.indexOf(first), found.indexOf(second)]
    return a >= 0 && b >= 0 && a < b ? undefined : `saw ${found}`
  }

const orders: readonly Act[] = [
  [section('config.md#prestart').must('prestart hooks are called before createRuntime hooks'), before('prestart', 'createRuntime')],
  [
    section('config.md#createcontainer-hooks').must('createContainer hooks are called after createRuntime hooks'),
    before('createRuntime', 'createContainer')
  ],
  [
    section('config.md#startcontainer-hooks').must('startContainer hooks are called before the program is executed'),
    before('startContainer', 'process')
  ],
  [section('config.md#poststop').must('poststop hooks are called after all others'), before('poststart', 'poststop')],
  [
    section('config.md#poststart').must('poststart hooks are called after the program was executed'),
    async (stage) => {
      const kind = KINDS[4]!
      const script =
        'pid=$(sed \'s/.*"pid" *: *\\([0-9]*\\).*/\\1/\'); i=0; while [ $i -lt 20 ]; do tr "\\0" " " < /proc/$pid/cmdline > $DIR/out; grep -q sleep $DIR/out && exit; i=$((i+1)); usleep 10000; done'
      using container = stage.container(withHooks((made) => ({ poststart: [hook(kind, made, script)] }), 'exec sleep 1000'))
      await container.mustRun()
      return like(/sleep 1000/)(written(container, 'out'), 0)
    }
  ],
  [
    section('config.md#createruntime-hooks').must('createRuntime hooks are called after the namespaces of the container were made'),
    (stage) => ofProcess(stage, 'createRuntime')
  ],
  [
    section('config.md#prestart').must('prestart hooks are called after the namespaces of the container were made'),
    (stage) => ofProcess(stage, 'prestart')
  ],
  [
    section('config.md#createcontainer-hooks').must('createContainer hooks are called before pivot_root: the paths of the host are there'),
    async (stage) => {
      const kind = KINDS[2]!
      return await says(stage, kind, 'cat "$DIR/../../config.json" > $DIR/out', (seen) => like(/ociVersion/)(seen, 0))
    }
  ],
  [
    section('config.md#poststop').must('poststop hooks are called after the container was deleted: its process is gone'),
    (stage) =>
      says(
        stage,
        KINDS[5]!,
        'pid=$(sed \'s/.*"pid" *: *\\([0-9]*\\).*/\\1/\'); if [ "$pid" -gt 0 ] 2>/dev/null && [ -e /proc/$pid/root/data/file ]; then echo there; else echo gone; fi > $DIR/out',
        (seen) => is('gone')(seen, 0)
      )
  ]
]

/** The hook compares the network namespace of the process in its state with its own. */
function ofProcess(stage: Stage, name: string): Promise<Verdict> {
  const kind = KINDS.find((each) => each.name === name)!
  const script = 'pid=$(sed \'s/.*"pid" *: *\\([0-9]*\\).*/\\1/\'); readlink /proc/$pid/ns/net > $DIR/out'
  const net = readlinkSync('/proc/self/ns/net')
  return says(stage, kind, script, (seen) => (/^net:/.test(seen) && seen !== net ? undefined : `saw ${JSON.stringify(seen)}`))
}

/** What must follow when a hook fails; poststop hooks say that they were called. */
interface Failed {
  readonly container: Container
  readonly status: number
}

async function whenFails(stage: Stage, kind: Kind, judge: (failed: Failed) => Promise<Verdict> | Verdict): Promise<Verdict> {
  using container = stage.container(
    withHooks(
      (made) => ({
        [kind.name]: [hook(kind, made, 'echo called > $DIR/out; exit 3')],
        poststop: [hook(KINDS[5]!, made, 'echo poststop > $DIR/stop')]
      }),
      'echo process > /data/ran; sleep 1000'
    )
  )
  const created = await container.create()
  if (kind.by === 'start' && created.status !== 0) return `create failed: ${created.stderr}`
  const pid = kind.by === 'start' ? (await container.state()).pid : undefined
  const { status } = kind.by === 'start' ? await container.start() : created
  if (written(container, 'out') !== 'called') return 'the hook was not called'
  const why =
    pid !== undefined && !(await eventually(() => textOf(`/proc/${pid}/root/data/file`) === '', 1000)) ? 'its process is left' : undefined
  return why ?? (await judge({ container, status }))
}

/** Steps of the lifecycle when a hook of this kind fails. */
function failures(kind: Kind): readonly Act[] {
  const { name } = kind
  return [
    [
      lifecycle.must(`a ${name} hook that fails generates an error`),
      (stage) => whenFails(stage, kind, ({ status }) => (status !== 0 ? undefined : `${kind.by} succeeded`))
    ],
    [
      lifecycle.must(`a ${name} hook that fails: the container is stopped`),
      (stage) =>
        whenFails(stage, kind, async ({ container }) => {
          const { status } = await container.state()
          return status === undefined || status === 'stopped' ? undefined : `status is ${status}`
        })
    ],
    [
      lifecycle.must(`a ${name} hook that fails: the poststop hooks are called, at the latest by delete`),
      (stage) =>
        whenFails(stage, kind, async ({ container }) => {
          if ((await container.query()).status === 0) await container.delete()
          return is('poststop')(written(container, 'stop'), 0)
        })
    ]
  ]
}

const poststops: readonly Act[] = [
  [
    lifecycle.must('a poststop hook that fails: the remaining hooks are called'),
    async (stage) => {
      const kind = KINDS[5]!
      using container = stage.container(
        withHooks((made) => ({ poststop: [hook(kind, made, 'exit 3'), hook(kind, made, 'echo second > $DIR/out')] }))
      )
      await container.mustRun()
      await container.stopped()
      await container.delete()
      return is('second')(written(container, 'out'), 0)
    }
  ],
  [
    lifecycle.must('a poststop hook that fails is a warning: delete goes on as if it had succeeded'),
    async (stage) => {
      using container = stage.container(withHooks((made) => ({ poststop: [hook(KINDS[5]!, made, 'echo called > $DIR/out; exit 3')] })))
      await container.mustRun()
      await container.stopped()
      const { status, stderr } = await container.delete()
      if (written(container, 'out') !== 'called') return 'the hook was not called'
      if (status !== 0) return `delete failed: ${stderr}`
      return (await container.query()).status !== 0 ? undefined : 'the container is still there'
    }
  ],
  [
    lifecycle.mustNot('a startContainer hook that fails lets the program run'),
    (stage) => whenFails(stage, KINDS[3]!, ({ container }) => is('')(written(container, 'ran'), 0))
  ]
]

const timeouts: readonly Act[] = KINDS.filter(({ by }) => by !== 'delete').map((kind) => [
  hooks.must(`a ${kind.name} hook that runs longer than its timeout is aborted`),
  async (stage) => {
    using container = stage.container(
      withHooks((made) => ({ [kind.name]: [hook(kind, made, 'echo called > $DIR/out; exec sleep 8', { timeout: 1 })] }), 'exec sleep 1000')
    )
    const begun = Date.now()
    const created = await container.create()
    const { status } = kind.by === 'start' ? await container.start() : created
    if (written(container, 'out') !== 'called') return `the hook was not called: ${created.stderr}`
    if (Date.now() - begun > 6000) return 'it was waited for'
    return status !== 0 ? undefined : `${kind.by} succeeded`
  }
])

const invalid: readonly Case[] = KINDS.flatMap((kind) => {
  const good = withHooks((made) => ({ [kind.name]: [hook(kind, made, ':')] }))
  const with_ = (more: Readonly<Record<string, unknown>>): Change => withHooks((made) => ({ [kind.name]: [hook(kind, made, ':', more)] }))
  return refusals(good, [
    [hooks.must(`path of ${kind.name} hooks is absolute: a relative one is an error`), with_({ path: 'bin/busybox' })],
    [hooks.must(`timeout of ${kind.name} hooks is greater than zero: zero is an error`), with_({ timeout: 0 })],
    [hooks.must(`timeout of ${kind.name} hooks is greater than zero: a negative one is an error`), with_({ timeout: -1 })]
  ])
})

export const hookCases: readonly Case[] = [
  ...acts(KINDS.flatMap(common)),
  ...acts(orders),
  ...acts(KINDS.filter(({ by }) => by !== 'delete').flatMap(failures)),
  ...acts(poststops),
  ...acts(timeouts),
  ...invalid
]
