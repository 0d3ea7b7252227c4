import t from 'tap'
import type { CheckResult, Engine } from '../../test/engines/check.ts'
import { engines } from '../../test/engines/index.ts'
import { batches, share } from './batches.ts'
import type { Job } from './jobs.ts'

const engine = (name: string, steps: number): Engine => ({
  ...engines[0]!,
  name,
  checks: [{ feature: 'run', steps: Array<string>(steps).fill('true') }]
})

const jobs: Job[] = [engine('quick', 2), engine('long', 10)].flatMap((engine) =>
  ['tsrun', 'runc', 'crun'].map((runtime) => ({ engine, runtime }))
)

const result = (engine: string, ms: number): CheckResult => ({ engine, feature: 'run', runtime: 'tsrun', outcome: 'passed', ms })

t.test('every engine has its turn with tsrun before the others have theirs, and the longest comes first', async (t) => {
  t.same(
    batches(jobs).map((batch) => batch.jobs.map(({ engine, runtime }) => `${engine.name}: ${runtime}`)),
    [['long: tsrun'], ['quick: tsrun'], ['long: runc', 'long: crun'], ['quick: runc', 'quick: crun']]
  )
})

t.test('time is shared with those that wait; tsrun’s do not wait for others', async (t) => {
  const [long, quick, ...others] = batches(jobs)
  t.equal(share(long!, [quick!, ...others], 1, []), 80 / 120, 'what has more steps has more time')
  t.equal(share(long!, [quick!, ...others], 2, []), 1, 'with two machines none waits')
  t.equal(share(quick!, others, 1, []), 1, 'the last has all of it')
  const known = [result('quick', 60_000), result('long', 240_000)]
  t.equal(share(others[0]!, [others[1]!], 1, known), 270 / 360, 'what has taken long with tsrun has more')
})
