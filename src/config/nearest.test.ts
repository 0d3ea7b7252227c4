import t from 'tap'
import { distance, nearest } from './nearest.ts'

t.test('counts changes, a swap as one', async (t) => {
  t.equal(distance('', 'abc'), 3)
  t.equal(distance('private', 'prvate'), 1)
  t.equal(distance('hostname', 'hsotname'), 1)
  t.equal(distance('kitten', 'sitting'), 3)
})

t.test('finds the nearest word, and none that is far', async (t) => {
  const words = ['shared', 'slave', 'private']
  t.equal(nearest('prvate', words), 'private')
  t.equal(nearest('PRIVATE', words), 'private')
  t.equal(nearest('nothing', words), undefined)
  t.equal(nearest('', words), undefined)
})
