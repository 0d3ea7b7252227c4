import t from 'tap'
import { tail } from './tail.ts'

t.test('keeps the end', async (t) => {
  const kept = tail()
  t.equal(kept.text(), '')
  t.equal(kept.add(Buffer.from(' one\n')), true)
  t.equal(kept.add(new Uint8Array()), false, 'end of file')
  t.equal(kept.text(), 'one')
  for (let i = 0; i < 1000; i++) kept.add(Buffer.from(`line ${i}\n`))
  t.match(kept.text(), /^….*line 999$/s)
  t.ok(kept.text().length <= 4097)
})
