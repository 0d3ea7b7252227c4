import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { oldValue, remember } from './restore.ts'
import type { CgroupLocation, CgroupWrite } from './types.ts'

t.test('what undoes a write', async (t) => {
  t.equal(oldValue('/c/memory.max', 'max', '1000'), 'max')
  t.equal(oldValue('/c/cpu.max', 'max 100000', '5000 10000'), 'max 100000')
  t.equal(oldValue('/c/cpuset.cpus', '', '0'), '', 'which tryWrite sends as a newline')
  t.equal(oldValue('/c/io.max', '8:0 rbps=5 wbps=max riops=max wiops=max\n8:16 rbps=6', '8:16 rbps=7'), '8:16 rbps=6')
  t.equal(oldValue('/c/io.max', '8:16 rbps=6', '8:0 rbps=7'), '8:0 rbps=max wbps=max riops=max wiops=max')
  t.equal(oldValue('/c/blkio.throttle.read_bps_device', '', '8:0 7'), '8:0 0')
  t.equal(oldValue('/c/memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 0', '1'), '0')
  t.equal(oldValue('/c/io.weight', 'default 100\n8:0 50', '200'), '100')
  t.equal(oldValue('/c/net_prio.ifpriomap', 'lo 0\neth0 3', 'eth0 5'), 'eth0 3')
})

t.test('old values come back, backwards, and only where they are gone', async (t) => {
  const directory = t.testdir({ a: '1\n', b: '2\n', c: '3\n' })
  const location: CgroupLocation = { mode: 'v2', driver: 'cgroupfs', paths: { '': directory }, rootless: false }
  const write = (file: string): CgroupWrite => ({ controller: '', file, value: '9', pointer: '' })
  const warnings: string[] = []
  const putBack = remember(location, ['a', 'b', 'c', 'none'].map(write), (_, message) => warnings.push(message))
  for (const file of ['a', 'b']) writeFileSync(join(directory, file), '9')
  putBack()
  t.same(
    ['a', 'b', 'c'].map((file) => readFileSync(join(directory, file), 'utf8')),
    ['1', '2', '3\n']
  )
  t.same(warnings, [])
})
