import t from 'tap'
import type { DeviceRule } from '../config/types.ts'
import { deviceRules, deviceSet, deviceWrites } from './devices.ts'

const denyAll: DeviceRule = { allow: false, access: 'rwm' }
const writes = (rules: DeviceRule[], current?: string) =>
  deviceWrites(deviceSet(deviceRules(rules)), current).map(({ file, value }) => `${file.slice(8)} ${value}`)
const standard = [
  'c *:* m',
  'b *:* m',
  'c 1:3 rwm',
  'c 1:8 rwm',
  'c 1:7 rwm',
  'c 5:0 rwm',
  'c 1:5 rwm',
  'c 1:9 rwm',
  'c 136:* rwm',
  'c 5:2 rwm',
  'c 10:200 rwm'
]
const allowed = (...entries: string[]) => entries.map((entry) => `allow ${entry}`)

t.test('without rules all but the standard devices is denied', async (t) => {
  t.same(writes([]), ['deny a', ...allowed(...standard)])
  t.same(writes([denyAll]), writes([]))
})

t.test('rules that allow come before the standard devices', async (t) => {
  t.same(writes([denyAll, { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' }]), [
    'deny a',
    'allow c 10:229 rw',
    ...allowed(...standard)
  ])
})

t.test('accesses to one device are joined, and taken back', async (t) => {
  const fuse = (allow: boolean, access: string): DeviceRule => ({ allow, type: 'c', major: 10, minor: 229, access })
  t.match(writes([fuse(true, 'r'), fuse(true, 'w'), fuse(true, 'm'), fuse(false, 'w')]), ['deny a', 'allow c 10:229 rm'])
  t.notMatch(writes([fuse(true, 'r'), fuse(false, 'rw')]).join('\n'), /229/)
})

t.test('a wildcard takes back what it covers', async (t) => {
  const list = writes([
    { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' },
    { allow: true, type: 'b', major: 8, access: 'rw' },
    { allow: false, type: 'c', access: 'r' },
    { allow: false, type: 'b', access: 'rwm' }
  ])
  t.same(list, ['deny a', 'allow c 10:229 w', ...allowed(...standard)])
})

t.test('an exception inside a wildcard is refused', async (t) => {
  t.throws(
    () =>
      writes([
        { allow: true, type: 'c', major: 10, access: 'rw' },
        { allow: false, type: 'c', major: 10, minor: 229, access: 'w' }
      ]),
    { code: 'unsupported', pointer: '/linux/resources/devices/1' }
  )
})

t.test('a rule of type a with numbers means both types', async (t) => {
  t.match(writes([{ allow: true, major: 9, minor: 9, access: 'r' }]), ['deny a', 'allow c 9:9 r', 'allow b 9:9 r'])
})

t.test('allow by default keeps only what is denied', async (t) => {
  const rules: DeviceRule[] = [{ allow: true }, { allow: false, type: 'b', major: 8, minor: 0, access: 'w' }]
  t.same(writes(rules), ['deny b 8:0 w'], 'a new cgroup inherits "all"')
  t.same(writes(rules, 'c 1:3 rwm\n'), ['allow a', 'deny b 8:0 w'])
})

t.test('an update writes the difference, and never takes a device that stays', async (t) => {
  const list = [...standard, 'c 10:229 rw', 'b 8:0 rwm'].join('\n')
  t.same(
    writes(
      [denyAll, { allow: true, type: 'b', major: 8, minor: 0, access: 'r' }, { allow: true, type: 'c', major: 7, minor: 1, access: 'rw' }],
      list
    ),
    ['deny c 10:229 rw', 'deny b 8:0 wm', 'allow c 7:1 rw']
  )
  t.same(writes([denyAll], 'a *:* rwm'), writes([denyAll]))
})
