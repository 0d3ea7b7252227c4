import t from 'tap'
import { locateIn } from './locate.ts'
import type { CgroupLayout } from './types.ts'

const v2 = (own: string): CgroupLayout => ({
  mode: 'v2',
  hierarchies: [{ version: 2, mountpoint: '/sys/fs/cgroup', controllers: [], own }]
})
const hybrid: CgroupLayout = {
  mode: 'hybrid',
  hierarchies: [
    { version: 1, mountpoint: '/c/cpu,cpuacct', controllers: ['cpu', 'cpuacct'], own: '/' },
    { version: 1, mountpoint: '/c/memory', controllers: ['memory'], own: '/me' },
    { version: 2, mountpoint: '/c/unified', controllers: [], own: '/me' }
  ]
}
const paths = (layout: CgroupLayout, path: string | undefined) => locateIn(layout, path, 'box', { rootless: false }).paths

t.test('an absolute path is below every mount', async (t) => {
  t.same(paths(hybrid, '/a/b'), { cpu: '/c/cpu,cpuacct/a/b', cpuacct: '/c/cpu,cpuacct/a/b', memory: '/c/memory/a/b', '': '/c/unified/a/b' })
})

t.test('relative and absent paths are below the own cgroup', async (t) => {
  t.same(paths(hybrid, undefined), {
    cpu: '/c/cpu,cpuacct/box',
    cpuacct: '/c/cpu,cpuacct/box',
    memory: '/c/memory/me/box',
    '': '/c/unified/me/box'
  })
  t.equal(paths(hybrid, 'a/b').memory, '/c/memory/me/a/b')
  t.same(paths(hybrid, ''), paths(hybrid, undefined))
})

t.test('on v2 they are beside the own cgroup, which holds processes', async (t) => {
  t.same(paths(v2('/user.slice/a.scope'), undefined), { '': '/sys/fs/cgroup/user.slice/box' })
  t.same(paths(v2('/'), 'x'), { '': '/sys/fs/cgroup/x' })
})

t.test('nothing leads out of the mount', async (t) => {
  t.same(paths(v2('/'), '/../../etc'), { '': '/sys/fs/cgroup/etc' })
  t.same(paths(v2('/a/b'), '../../../etc'), { '': '/sys/fs/cgroup/a/etc' })
  t.same(paths(v2('/'), '/a//./b/../c/'), { '': '/sys/fs/cgroup/a/c' })
})

t.test('the root of the hierarchy is refused', async (t) => {
  for (const path of ['/', '//', '/.', '/a/..', '/..']) {
    t.throws(() => paths(v2('/'), path), { code: 'cgroup', pointer: '/linux/cgroupsPath' }, path)
  }
})

t.test('without cgroups there are no paths', async (t) => {
  t.same(locateIn({ mode: 'none', hierarchies: [] }, '/x', 'box', { rootless: true }), {
    mode: 'none',
    driver: 'cgroupfs',
    paths: {},
    rootless: true
  })
})
