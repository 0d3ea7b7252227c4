import t from 'tap'
import { type IdMap, idMapOf } from './idmap.ts'
import type { Config, IdMapping, Mount } from './types.ts'

const map = (containerID: number, hostID: number, size: number): IdMapping => ({ containerID, hostID, size })
const bind = (...options: string[]): Mount => ({ destination: '/a', source: '/b', options: ['bind', ...options] })
const withUser = (uids: readonly IdMapping[], gids = uids, path?: string): Config['linux'] => ({
  namespaces: [{ type: 'user', ...(path === undefined ? {} : { path }) }],
  uidMappings: uids,
  gidMappings: gids
})
const spec = (text: string, linux: Config['linux'] = {}): IdMap | string => {
  const found = idMapOf(bind(`idmap=${text}`), linux)
  if (found?.kind === 'map') return found.map
  return found?.kind === 'problem' ? found.message : String(found?.kind)
}
const all = [map(0, 0, 4294967295)]

t.test('a mount that asks for none has none', async (t) => {
  for (const options of [[], ['ro'], ['idmapped'], ['noidmap']]) t.equal(idMapOf(bind(...options), withUser([map(0, 5, 1)])), undefined)
  t.equal(idMapOf({ ...bind(), uidMappings: [], gidMappings: [] }, {}), undefined)
})

t.test('its own mappings, those of the container, and the namespace that is joined', async (t) => {
  const mappings = { uidMappings: [map(0, 7, 1)], gidMappings: [map(0, 8, 1)] }
  const own = { uids: mappings.uidMappings, gids: mappings.gidMappings }
  t.same(idMapOf({ ...bind(), ...mappings }, {}), { kind: 'map', map: own, recursive: false, field: '/uidMappings' })
  t.match(idMapOf({ ...bind('ridmap'), ...mappings }, withUser([map(0, 9, 9)])), { map: own, recursive: true, field: '/uidMappings' })
  t.match(idMapOf(bind('ro', 'idmap'), withUser([map(0, 9, 9)], [map(0, 10, 9)])), {
    map: { uids: [map(0, 9, 9)], gids: [map(0, 10, 9)] },
    recursive: false,
    field: '/options/2'
  })
  t.match(idMapOf(bind('ridmap'), withUser([], [], '/ns')), { kind: 'joined', path: '/ns', recursive: true })
})

t.test('what is no bind mount, or has nothing to be mapped by', async (t) => {
  t.match(idMapOf({ destination: '/a', type: 'tmpfs', options: ['idmap'] }, withUser([map(0, 1, 1)])), {
    kind: 'problem',
    field: '/options/0',
    message: /no bind mount/
  })
  t.match(idMapOf({ destination: '/a', type: 'tmpfs', uidMappings: [map(0, 1, 1)] }, {}), { kind: 'problem', field: '/uidMappings' })
  t.match(idMapOf(bind('idmap'), {}), { kind: 'problem', field: '/options/1', message: /needs mappings/ })
})

t.test("crun's form", async (t) => {
  t.same(spec('uids=0-1-10#10-11-10;gids=0-100-10'), { uids: [map(0, 1, 10), map(10, 11, 10)], gids: [map(0, 100, 10)] })
  t.same(spec('uids=0-1-10'), { uids: [map(0, 1, 10)], gids: all }, 'what is not named is as in the container')
  t.same(spec('gids=0-1-10', withUser([map(0, 5, 7)])), { uids: [map(0, 5, 7)], gids: [map(0, 1, 10)] })
  t.match(
    idMapOf(bind('idmap=uids=0-1-1', 'ridmap=uids=0-2-1'), {}),
    { recursive: true, map: { uids: [map(0, 2, 1)] } },
    'the last one counts'
  )
})

t.test('relative to the container', async (t) => {
  const linux = withUser([map(0, 0, 1), map(1, 2, 1000)], [map(0, 5000, 10), map(10, 100, 10)])
  t.match(spec('uids=@1-3-10', linux), { uids: [map(1, 4, 10)] }, 'the example of crun(1)')
  t.match(spec('gids=@100-5-10', linux), { gids: [map(100, 5005, 5), map(105, 100, 5)] }, 'over two ranges')
  t.match(spec('uids=@1-3-10'), { uids: [map(1, 3, 10)] }, 'without a user namespace')
  t.match(spec('uids=@0-0-1#7-8-1#@9-1-1', linux), { uids: [map(0, 0, 1), map(7, 8, 1), map(9, 2, 1)] }, 'each range for itself')
  t.match(spec('gids=@0-15-10', linux), /"@0-15-10" has ids that the user namespace of the container does not map/)
})

t.test('what is no range', async (t) => {
  for (const text of [
    '',
    'uids',
    'uids=',
    'x=1-1-1',
    'uids=1-1',
    'uids=0-1--1',
    'uids=0-1-0',
    'uids=0-1-1#',
    'uids=0-1-1;',
    'uids=@@0-1-1'
  ])
    t.type(spec(text), 'string', text)
  t.match(spec('uids=0-1-1;uids=0-1-1'), /given twice/)
  t.match(spec('uids=4294967294-1-2'), /beyond 4294967294/)
  t.match(spec('uids=0-4294967294-1'), { uids: [map(0, 4294967294, 1)] })
})
