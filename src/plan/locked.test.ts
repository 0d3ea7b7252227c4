import t from 'tap'
import * as M from '../abi/mount.ts'
import { unlocked } from './locked.ts'
import { parseMountOptions } from './mount-options.ts'

const left = (options: readonly string[], locked: number) => unlocked(parseMountOptions(options), locked)
const ALL = M.MOUNT_ATTR_RDONLY | M.MOUNT_ATTR_NOSUID | M.MOUNT_ATTR_NODEV | M.MOUNT_ATTR_NOEXEC

t.test('what is not locked can be changed', async (t) => {
  const options = parseMountOptions(['rw', 'noatime', 'exec'])
  t.match(unlocked(options, undefined), { set: options.set, clear: options.clear, kept: [] })
  t.match(left(['rw', 'exec'], M.MOUNT_ATTR_NOSUID), { clear: M.MOUNT_ATTR_RDONLY | M.MOUNT_ATTR_NOEXEC, kept: [] })
})

t.test('what the source has stays; more can be taken away from the container', async (t) => {
  t.match(left(['rw', 'suid', 'dev', 'exec'], ALL), { clear: 0, kept: ['ro', 'nosuid', 'nodev', 'noexec'] })
  t.match(left(['ro', 'nosuid', 'nosymfollow', 'symfollow'], ALL), {
    set: M.MOUNT_ATTR_RDONLY | M.MOUNT_ATTR_NOSUID,
    clear: M.MOUNT_ATTR_NOSYMFOLLOW,
    kept: []
  })
})

t.test('access times are as in the source', async (t) => {
  t.match(left(['relatime', 'ro'], M.MOUNT_ATTR_NOATIME), { set: M.MOUNT_ATTR_RDONLY, clear: 0, kept: ['its access times'] })
  t.match(left(['noatime'], M.MOUNT_ATTR_RELATIME), { set: 0, clear: 0, kept: ['its access times'] })
  t.match(left(['nodiratime'], M.MOUNT_ATTR_RELATIME), { set: 0, kept: ['its access times'] })
  t.match(left(['relatime'], M.MOUNT_ATTR_RELATIME), { kept: [] })
  t.match(left(['noatime', 'nodiratime'], M.MOUNT_ATTR_NOATIME | M.MOUNT_ATTR_NODIRATIME), { kept: [] })
})
