import t from 'tap'
import { parseDuration } from './duration.ts'

t.test('durations', async (t) => {
  for (const [text, ms] of Object.entries({
    '5s': 5000,
    '500ms': 500,
    '1m30s': 90_000,
    '1.5h': 5_400_000,
    '.5s': 500,
    '1.s': 1000,
    '+2s': 2000,
    '-1s': -1000,
    '0': 0,
    '0s': 0,
    '1us': 0.001,
    '1µs': 0.001,
    '1μs': 0.001,
    '250000ns': 0.25,
    '1h2m3s4ms': 3_723_004
  }))
    t.ok(Math.abs(parseDuration(text)! - ms) < 1e-9, text)
})

t.test('what is none', async (t) => {
  for (const text of ['', '5', 's', '.s', '5 s', '5S', '1d', '5s ', '--5s', '1e3s', 'abc']) t.equal(parseDuration(text), undefined, text)
})
