import t from 'tap'
import * as M from '../abi/mount.ts'
import { mountOptionNames, needsOldApi, parseMountOptions } from './mount-options.ts'

t.test('a later option wins over an earlier one', async (t) => {
  t.match(parseMountOptions(['ro', 'rw']), { set: 0, clear: M.MOUNT_ATTR_RDONLY })
  t.match(parseMountOptions(['rw', 'ro']), { set: M.MOUNT_ATTR_RDONLY, clear: 0 })
  t.match(parseMountOptions(['sync', 'async']), { superblock: [] })
})

t.test('the access time is a field that is cleared before it is set', async (t) => {
  t.match(parseMountOptions(['noatime']), { set: M.MOUNT_ATTR_NOATIME, clear: M.MOUNT_ATTR__ATIME })
  t.match(parseMountOptions(['noatime', 'strictatime']), { set: M.MOUNT_ATTR_STRICTATIME, clear: M.MOUNT_ATTR__ATIME })
  t.match(parseMountOptions(['norelatime']), { set: 0, clear: 0 })
  t.match(parseMountOptions(['noatime', 'relatime']), { set: 0, clear: M.MOUNT_ATTR__ATIME })
})

t.test('recursive options are kept apart', async (t) => {
  t.match(parseMountOptions(['rro', 'nosuid', 'rnoexec']), {
    set: M.MOUNT_ATTR_NOSUID,
    recursiveSet: M.MOUNT_ATTR_RDONLY | M.MOUNT_ATTR_NOEXEC,
    data: []
  })
})

t.test('what no table knows is data of the file system, with its place', async (t) => {
  t.same(parseMountOptions(['nosuid', 'size=1m', 'newinstance']).data, [
    { option: 'size=1m', index: 1 },
    { option: 'newinstance', index: 2 }
  ])
})

t.test('an empty option is none', async (t) => {
  t.match(parseMountOptions(['', 'ro', '']), { set: M.MOUNT_ATTR_RDONLY, data: [] })
})

t.test('names that every object has are data as well', async (t) => {
  for (const option of ['__proto__', 'constructor', 'toString', 'rconstructor'])
    t.same(parseMountOptions([option]).data, [{ option, index: 0 }])
})

t.test('bind, remount and propagation', async (t) => {
  t.match(parseMountOptions(['rbind', 'remount', 'rslave', 'shared']), {
    bind: 'rbind',
    remount: true,
    propagation: [M.MS_SLAVE | M.MS_REC, M.MS_SHARED]
  })
})

t.test('bind takes nothing away from rbind, as in runc and crun', async (t) => {
  for (const options of [['rbind', 'bind'], ['bind', 'rbind'], ['rbind']])
    t.match(parseMountOptions(options), { bind: 'rbind' }, `${options}`)
  t.match(parseMountOptions(['bind', 'bind']), { bind: 'bind' })
})

t.test('every name is recognised', async (t) => {
  for (const name of mountOptionNames()) t.same(parseMountOptions([name]).data, [], name)
})

t.test('what takes mount(2)', async (t) => {
  for (const option of ['iversion', 'acl', 'size=1m,mode=700', `lowerdir=${'x'.repeat(256)}`])
    t.ok(needsOldApi(parseMountOptions([option])))
  for (const option of ['sync', 'noacl', 'size=1m', `lowerdir=${'x'.repeat(255)}`]) t.notOk(needsOldApi(parseMountOptions([option])))
})
