import t from 'tap'
import { knownAnnotations } from '../config/annotations.ts'
import { significant } from './significant.ts'

t.test('annotations that nobody acts on are told by their names alone', async (t) => {
  const of = (time: unknown, receiver = '/a') => ({
    root: { path: 'rootfs' },
    annotations: { 'io.kubernetes.cri-o.Created': time, 'run.oci.pidfd_receiver': receiver }
  })
  t.same(significant(of('10:00')), significant(of('11:00')))
  t.notSame(significant(of('10:00')), significant(of('10:00', '/b')), 'one that is acted on')
  t.notSame(significant(of('10:00')), significant(of(10)), 'a value that is no text is wrong')
  t.notSame(
    significant(of('')),
    significant({ root: { path: 'rootfs' }, annotations: { '': '', 'run.oci.pidfd_receiver': '/a' } }),
    'a name'
  )
})

t.test('every annotation that is known keeps its value', async (t) => {
  for (const { key } of knownAnnotations) {
    const document = { annotations: { [`${key}${key.endsWith('.') ? 'x' : ''}`]: 'value' } }
    t.same(significant(document), document, key)
  }
})

t.test('what is no configuration stays what it is', async (t) => {
  for (const odd of [undefined, null, 1, 'a', [], {}, { annotations: null }, { annotations: [] }, { annotations: 'a' }])
    t.equal(significant(odd), odd)
})
