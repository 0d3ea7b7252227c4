/** Every step of a plan of `exec` is made to fail once, for real: each failure must name its step, and leave nothing behind. */
import t from 'tap'
import type { CgroupLocation } from '../../src/cgroup/index.ts'
import { compiledFrom } from '../../src/container/compiled.ts'
import { loadCopy } from '../../src/container/copy.ts'
import { readExecFacts } from '../../src/container/exec-facts.ts'
import { stepsAfterReady } from '../../src/container/failure.ts'
import { launch } from '../../src/container/launch.ts'
import { answer } from '../../src/container/protocol.ts'
import { letGo } from '../../src/container/release.ts'
import { readRecord, stateDirectory } from '../../src/container/store.ts'
import { type Work, withUndo } from '../../src/container/work.ts'
import type { TsrunError } from '../../src/errors/error.ts'
import { pidfdOpen } from '../../src/linux/process.ts'
import { compileExec } from '../../src/plan/exec.ts'
import type { Plan, Step } from '../../src/plan/step.ts'
import { running, until } from '../exec.ts'
import { sandbox, unable } from '../harness.ts'
import { processesOf } from '../leftovers.ts'
import { idsOfUser } from '../user.ts'

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

t.test('each step fails once', { skip: unable, timeout: 110_000 }, async (t) => {
  using box = sandbox(t)
  const { id, root } = await running(box)
  const directory = stateDirectory(root, id)
  const record = readRecord(directory)
  const process = {
    ...loadCopy(directory).process!,
    args: ['true'],
    user: idsOfUser > 1000 ? { uid: 1000, gid: 1000 } : { uid: 0, gid: 0 },
    cwd: '/tmp'
  }
  const config = { ...loadCopy(directory), process }
  using pidfd = pidfdOpen(record.init_process_pid)
  const facts = await readExecFacts({ record, pidfd: pidfd.fd, config, subCgroups: new Map(), options: {} })
  const whole = compileExec(process, config, facts, { id, noNewKeyring: false, preserveFds: 0, consoleSocket: false, extraEnv: [] })

  /** Executes the command with step `index` failing; returns the error, or undefined when that step is not on the way. */
  async function attempt(index: number): Promise<TsrunError | undefined> {
    const plan = withFault(whole, index)
    const done = new Error('done')
    const cgroup: CgroupLocation | undefined = undefined
    const more = { directory: directory.path, bundle: '', rootfs: '', document: {} as never, cgroup, preserve: 0, detached: true }
    const error = await withUndo({}, async (work: Work) => {
      const { init, sync } = await launch({ config, program: compiledFrom(plan), named: { init: pidfd.fd }, ...more }, work)
      const going = { init_process_pid: init.pid, steps: stepsAfterReady(plan) }
      await letGo({ record: going, config, pidfd: init.pidfd.fd, interrupt: work.interrupt }, () => {
        answer(sync.fd)
        return sync.fd
      })
      throw done
    }).catch((cause: unknown) => cause)
    return error === done ? undefined : (error as TsrunError)
  }

  t.equal(await attempt(-1), undefined, 'without a fault it works')
  const before = box.snapshot()
  const scope = { directory: box.directory, prefix: id.slice(0, id.lastIndexOf('-')), roots: [] }
  let reached = 0
  for (let index = 0; index < whole.steps.length - 1; index++) {
    // Without the first the process ends as well, but nobody knows its pid: it stays as a zombie of this program. The second cannot fail.
    if (['tell the pid of the process', 'leave the process alone'].includes(whole.steps[index]!.says)) continue
    const error = await attempt(index)
    if (error === undefined) continue
    reached++
    if (error.errno !== 'EBADF' || !/bad file descriptor/.test(error.message)) t.fail(`step ${index}: ${error.stack}`)
  }
  t.ok(reached > whole.steps.length / 3, `${reached} of ${whole.steps.length} steps are on the way`)
  await until(() => processesOf(scope).length === 1)
  t.same(processesOf(scope), [record.init_process_pid], 'the container itself is untouched')
  t.same(await box.leftovers(before), [])
})
