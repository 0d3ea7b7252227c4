/** runtime.md: the state, the lifecycle, and the operations. */
import { existsSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { cgroupsNamed } from '../cgroups.ts'
import { type Container, eventually, type State, textOf } from '../container.ts'
import { isNot, like } from '../expect.ts'
import { acts, type Case, type Change, mounts, scene, section, type Verdict } from '../requirement.ts'
import type { Stage } from '../stage.ts'

const state = section('runtime.md#state')
const lifecycle = section('runtime.md#lifecycle')
const errors = section('runtime.md#errors')
const query = section('runtime.md#query-state')
const create = section('runtime.md#create')
const start = section('runtime.md#start')
const kill = section('runtime.md#kill')
const remove = section('runtime.md#delete')

/** A process that says that it runs, and waits to be told to end. */
export const WAITS: Change = { process: { args: ['/bin/sh', '-c', 'echo run >> /tmp/ran; echo up; exec sleep 1000'] } }
const ENDS: Change = { process: { args: ['/bin/sh', '-c', 'echo run >> /tmp/ran; echo up'] } }

const ran = (container: Container): string => textOf(`${container.rootfs}/tmp/ran`)
const isUp = (container: Container): Promise<boolean> => eventually(() => container.output.includes('up'))
const alive = (pid: unknown): boolean => textOf(`/proc/${pid}/stat`) !== '' && !/\) [ZX] /.test(textOf(`/proc/${pid}/stat`))
const says = (found: unknown, wanted: unknown): Verdict => (found === wanted ? undefined : `saw ${found}, not ${wanted}`)

/** A container in the state that a test begins with. */
async function at(stage: Stage, status: 'created' | 'running' | 'stopped', change: Change = WAITS): Promise<Container> {
  const container = stage.container(status === 'stopped' && change === WAITS ? ENDS : change)
  await container.mustCreate()
  if (status === 'created') return container
  const { status: failed, stderr } = await container.start()
  if (failed !== 0) throw new Error(`start failed: ${stderr}`)
  await isUp(container)
  if (status === 'stopped') await container.stopped()
  return container
}

/** An operation that must fail and leave the container, which is `status`, as it is. */
async function noEffect(stage: Stage, status: 'created' | 'running' | 'stopped', args: readonly string[]): Promise<Verdict> {
  using container = await at(stage, status)
  const before = await container.state()
  const result = await container.invoke([args[0]!, container.id, ...args.slice(1)])
  const after = await container.state()
  if (result.status === 0) return 'no error'
  if (after.status !== status) return `the container was ${status}, and now is ${after.status ?? 'gone'}`
  if (status !== 'stopped' && (after.pid !== before.pid || !alive(after.pid))) return 'its process is not the same any more'
  return says(ran(container), status === 'created' ? '' : 'run')
}

async function fails(stage: Stage, args: readonly string[]): Promise<Verdict> {
  const control = await stage.accepts({})
  if (control !== undefined) return `cannot tell: the runtime does not create the base container either: ${control}`
  using container = stage.container()
  container.write()
  const { status } = await container.invoke(args, { cwd: container.bundle })
  if (status < 0) return 'it did not end by itself'
  return status === 0 ? 'no error' : undefined
}

const looksAtState = (change: Change, judge: (found: State, container: Container) => Verdict, status: 'created' | 'running' | 'stopped') =>
  async function look(stage: Stage): Promise<Verdict> {
    using container = await at(stage, status, change)
    return judge(await container.state(), container)
  }

const created = (judge: (found: State, container: Container) => Verdict, change: Change = WAITS) => looksAtState(change, judge, 'created')
const isString = (value: unknown): Verdict => (typeof value === 'string' ? undefined : `saw ${JSON.stringify(value)}`)
const SEMVER = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/

const states = acts([
  [state.required('ociVersion is a string in the format of SemVer'), created(({ ociVersion }) => like(SEMVER)(`${ociVersion}`, 0))],
  [state.required("id is the container's id"), created(({ id }, container) => says(id, container.id))],
  [state.required('status is a string'), created(({ status }) => isString(status))],
  [state.must('status is created when create has finished and the program has not run'), created(({ status }) => says(status, 'created'))],
  [state.must('status is running when the program runs'), looksAtState(WAITS, ({ status }) => says(status, 'running'), 'running')],
  [
    state.must('status is stopped when the process has exited'),
    async (stage) => {
      using container = await at(stage, 'running', ENDS)
      return (await container.stopped()) ? undefined : `saw ${(await container.state()).status}`
    }
  ],
  [
    state.required('pid is the id of a live process, as the runtime sees it, when status is created'),
    created(({ pid }) => (Number.isInteger(pid) && alive(pid) ? undefined : `no process ${pid}`))
  ],
  [
    state.required('pid is the id of the container process when status is running'),
    looksAtState(WAITS, ({ pid }) => like(/sleep/)(textOf(`/proc/${pid}/cmdline`), 0), 'running')
  ],
  [state.required("bundle is the absolute path of the container's bundle directory"), created(({ bundle }, c) => says(bundle, c.bundle))],
  [
    state.required('bundle is absolute when create was given a relative path'),
    async (stage) => {
      using container = stage.container(WAITS)
      container.write()
      const { status, stderr } = await container.invoke(['create', '--bundle', 'bundle', container.id], { cwd: container.path('.') })
      if (status !== 0) return `create failed: ${stderr}`
      return says((await container.state()).bundle, container.bundle)
    }
  ],
  [
    state.must('annotations contains the annotations associated with the container'),
    created(({ annotations }) => says((annotations as State)?.['com.example.key'], 'value'), {
      process: { args: ['/bin/sleep', '1000'] },
      annotations: { 'com.example.key': 'value' }
    })
  ],
  [
    state.must('annotations are absent or a map when none were provided'),
    created(({ annotations, status }) =>
      status === 'created' && (annotations === undefined || annotations === null || typeof annotations === 'object') ? undefined : 'neither'
    )
  ],
  [
    state.must('the state adheres to the JSON schema: strings are strings and pid is an integer that is not negative'),
    created(({ ociVersion, id, status, bundle, pid }) => {
      const bad = [ociVersion, id, status, bundle].find((each) => typeof each !== 'string')
      return bad === undefined && Number.isInteger(pid) && Number(pid) >= 0
        ? undefined
        : JSON.stringify({ ociVersion, id, status, bundle, pid })
    })
  ],
  [
    state.must('id is unique among all containers'),
    async (stage) => {
      using container = await at(stage, 'created')
      return (await container.createAs(container.id)).status !== 0 ? undefined : 'a second container with the same id was created'
    }
  ]
])

const BROKEN: Change = mounts({ destination: '/mnt', type: 'none', source: '/does/not/exist', options: ['bind'] })

/** A create that fails; what `judge` finds then. */
async function afterFailure(stage: Stage, judge: (container: Container) => Promise<Verdict> | Verdict): Promise<Verdict> {
  const control = await stage.accepts({})
  if (control !== undefined) return `cannot tell: the base container is not created either: ${control}`
  using container = stage.container(BROKEN)
  if ((await container.create()).status === 0) return 'create succeeded'
  return await judge(container)
}

/** Processes whose root or working directory is in the container's bundle. */
function processesIn(container: Container): readonly string[] {
  const inside = (pid: string, link: string): boolean => {
    try {
      return readlinkSync(`/proc/${pid}/${link}`).startsWith(container.rootfs)
    } catch {
      return false
    }
  }
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && (inside(pid, 'root') || inside(pid, 'cwd')))
}

const lives: readonly Case[] = [
  ...acts([
    [
      lifecycle.must('create generates an error when the environment of config.json cannot be made'),
      (stage) => afterFailure(stage, () => undefined)
    ],
    [
      lifecycle.mustNot('the user-specified program is run by create'),
      async (stage) => {
        using container = await at(stage, 'created', ENDS)
        await new Promise((resolve) => setTimeout(resolve, 50))
        return says(ran(container), '') ?? says((await container.state()).status, 'created')
      }
    ],
    [
      lifecycle.must('start runs the user-specified program'),
      async (stage) => {
        using container = await at(stage, 'running')
        return says(ran(container), 'run')
      }
    ],
    [
      lifecycle.mustNot('updates of process.args in config.json after create affect the container'),
      async (stage) => {
        using container = await at(stage, 'created')
        container.config.process.args = ['/bin/sh', '-c', 'echo other >> /tmp/ran; echo up']
        container.write()
        await container.start()
        await isUp(container)
        return says(ran(container), 'run')
      }
    ],
    [
      lifecycle.mustNot('updates of process.env in config.json after create affect the container'),
      async (stage) => {
        using container = await at(stage, 'created', {
          process: { args: ['/bin/sh', '-c', 'echo "$A" > /tmp/ran; echo up'], env: ['A=old'] }
        })
        container.config.process.env = ['A=new']
        container.write()
        await container.start()
        await isUp(container)
        return says(ran(container), 'old')
      }
    ],
    [
      lifecycle.must('the container is destroyed by undoing the steps of create: its cgroups are gone'),
      async (stage) => {
        using container = await at(stage, 'stopped')
        const { status, stderr } = await container.delete()
        if (status !== 0) return `delete failed: ${stderr}`
        const left = cgroupsNamed(container.id, stage.machine)
        return left.length === 0 ? undefined : `left: ${left}`
      }
    ],
    [
      lifecycle.must('the container is destroyed by undoing the steps of create: none of its mounts is left in the runtime namespace'),
      async (stage) => {
        using container = await at(stage, 'stopped')
        const { status, stderr } = await container.delete()
        if (status !== 0) return `delete failed: ${stderr}`
        return textOf('/proc/self/mountinfo').includes(container.bundle) ? 'a mount below the bundle is left' : undefined
      }
    ],
    [
      errors.must('a failed create leaves the environment as it was: no state'),
      (stage) =>
        afterFailure(stage, async (container) => ((await container.query()).status === 0 ? 'the container has a state' : undefined))
    ],
    [
      errors.must('a failed create leaves the environment as it was: no cgroup'),
      (stage) =>
        afterFailure(stage, (container) => {
          const left = cgroupsNamed(container.id, stage.machine)
          return left.length === 0 ? undefined : `left: ${left}`
        })
    ],
    [
      errors.must('a failed create leaves the environment as it was: no process'),
      (stage) =>
        afterFailure(stage, async (container) => {
          const gone = await eventually(() => processesIn(container).length === 0, 2000)
          return gone ? undefined : `left: ${processesIn(container)}`
        })
    ],
    [
      errors.must('a failed create leaves the environment as it was: no mount'),
      (stage) =>
        afterFailure(stage, (container) => (textOf('/proc/self/mountinfo').includes(container.bundle) ? 'a mount is left' : undefined))
    ],
    [
      errors.must('a failed create leaves the environment as it was: the id can be used'),
      (stage) =>
        afterFailure(stage, async (container) => {
          container.config.mounts.pop()
          const { status, stderr } = await container.create()
          return status === 0 ? undefined : `create failed: ${stderr}`
        })
    ]
  ])
]

const queries = acts([
  [query.must('state without an id generates an error'), (stage) => fails(stage, ['state'])],
  [query.must('state of a container that does not exist generates an error'), (stage) => fails(stage, ['state', 'does-not-exist'])],
  [
    query.must('state returns the state as JSON'),
    async (stage) => {
      using container = await at(stage, 'created')
      const { status, stdout, stderr } = await container.query()
      if (status !== 0) return `state failed: ${stderr}`
      return says(typeof (JSON.parse(stdout) as State).status, 'string')
    }
  ]
])

const HOST_NS = (type: string) => (): string => readlinkSync(`/proc/self/ns/${type}`)
const appliedAtCreate = scene(
  (config) => {
    config.root.readonly = true
    config.annotations = { 'com.example.made': 'at create' }
    config.mounts.push({ destination: '/mnt', type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] })
    config.linux.sysctl = { 'net.ipv4.ip_forward': '1' }
  },
  [
    [create.must('mounts are applied by create'), ({ proc }) => proc('mountinfo'), like(/ \/mnt .* tmpfs /)],
    [create.must('root.readonly is applied by create'), ({ proc }) => proc('mountinfo'), like(/ \/ ro[, ]/m)],
    [create.must('annotations are applied by create'), ({ state: found }) => JSON.stringify(found), like(/com\.example\.made/)],
    [
      create.must('namespaces are applied by create'),
      ({ pid }) => readlinkSync(`/proc/${pid}/ns/net`),
      (seen) => isNot(HOST_NS('net')())(seen, 0)
    ],
    [
      create.must('process.args are not applied by create: the process is not the user-specified program'),
      ({ proc }) => `${proc('cmdline')} `,
      (seen) => (seen.includes('echo @@end') ? `the program runs: ${JSON.stringify(seen)}` : undefined)
    ]
  ]
)

const creations: readonly Case[] = [
  appliedAtCreate,
  ...acts([
    [create.must('create without an id generates an error'), (stage) => fails(stage, ['create'])],
    [
      create.must('create of a path without a bundle generates an error'),
      async (stage) => {
        const control = await stage.accepts({})
        if (control !== undefined) return `cannot tell: ${control}`
        using container = stage.container()
        mkdirSync(container.path('empty'))
        const { status } = await container.createAs(container.id, container.path('empty'))
        return status !== 0 && (await container.query()).status !== 0 ? undefined : 'no error'
      }
    ],
    [
      create.must('create of a bundle whose config.json is no JSON generates an error'),
      async (stage) => {
        const control = await stage.accepts({})
        if (control !== undefined) return `cannot tell: ${control}`
        using container = stage.container()
        writeFileSync(`${container.bundle}/config.json`, '{"ociVersion": "1.0.2", ')
        return (await container.createAs(container.id)).status !== 0 ? undefined : 'no error'
      }
    ],
    [create.must('create makes a new container'), created(({ status }) => says(status, 'created'))],
    [
      create.must('create with an id that is in use generates an error'),
      async (stage) => {
        using container = await at(stage, 'created')
        return (await container.createAs(container.id)).status !== 0 ? undefined : 'no error'
      }
    ],
    [
      create.mustNot('a container is created by create with an id that is in use: the first keeps its process'),
      async (stage) => {
        using container = await at(stage, 'created')
        const before = await container.state()
        await container.createAs(container.id)
        const after = await container.state()
        return after.pid === before.pid && alive(before.pid) && after.status === 'created' ? undefined : 'the first container has changed'
      }
    ],
    [create.must('create with the id "../x", which is not valid, generates an error'), (stage) => badId(stage, '../x')],
    [create.must('create with an id with a slash, which is not valid, generates an error'), (stage) => badId(stage, 'a/b')],
    [create.must('create with the empty id, which is not valid, generates an error'), (stage) => badId(stage, '')],
    [
      create.must('a property that cannot be applied generates an error: a sysctl that does not exist'),
      (stage) => cannotApply(stage, { linux: { sysctl: { 'net.ipv4.does_not_exist': '1' } } })
    ],
    [
      create.must('a property that cannot be applied generates an error: a file system that does not exist'),
      (stage) => cannotApply(stage, mounts({ destination: '/mnt', type: 'nosuchfs', source: 'none' }))
    ],
    [
      create.mustNot('a container is created when a property cannot be applied'),
      (stage) => afterFailure(stage, async (container) => ((await container.query()).status === 0 ? 'it is there' : undefined))
    ]
  ])
]

async function badId(stage: Stage, id: string): Promise<Verdict> {
  const control = await stage.accepts({})
  if (control !== undefined) return `cannot tell: ${control}`
  using container = stage.container()
  container.write()
  const { status } = await container.createAs(id)
  if (status === 0) await container.invoke(['delete', '--force', id])
  return status === 0 ? 'no error' : undefined
}

async function cannotApply(stage: Stage, change: Change): Promise<Verdict> {
  const control = await stage.accepts({})
  if (control !== undefined) return `cannot tell: ${control}`
  using container = stage.container(change)
  return await container.isRefused()
}

const starts = acts([
  [start.must('start without an id generates an error'), (stage) => fails(stage, ['start'])],
  [start.must('start of a container that does not exist generates an error'), (stage) => fails(stage, ['start', 'does-not-exist'])],
  [start.must('start of a running container has no effect and generates an error'), (stage) => noEffect(stage, 'running', ['start'])],
  [start.must('start of a stopped container has no effect and generates an error'), (stage) => noEffect(stage, 'stopped', ['start'])],
  [
    start.must('start runs the program as process says'),
    async (stage) => {
      using container = stage.container({ process: { args: ['/bin/echo', 'this is it'] } })
      await container.mustRun()
      return (await eventually(() => container.output === 'this is it')) ? undefined : `saw ${container.output}`
    }
  ],
  [
    start.must('start generates an error when process was not set (as does create, where a runtime looks at it then)'),
    async (stage) => cannotApply(stage, { process: undefined })
  ]
])

/** Whether a signal reaches a process that waits for it. */
async function receives(stage: Stage, signal: string, name = signal): Promise<Verdict> {
  using container = stage.container({
    process: { args: ['/bin/sh', '-c', `trap 'echo got ${name}; exit 0' ${name}; echo up; while :; do sleep 0.02; done`] }
  })
  await container.mustRun()
  await isUp(container)
  const { status, stderr } = await container.kill(signal)
  if (status !== 0) return `kill failed: ${stderr}`
  return (await eventually(() => container.output.includes(`got ${name}`))) ? undefined : `the signal did not come: ${container.output}`
}

const kills = acts([
  [kill.must('kill without an id generates an error'), (stage) => fails(stage, ['kill'])],
  [kill.must('kill of a container that does not exist generates an error'), (stage) => fails(stage, ['kill', 'does-not-exist', 'TERM'])],
  [kill.must('kill of a stopped container has no effect and generates an error'), (stage) => noEffect(stage, 'stopped', ['kill', 'TERM'])],
  [kill.must('kill sends SIGTERM'), (stage) => receives(stage, 'TERM')],
  [kill.must('kill sends SIGHUP'), (stage) => receives(stage, 'HUP')],
  [kill.must('kill sends SIGINT'), (stage) => receives(stage, 'INT')],
  [kill.must('kill sends SIGUSR1'), (stage) => receives(stage, 'USR1')],
  [kill.must('kill sends a signal given by its number'), (stage) => receives(stage, '12', 'USR2')],
  [
    kill.must('kill sends SIGKILL to a running container'),
    async (stage) => {
      using container = await at(stage, 'running')
      const { status, stderr } = await container.kill('KILL')
      if (status !== 0) return `kill failed: ${stderr}`
      return (await container.stopped()) ? undefined : 'the container is not stopped'
    }
  ],
  [
    kill.must('kill sends SIGKILL to a created container'),
    async (stage) => {
      using container = await at(stage, 'created')
      const { status, stderr } = await container.kill('KILL')
      if (status !== 0) return `kill failed: ${stderr}`
      return (await container.stopped()) ? undefined : 'the container is not stopped'
    }
  ],
  [
    kill.must('kill with a signal that does not exist generates an error'),
    async (stage) => noEffect(stage, 'running', ['kill', 'NOSUCHSIGNAL'])
  ]
])

/** A stopped container is deleted; what `judge` finds then. */
async function afterDelete(stage: Stage, change: Change, judge: (container: Container) => Promise<Verdict> | Verdict): Promise<Verdict> {
  using container = stage.container(change)
  await container.mustRun()
  await container.stopped()
  const { status, stderr } = await container.delete()
  return status === 0 ? await judge(container) : `delete failed: ${stderr}`
}

const deletions = acts([
  [remove.must('delete without an id generates an error'), (stage) => fails(stage, ['delete'])],
  [remove.must('delete of a container that does not exist generates an error'), (stage) => fails(stage, ['delete', 'does-not-exist'])],
  [remove.must('delete of a running container has no effect and generates an error'), (stage) => noEffect(stage, 'running', ['delete'])],
  [remove.must('delete of a created container has no effect and generates an error'), (stage) => noEffect(stage, 'created', ['delete'])],
  [
    remove.must('delete of a stopped container succeeds, and its state is gone'),
    (stage) => afterDelete(stage, ENDS, async (container) => ((await container.query()).status === 0 ? 'it has a state' : undefined))
  ],
  [
    remove.must('delete deletes what create made: the cgroups'),
    (stage) =>
      afterDelete(stage, ENDS, (container) => {
        const left = cgroupsNamed(container.id, stage.machine)
        return left.length === 0 ? undefined : `left: ${left}`
      })
  ],
  [
    remove.must('delete deletes what create made: the files of the runtime under its root'),
    (stage) =>
      afterDelete(stage, ENDS, (container) => {
        const left = readdirSync(container.root, { recursive: true, encoding: 'utf8' }).filter((path) => path.includes(container.id))
        return left.length === 0 ? undefined : `left: ${left}`
      })
  ],
  [
    remove.mustNot('what the container did not create is deleted: the bundle and the root file system'),
    (stage) =>
      afterDelete(stage, ENDS, ({ bundle, rootfs }) =>
        existsSync(`${bundle}/config.json`) && existsSync(`${rootfs}/bin/busybox`) ? undefined : 'the bundle is not whole any more'
      )
  ],
  [
    remove.mustNot('what the container did not create is deleted: the source of a bind mount'),
    (stage) =>
      afterDelete(
        stage,
        (config, container) => {
          config.process.args = ['/bin/true']
          mkdirSync(container.path('kept/below'), { recursive: true })
          config.mounts.push({ destination: '/mnt', type: 'none', source: container.path('kept'), options: ['bind'] })
        },
        (container) => (existsSync(container.path('kept/below')) ? undefined : 'it is gone')
      )
  ],
  [
    remove.must('the id of a deleted container can be used again'),
    (stage) =>
      afterDelete(stage, ENDS, async (container) => {
        const { status, stderr } = await container.create()
        return status === 0 ? undefined : `create failed: ${stderr}`
      })
  ]
])

export const lifecycleCases: readonly Case[] = [...states, ...lives, ...queries, ...creations, ...starts, ...kills, ...deletions]
