/** Every step of a plan is made to fail once, for real: each failure must name its step, and leave nothing behind. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cgroupLayout, createCgroup, locate } from '../../src/cgroup/index.ts'
import { compiledFrom } from '../../src/container/compiled.ts'
import { readFacts } from '../../src/container/facts.ts'
import { stepsAfterReady } from '../../src/container/failure.ts'
import { launch } from '../../src/container/launch.ts'
import { loadBundle } from '../../src/container/load.ts'
import { answer } from '../../src/container/protocol.ts'
import { withInit } from '../../src/container/record.ts'
import { letGo } from '../../src/container/release.ts'
import { type Work, withUndo } from '../../src/container/work.ts'
import type { TsrunError } from '../../src/errors/error.ts'
import { accept, listenUnix, poll } from '../../src/linux/socket.ts'
import { compile } from '../../src/plan/compile.ts'
import type { HostFacts, PlanOptions } from '../../src/plan/facts.ts'
import type { Plan, Step } from '../../src/plan/step.ts'
import { type Sandbox, sandbox, unable } from '../harness.ts'
import { user } from '../user.ts'

/** What the fault looks like: EBADF, which no step expects. */
const broken = ({ label, pointer, says, code }: Step): Step => ({
  call: 'close',
  args: [-1],
  pointer,
  says,
  ...(label === undefined ? {} : { label }),
  ...(code === undefined ? {} : { code })
})

const withFault = (plan: Plan, index: number): Plan => ({
  ...plan,
  steps: plan.steps.map((step, i) => (i === index ? broken(step) : step))
})

const OPTIONS: PlanOptions = {
  id: 'fault',
  release: 'sync',
  noPivot: false,
  noNewKeyring: false,
  preserveFds: 0,
  consoleSocket: false,
  extraEnv: []
}

interface Scene {
  readonly box: Sandbox
  readonly bundle: string
  readonly facts: Omit<HostFacts, 'cgroup'>
  readonly config: ReturnType<typeof loadBundle>['config']
}

/** Makes a container whose step `index` fails; returns the error, or undefined when that step is not on the way. */
async function attempt(scene: Scene, index: number): Promise<{ error: TsrunError | undefined; steps: readonly Step[] }> {
  const { box, bundle, facts, config } = scene
  let steps: readonly Step[] = []
  const done = new Error('done')
  const error = await withUndo({}, async (work: Work) => {
    const { location, joins, undo } = createCgroup(
      locate(undefined, box.id(), { rootless: user !== undefined }),
      config.linux?.resources,
      undefined
    )
    work.undo.add('remove the cgroup', undo)
    const { mode, hierarchies } = cgroupLayout()
    const whole = compile(config, { ...facts, cgroup: { mode, hierarchies, joins } }, OPTIONS)
    steps = whole.steps
    const plan = withFault(whole, index)
    const document = {
      id: 'fault',
      ociVersion: '1.0.2',
      pid: 0,
      status: 'creating',
      bundle,
      rootfs: facts.rootfs,
      created: '',
      owner: ''
    } as const
    const { init, sync } = await launch(
      {
        config,
        program: compiledFrom(plan),
        named: {},
        preserve: 0,
        detached: true,
        directory: box.directory,
        bundle,
        rootfs: facts.rootfs,
        document,
        cgroup: location
      },
      work
    )
    const record = withInit({ steps: {} } as never, init.pid, stepsAfterReady(plan))
    await letGo({ record, config, pidfd: init.pidfd.fd, interrupt: work.interrupt }, () => {
      answer(sync.fd)
      return sync.fd
    })
    throw done
  }).catch((cause: unknown) => cause)
  return { error: error === done ? undefined : (error as TsrunError), steps }
}

t.test('each step fails once', { skip: unable, timeout: 110_000 }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle({ annotations: {} })
  mkdirSync(join(bundle, 'rootfs/mnt'))
  const { config } = loadBundle({}, bundle)
  const facts = await readFacts({ config, bundle, rootless: user !== undefined, noPivot: false, log: undefined })
  const scene = { box, bundle, facts, config }
  const { error, steps } = await attempt(scene, -1)
  t.equal(error, undefined, 'without a fault it works')
  const before = box.snapshot()
  let reached = 0
  // The last step is where a program without a runtime ends; it must be there.
  for (let index = 0; index < steps.length - 1; index++) {
    const { error } = await attempt(scene, index)
    if (error === undefined) continue
    reached++
    if (error.errno !== 'EBADF' || !/bad file descriptor/.test(error.message)) t.fail(`step ${index}: ${error.stack}`)
  }
  t.ok(reached > steps.length / 3, `${reached} of ${steps.length} steps are on the way`)
  t.same(await box.leftovers(before), [])
})

t.test('each step of what a container may ask for beside the usual fails once', { skip: unable, timeout: 110_000 }, async (t) => {
  using box = sandbox(t)
  const listenerPath = join(box.directory, 'agent')
  using listening = listenUnix(listenerPath, 0o600)
  const bundle = box.bundle((config) => ({
    ...config,
    process: {
      ...config.process,
      scheduler: { policy: 'SCHED_BATCH', nice: 19 },
      ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 5 },
      noNewPrivileges: false
    },
    linux: {
      ...config.linux,
      memoryPolicy: { mode: 'MPOL_BIND', nodes: '0' },
      personality: { domain: 'LINUX' },
      seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerPath, syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' }] }
    }
  }))
  const { config } = loadBundle({}, bundle)
  const facts = await readFacts({ config, bundle, rootless: user !== undefined, noPivot: false, log: undefined })
  const scene = { box, bundle, facts, config }
  /** Nobody waits at the socket for long. */
  const drain = (): void => {
    while (poll([{ fd: listening.fd, events: 1 }], 0)[0] !== 0) accept(listening.fd)[Symbol.dispose]()
  }
  const { error, steps } = await attempt(scene, -1)
  t.equal(error, undefined, 'without a fault it works')
  drain()
  const before = box.snapshot()
  const fields = /^\/(process\/(scheduler|ioPriority)|linux\/(memoryPolicy|personality|seccomp))/
  const wanted = steps.flatMap(({ pointer }, index) => (fields.test(pointer) ? [index] : []))
  t.ok(wanted.length >= 10)
  for (const index of wanted) {
    const { error } = await attempt(scene, index)
    drain()
    t.match(error, { errno: 'EBADF', pointer: steps[index]!.pointer }, `step ${index}`)
  }
  t.same(await box.leftovers(before), [])
})

t.test('a start socket is closed with the work', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const path = join(box.directory, 'socket')
  await withUndo({}, async (work) => void work.use(listenUnix(path, 0o600)))
  t.throws(() => listenUnix(path, 0o600), /address already in use/)
})
