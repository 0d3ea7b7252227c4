import t from 'tap'
import { isWithin, parent, pointer, segments, valueAt } from './pointer.ts'

t.test('escapes and reads back', async (t) => {
  t.equal(pointer('linux', 'sysctl', 'net/a~b', 0), '/linux/sysctl/net~1a~0b/0')
  t.strictSame(segments('/a~1b/~01'), ['a/b', '~1'])
  t.equal(parent('/a/b'), '/a')
  t.equal(parent('/a'), '')
  t.ok(isWithin('/a/b', '/a') && isWithin('/a', '/a') && isWithin('/a', ''))
  t.notOk(isWithin('/ab', '/a'))
})

t.test('finds own values only', async (t) => {
  t.equal(valueAt({ a: [{ 'b/c': 1 }] }, '/a/0/b~1c'), 1)
  for (const name of ['/constructor', '/__proto__', '/a/length/x', '/a/5']) t.equal(valueAt({ a: [] }, name), undefined)
  t.equal(valueAt(5, ''), 5)
})
