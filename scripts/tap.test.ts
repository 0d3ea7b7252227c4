import t from 'tap'
import { parseTap } from './tap.ts'

const counts = (text: string): [number, number, number] => {
  const { passed, failures, skips } = parseTap(text)
  return [passed, failures.length, skips.length]
}

t.test('counts assertions, not the subtests around them', async (t) => {
  const text = `TAP version 14
# Subtest: outer
    ok 1 - a
    # Subtest: inner
        ok 1 - b
        1..1
    ok 2 - inner # time=5ms
    
    1..2
ok 1 - outer # time=9ms
ok 2 - c
1..2
`
  t.same(counts(text), [3, 0, 0])
})

t.test('a failing assertion is counted once and keeps its path and diagnostics', async (t) => {
  const text = `# Subtest: outer
    not ok 1 - a
      ---
      diff: |
        ok 9 - not a point
      ...
    1..1
not ok 1 - outer # time=9ms
1..1
`
  const { failures } = parseTap(text)
  t.same(failures, [{ path: ['outer', 'a'], diagnostics: 'diff: |\n  ok 9 - not a point' }])
})

t.test('a subtest that fails without a failing assertion is a failure', async (t) => {
  t.same(counts('# Subtest: s\n    ok 1 - a\n    1..2\nnot ok 1 - s\n1..1\n'), [1, 1, 0])
})

t.test('an empty subtest that passes is one pass', async (t) => {
  t.same(counts('# Subtest: s\n    1..0\nok 1 - s # time=1ms\n1..1\n'), [1, 0, 0])
})

t.test('skips and todos keep their reasons', async (t) => {
  const { skips } = parseTap('ok 1 - a # SKIP needs root\nnot ok 2 - b # TODO later\nok 3 - c \\# SKIP no\n1..3\n')
  t.same(skips, [
    { path: ['a'], reason: 'needs root' },
    { path: ['b'], reason: 'TODO later' }
  ])
  t.same(parseTap('1..0 # needs a kernel\n'), { passed: 0, failures: [], skips: [{ path: [], reason: 'needs a kernel' }] })
})

t.test('what is no complete run is a failure', async (t) => {
  for (const text of [
    '',
    'hi\n',
    'TAP version 14\nok 1 - a\n',
    'ok 1 - a\n1..2\n',
    '1..0\n',
    '1..0 # no tests found\n',
    'ok 1 - a\n1..1\nBail out! x\n'
  ]) {
    t.equal(parseTap(text).failures.length, 1, JSON.stringify(text))
  }
})
