import t from 'tap'
import { linesOf } from './ps.ts'

const pids = new Set([7, 1234567])

t.test('the lines of a listing that are about the container', async (t) => {
  const listing = [
    'UID          PID    PPID  C STIME TTY          TIME CMD',
    'root           1       0  0 10:00 ?        00:00:00 /sbin/init',
    'root           7       1  0 10:00 ?        00:00:00 sleep 8',
    'root           8       7  0 10:00 ?        00:00:00 sleep 7',
    'systemd-network-long 1234567 1 0 10:00 ?     00:00:00 x',
    ''
  ]
  t.equal(linesOf(listing.join('\n'), pids), [listing[0], listing[2], listing[4], ''].join('\n'))
  t.equal(linesOf(listing.join('\n'), new Set()), `${listing[0]}\n`)
})

t.test('columns with blanks before the pid, and the pid last', async (t) => {
  const listing = ['COMMAND                         PID', 'sh -c sleep 7                     8', 'sleep 1000                        7', '']
  t.equal(linesOf(listing.join('\n'), pids), [listing[0], listing[2], ''].join('\n'))
})

t.test('a heading that only contains PID is another one', async (t) => {
  const listing = ['  PPID     PID', '     7       8', '     8       7', '']
  t.equal(linesOf(listing.join('\n'), pids), [listing[0], listing[2], ''].join('\n'))
  for (const header of ['', 'PPID CMD', 'SPID']) t.throws(() => linesOf(`${header}\n 7 x\n`, pids), { code: 'usage' })
})
