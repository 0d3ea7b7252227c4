import t from 'tap'
import { encode, textsOf } from '../image/encode.ts'
import { compile } from '../plan/compile.ts'
import { exampleFacts, exampleOptions, examples } from '../plan/examples.ts'
import { placesIn, templateOf } from './make.ts'
import { fill, mayHideNames, namesOf, shapeOf, withNames, withoutNames } from './names.ts'

const ID = 'c0ffee'.repeat(11).slice(0, 64)
const LAYER = 'ab12'.repeat(16)
const UUID = '01234567-89ab-cdef-0123-456789abcdef'

t.test('whose names are names', async (t) => {
  const of = (id: string, document: unknown = {}, text = JSON.stringify(document)): readonly string[] => namesOf(id, document, text)
  t.same(of(ID), [ID, ID.slice(0, 12)], 'of an engine')
  t.same(of('web-server-1'), ['web-server-1'], 'of a person')
  t.same(of('web-server-1', { hostname: 'web-server-1' }), [], 'one that means something in the configuration')
  for (const id of ['web-1', 'web-server', '20261129', '1e20261129', 'web.server.1', 'web+server1']) t.same(of(id), [], id)
  t.same(of(`${'1234567890'.repeat(7).slice(0, 60)}abcd`).length, 1, 'the first characters of an id may be a number')
  const places = {
    root: { path: `/a/${LAYER}/b` },
    mounts: [{ source: `/m/${'1a'.repeat(32)}` }, {}, 7, null],
    linux: { cgroupsPath: `/pod${UUID}`, namespaces: [{ path: `/run/netns/${UUID.replaceAll('-', '_')}` }, 'x', null] }
  }
  t.same(
    of('box', places),
    [LAYER, '1a'.repeat(32), UUID, UUID.replaceAll('-', '_')].sort((a, b) => b.length - a.length),
    'in their places'
  )
  for (const odd of [null, 7, 'x', [], { root: 7, mounts: 'x', linux: [] }, { linux: { namespaces: {} } }])
    t.same(of('box', odd), [], 'of any shape')
})

t.test('texts with the names left open, and filled in', async (t) => {
  const names = [ID, LAYER, ID.slice(0, 12)]
  for (const text of ['', 'a', `${ID}${ID.slice(0, 12)}`, `${ID}0${LAYER}1${ID}2`, `ab${LAYER}c${ID.slice(0, 11)}`])
    t.equal(withNames(withoutNames(text, names), names), text)
  t.equal(withoutNames(`x${ID}y${ID.slice(0, 12)}z`, names), 'x\0' + '0\0y\0' + '2\0z')
  t.not(shapeOf([UUID]), shapeOf([UUID.replaceAll('-', '_')]))
  t.equal(shapeOf([UUID]), shapeOf([UUID.replaceAll('0', 'f')]))
  t.not(shapeOf([ID, ID]), shapeOf([ID]))
})

t.test('escapes that may hide a name', async (t) => {
  for (const text of ['\\u0061', '\\b', '\\f', '\\\\b']) t.ok(mayHideNames(text), text)
  for (const text of ['\\n', '\\t', '\\r', '\\"', '\\/', 'ubf']) t.notOk(mayHideNames(text), text)
})

t.test('places in an image', async (t) => {
  for (const arch of ['x64', 'arm64'] as const) {
    const imageOf = (id: string, layer: string): Uint8Array => {
      const rootfs = `/var/lib/${layer}/${layer}`
      return encode(compile(examples.default!.config, exampleFacts(arch, { rootfs, bundle: `/run/${id}` }), exampleOptions({ id })))
    }
    const [from, to] = [
      [ID, LAYER, ID.slice(0, 12)],
      [LAYER, ID, LAYER.slice(0, 12)]
    ]
    const image = imageOf(ID, LAYER)
    const places = placesIn(image, arch, from!)
    t.ok(places && places.length > 1)
    fill(image, places ?? [], to!)
    t.same(image, imageOf(LAYER, ID), arch)
    const { start, end } = textsOf(image, arch)
    const code = new TextDecoder('latin1').decode(image)
    t.equal(placesIn(image, arch, [code.slice(end, end + 8)]), undefined, 'the records are no place for a name')
    t.equal(placesIn(image, arch, [code.slice(start - 20, start - 12)]), undefined, 'nor is the code')
    const template = templateOf({ image, fds: [], lastClone: -1, afterReady: { 1: { says: LAYER } } }, arch, { key: 'k', facts: 'f' }, to!)
    t.match(template, { key: 'k', facts: 'f', afterReady: '{"1":{"says":"\0' + '0\0"}}' })
    t.equal(
      templateOf({ image, fds: [], lastClone: -1, afterReady: {} }, arch, { key: 'k', facts: 'f' }, [code.slice(end, end + 8)]),
      undefined
    )
  }
})

/** What a person may call a container, as it stands in a text: at the most all characters in a row that an id can have. */
const candidates = (text: string): readonly string[] => (text.match(/[\w-]{8,}/g) ?? []).filter((word) => namesOf(word, {}, '').length > 0)

t.test('no word of the compiler could be a name', async (t) => {
  for (const arch of ['x64', 'arm64'] as const)
    for (const [title, { config, facts, options }] of Object.entries(examples)) {
      const id = 'the-id-0123'
      const given = { ...exampleOptions(options), id }
      const plan = compile(config, exampleFacts(arch, facts), given)
      const image = encode(plan)
      const { start, end } = textsOf(image, arch)
      const texts = new TextDecoder().decode(image.subarray(start, end))
      const words = plan.steps.map(({ says, pointer, code = '' }) => `${says}\n${pointer}\n${code}`).join('\n')
      const input = JSON.stringify([config, facts.sources, facts.cgroup, given])
      const own = candidates(`${texts}\n${words}`).filter((word) => !input.includes(word))
      t.same(own, [], `${title}, ${arch}`)
      t.ok(candidates(texts).includes(id), 'one is found')
    }
})
