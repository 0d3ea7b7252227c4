import t from 'tap'
import { parseInteger, parseSize } from './size.ts'

t.test('sizes', async (t) => {
  const sizes = {
    '0': 0,
    '-1': -1,
    '4096': 4096,
    '10b': 10,
    '64k': 65536,
    '64K': 65536,
    '64kb': 65536,
    '64KiB': 65536,
    '512m': 536870912,
    '512 MB': 536870912,
    '1.5g': 1610612736,
    '0.5k': 512,
    '2t': 2199023255552,
    '1p': 1125899906842624,
    '9223372036854771712': 9223372036854771712n,
    '9p': 10133099161583616n
  }
  for (const [text, bytes] of Object.entries(sizes)) t.equal(parseSize(text), bytes, text)
  for (const text of ['', '-2', '-1k', 'k', '1x', '1kk', '1 2', '.5k', '1e3', '0x10', '1ib', '8192p', ' 1'])
    t.equal(parseSize(text), undefined, text)
})

t.test('integers', async (t) => {
  t.equal(parseInteger('-5', true), -5)
  t.equal(parseInteger('+5', true), 5)
  t.equal(parseInteger('-5', false), undefined)
  t.equal(parseInteger('18446744073709551615', false), 2n ** 64n - 1n)
  t.equal(parseInteger('18446744073709551616', false), undefined)
  t.equal(parseInteger('9223372036854775808', true), undefined)
  for (const text of ['', 'x', '1.5', '1k', '0x1', ' 1']) t.equal(parseInteger(text, true), undefined, text)
})
