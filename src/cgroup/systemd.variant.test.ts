import t from 'tap'
import { annotationProperties, parseVariant } from './systemd.variant.ts'

const property = (name: string, text: string) => annotationProperties({ [`org.systemd.property.${name}`]: text, other: 'x' })

t.test('the text format of GVariant', async (t) => {
  const cases: readonly (readonly [text: string, signature: string, value: unknown])[] = [
    ["'a b'", 's', 'a b'],
    [' "it\'s" ', 's', "it's"],
    ["'\\'\\n\\u00e4'", 's', "'\nä"],
    ['5', 'i', 5n],
    ['-0x1f', 'i', -31n],
    ['1.5', 'd', 1.5],
    ['2e3', 'd', 2000],
    ['true', 'b', true],
    ['uint64 18446744073709551615', 't', 2n ** 64n - 1n],
    ['@t 7', 't', 7n],
    ['double 3', 'd', 3],
    ['byte 255', 'y', 255n],
    ["objectpath '/a'", 'o', '/a'],
    ["['a', 'b']", 'as', ['a', 'b']],
    ['[uint32 1, 2,]', 'au', [1n, 2n]],
    ['[1, int64 2]', 'ax', [1n, 2n]],
    ['@as []', 'as', []],
    ['@ay [1, 2]', 'ay', [1n, 2n]],
    ["[('/dev/null', 'rw')]", 'a(ss)', [['/dev/null', 'rw']]]
  ]
  for (const [text, signature, value] of cases) t.same(parseVariant(text), { signature, value }, text)
})

t.test('what is none', async (t) => {
  const cases: readonly (readonly [text: string, why: RegExp])[] = [
    ['', /missing/],
    ['abc', /strings are quoted/],
    ["'a", /cannot be read/],
    ['[]', /needs a type/],
    ["[1, 'a']", /not of type i/],
    ['[1', /missing/],
    ['1 2', /unexpected 2/],
    ['2147483648', /not from -2147483648 to 2147483647/],
    ['byte -1', /not from 0 to 255/],
    ['uint32 1.5', /not of type u/],
    ['{1: 2}', /cannot be read/]
  ]
  for (const [text, why] of cases) t.throws(() => parseVariant(text), { name: 'SyntaxError', message: why }, text)
})

t.test('annotations', async (t) => {
  t.same(property('KillSignal', '37'), [{ name: 'KillSignal', signature: 'i', value: 37n }])
  t.same(property('TimeoutStopUSec', 'uint64 10000000'), [{ name: 'TimeoutStopUSec', signature: 't', value: 10_000_000n }])
  t.same(property('TimeoutStopSec', '7.5'), [{ name: 'TimeoutStopUSec', signature: 't', value: 7_500_000n }])
  t.same(property('TimeoutStopSec', 'uint32 3'), [{ name: 'TimeoutStopUSec', signature: 't', value: 3_000_000n }])
  t.same(property('Sec', '3'), [{ name: 'Sec', signature: 'i', value: 3n }], 'a suffix, not a name')
  t.same(annotationProperties(undefined), [])
})

t.test('annotations that are refused', async (t) => {
  const pointer = '/annotations/org.systemd.property.After'
  t.throws(() => property('After', 'x.target'), { code: 'config', pointer, message: /"x\.target": .*quoted/ })
  t.throws(() => property('TimeoutStopSec', "'5'"), { code: 'config', message: /number of seconds/ })
  t.throws(() => property('TimeoutStopSec', '-5'), { code: 'config', message: /negative/ })
  t.throws(() => property('A-b', '5'), { code: 'config', message: /no name of a property/ })
})
