import { constants } from 'node:os'
import t from 'tap'
import { parseSignal, signalName, signalNumbers } from './signals.ts'

t.test('the numbers are those of this machine', async (t) => {
  for (const [name, number] of Object.entries(signalNumbers)) t.equal(constants.signals[name as NodeJS.Signals], number, name)
})

t.test('reads names with and without SIG, in any case, and numbers', async (t) => {
  for (const text of ['TERM', 'SIGTERM', 'term', 'sigterm', '15']) t.equal(parseSignal(text), 15, text)
  t.equal(parseSignal('0'), 0)
  t.equal(parseSignal('SIGCLD'), 17)
  t.equal(parseSignal('IOT'), 6)
})

t.test('reads real-time signals', async (t) => {
  t.equal(parseSignal('RTMIN'), 34)
  t.equal(parseSignal('SIGRTMIN+3'), 37)
  t.equal(parseSignal('rtmax-1'), 63)
  t.equal(parseSignal('64'), 64)
})

t.test('refuses what is no signal', async (t) => {
  for (const text of [
    '',
    'SIG',
    'FOO',
    '65',
    '-1',
    '1.5',
    '0x9',
    ' 9',
    'RTMIN+31',
    'RTMAX-31',
    'RTMIN-1',
    'RTMAX+1',
    'constructor',
    '__proto__'
  ])
    t.equal(parseSignal(text), undefined, JSON.stringify(text))
})

t.test('names signals', async (t) => {
  t.same([15, 34, 37, 64, 32, 99].map(signalName), ['SIGTERM', 'SIGRTMIN', 'SIGRTMIN+3', 'SIGRTMIN+30', 'signal 32', 'signal 99'])
})
