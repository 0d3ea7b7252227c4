import t from 'tap'
import { resourcesAfter, resourcesProblems, resourcesToApply } from './resources.ts'
import type { Resources } from './types.ts'

const kept: Resources = {
  devices: [{ allow: false }],
  memory: { limit: 1000, swap: 2000, checkBeforeUpdate: true },
  cpu: { shares: 512, quota: 20000, period: 100000 },
  pids: { limit: 10 },
  hugepageLimits: [
    { pageSize: '2MB', limit: 1 },
    { pageSize: '1GB', limit: 2 }
  ],
  unified: { 'memory.high': '5' }
}

t.test('what is written is what is given', async (t) => {
  const given: Resources = { pids: { limit: 5 }, blockIO: { weight: 100 }, unified: { 'memory.low': '1' } }
  t.same(resourcesToApply(kept, given), given)
  t.same(resourcesToApply(kept, {}), {})
})

t.test('devices are never updated', async (t) => {
  t.same(resourcesToApply(kept, { devices: [{ allow: true }] }), {})
  t.same(resourcesAfter(kept, { devices: [{ allow: true }] }).devices, kept.devices)
})

t.test('swap is the limit of both together, and needs that of memory', async (t) => {
  t.match(resourcesToApply(kept, { memory: { swap: 3000 } }).memory, { limit: 1000, swap: 3000 })
  t.notMatch(resourcesToApply(kept, { memory: { swap: -1 } }).memory, { limit: 1000 })
  t.match(resourcesToApply(kept, { memory: { swap: 3000, limit: 500 } }).memory, { limit: 500, swap: 3000 })
  t.equal(resourcesToApply(kept, { memory: { limit: 500 } }).memory?.swap, undefined)
  t.equal(resourcesToApply(kept, { memory: { limit: 500 } }).memory?.checkBeforeUpdate, true)
})

t.test('quota and period are one value on v2', async (t) => {
  t.match(resourcesToApply(kept, { cpu: { quota: 5000 } }).cpu, { quota: 5000, period: 100000 })
  t.match(resourcesToApply(kept, { cpu: { period: 50000 } }).cpu, { quota: 20000, period: 50000 })
  t.same(resourcesToApply(kept, { cpu: { quota: 1, period: 2 } }).cpu, { quota: 1, period: 2 })
  t.same(resourcesToApply(kept, { cpu: { shares: 2 } }).cpu, { shares: 2 })
  t.same(resourcesToApply({}, { cpu: { quota: 5000 } }).cpu, { quota: 5000 })
})

t.test('what is kept is what is in force', async (t) => {
  const after = resourcesAfter(kept, { memory: { limit: 3000, reservation: 0 }, cpu: { idle: 1, quota: 0 }, pids: { limit: 0 } })
  t.same(after.memory, { limit: 3000, checkBeforeUpdate: true }, 'the old sum of memory and swap is gone')
  t.same(after.cpu, { quota: 20000, period: 100000, idle: 1 }, 'an idle cgroup has no weight')
  t.same(after.pids, { limit: 0 })
  t.same(after.unified, kept.unified)
  t.same(resourcesAfter(kept, { unified: { 'memory.low': '1' } }).unified, { 'memory.high': '5', 'memory.low': '1' })
  t.same(resourcesAfter(kept, { hugepageLimits: [{ pageSize: '2MB', limit: 7 }] }).hugepageLimits, [
    { pageSize: '1GB', limit: 2 },
    { pageSize: '2MB', limit: 7 }
  ])
})

t.test('problems are those of a config.json', async (t) => {
  t.same(resourcesProblems(kept), [])
  t.same(resourcesProblems({}), [])
  const given = { memory: { limit: 'x' }, cpu: 5, pids: { limit: -1 } } as unknown as Resources
  t.same(
    resourcesProblems(resourcesToApply(kept, given)).map(({ pointer }) => pointer),
    ['/linux/resources/memory/limit', '/linux/resources/cpu']
  )
  t.match(resourcesProblems(resourcesToApply({}, { memory: { swap: 5 } })), [
    { pointer: '/linux/resources/memory/swap', message: /^unable to set swap limit without memory limit/ }
  ])
})
