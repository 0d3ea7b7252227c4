/** The pure part; what the kernel does with it needs a processor with Intel RDT. */
import t from 'tap'
import { firstMismatch, schemataWrites } from './resctrl.ts'

t.test('what is written to schemata', async (t) => {
  t.same(schemataWrites({}), [])
  t.same(schemataWrites({ closID: 'a', enableMonitoring: true }), [])
  const old = '/linux/intelRdt/l3CacheSchema'
  t.same(schemataWrites({ l3CacheSchema: 'L3:0=f;1=f0' }), [{ text: 'L3:0=f;1=f0\n', pointer: old }])
  t.same(schemataWrites({ memBwSchema: 'MB:0=20' }), [{ text: 'MB:0=20\n', pointer: '/linux/intelRdt/memBwSchema' }])
  t.same(schemataWrites({ l3CacheSchema: 'L3:0=f', memBwSchema: 'MB:0=20' }), [{ text: 'L3:0=f\nMB:0=20\n', pointer: old }])
  t.same(
    schemataWrites({ l3CacheSchema: 'MB:0=70\nL3:0=f', memBwSchema: 'MB:0=20', schemata: ['L2:0=f', 'MB:0=30'] }),
    [
      { text: 'L3:0=f\nMB:0=20\n', pointer: old },
      { text: 'L2:0=f\nMB:0=30\n', pointer: '/linux/intelRdt/schemata' }
    ],
    'memBwSchema counts more than the line among those of the cache, and schemata comes last'
  )
})

t.test('the schemata of a group that exists', async (t) => {
  const present = '    L3:0=7ff;1=00f\n    MB:0= 20;1= 70\n'
  t.equal(firstMismatch([], present), undefined)
  t.equal(firstMismatch(['L3:1=f;0=7FF', 'MB:0=20;1=70'], present), undefined)
  t.equal(firstMismatch(['L3:1=0x0f'], present), undefined, 'a domain that is left out may have anything')
  t.same(firstMismatch(['L3:0=7ff', 'MB:0=30'], present), { line: 'MB:0=30', present: 'MB:0= 20;1= 70' })
  t.same(firstMismatch(['L2:0=f'], present), { line: 'L2:0=f', present: undefined })
  t.same(firstMismatch(['L3:7=f'], present), { line: 'L3:7=f', present: 'L3:0=7ff;1=00f' })
})
