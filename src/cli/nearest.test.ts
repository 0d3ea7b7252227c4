import t from 'tap'
import { distance, nearest } from './nearest.ts'

t.test('edits are counted', async (t) => {
  t.same([distance('', 'abc'), distance('abc', 'abc'), distance('abc', 'acb'), distance('kitten', 'sitting')], [3, 0, 1, 3])
})

t.test('only what is near is guessed', async (t) => {
  t.equal(nearest('strat', ['start', 'state']), 'start')
  t.equal(nearest('sp', ['ps', 'spec']), 'ps')
  t.equal(nearest('xyz', ['start', 'state']), undefined)
})
