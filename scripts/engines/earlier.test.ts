import t from 'tap'
import type { CheckResult, Engine } from '../../test/engines/check.ts'
import { engines } from '../../test/engines/index.ts'
import { decided, merged, missing } from './earlier.ts'
import { broken, type Job, unrun } from './jobs.ts'

const engine: Engine = { ...engines[0]!, name: 'one', checks: ['run', 'exec', 'stop'].map((feature) => ({ feature, steps: ['true'] })) }
const jobs: Job[] = ['tsrun', 'runc', 'crun'].map((runtime) => ({ engine, runtime }))
const result = (runtime: string, feature: string, outcome: CheckResult['outcome'] = 'passed'): CheckResult => ({
  engine: 'one',
  feature,
  runtime,
  outcome,
  ms: 1
})
const END = 'nothing is left behind'

t.test('what has a result is not run again', async (t) => {
  const before = [
    ...['run', 'exec', 'stop', END].map((feature) => result('tsrun', feature)),
    ...[result('runc', 'run', 'failed'), result('runc', 'exec', 'skipped'), unrun(engine, 'runc', 'stop'), result('runc', END)],
    ...[result('crun', 'run'), broken(jobs[2]!, 'the machine stopped')]
  ]
  const known = decided(before)
  t.equal(known.length, before.length - 2, 'for want of time, and a session that broke off, are no results')
  t.same(
    missing(jobs, known).map(({ engine, runtime }) => [runtime, ...engine.checks.map(({ feature }) => feature)]),
    [
      ['runc', 'stop'],
      ['crun', 'exec', 'stop']
    ]
  )
})

t.test('results of both runs, each once; a failure stays', async (t) => {
  const known = [result('runc', 'run'), result('runc', END, 'failed'), result('crun', END)]
  const fresh = [result('runc', 'stop'), result('runc', END), result('crun', END, 'failed')]
  t.same(merged(known, fresh), [
    result('runc', 'run'),
    result('runc', END, 'failed'),
    result('crun', END, 'failed'),
    result('runc', 'stop')
  ])
})
