import t from 'tap'
import type { CheckResult } from '../../test/engines/check.ts'
import { engines } from '../../test/engines/index.ts'
import { soak } from '../../test/engines/soak.ts'
import { withSystemd } from '../../test/engines/systemd/index.ts'
import { matrix } from './matrix.ts'

const result = (runtime: string, feature: string, outcome: CheckResult['outcome'], detail = ''): CheckResult => ({
  engine: 'buildah',
  feature,
  runtime,
  outcome,
  detail,
  ms: 1
})

t.test('a row for each feature, a column for each runtime', async (t) => {
  const results = [result('tsrun', 'run', 'passed'), result('runc', 'run', 'failed'), result('tsrun', 'a|b', 'skipped', 'needs criu')]
  t.equal(
    matrix(engines, results),
    [
      '### Buildah',
      '',
      '| | tsrun | runc | crun |',
      '| --- | --- | --- | --- |',
      '| run | yes | **no** | – |',
      '| a\\|b | not run | – | – |',
      '',
      'Not run: needs criu.'
    ].join('\n')
  )
  const more = matrix(engines, [...results, result('runc', 'a|b', 'skipped', 'no time')])
  t.match(more, /\n\nNot run: a\|b: needs criu\.\n\nNot run: a\|b: no time\.$/, 'several reasons are told with what they are of')
  t.equal(matrix(engines, []), '', 'engines that nobody has run are left out')
})

t.test('rows can be told apart', async (t) => {
  const all = [...engines, ...soak, ...withSystemd]
  const twice = (names: readonly string[]): string[] => names.filter((name, index) => names.indexOf(name) !== index)
  t.same(twice(all.map(({ name }) => name)), [], 'names of engines')
  for (const { name, checks } of all) t.same(twice(checks.map(({ feature }) => feature)), [], `features of ${name}`)
})
