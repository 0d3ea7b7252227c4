import t from 'tap'
import { placesOf, positionAt, scan } from './positions.ts'

const values = (text: string): [string, string][] => {
  const found: [string, string][] = []
  t.equal(
    scan(text, (pointer, start, end) => found.push([pointer, text.slice(start, end)])),
    undefined
  )
  return found
}

t.test('visits every value with its pointer', async (t) => {
  t.strictSame(values('{"a" : [1, {"b/c~": "x\\""}, [ ]] , "d":{}}'), [
    ['', '{'],
    ['/a', '['],
    ['/a/0', '1'],
    ['/a/1', '{'],
    ['/a/1/b~1c~0', '"x\\""'],
    ['/a/2', '['],
    ['/d', '{']
  ])
  t.strictSame(values(' -1.5e+3 '), [['', '-1.5e+3']])
})

t.test('agrees with JSON.parse on what is JSON', async (t) => {
  const parts = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"\\u00e9"',
    '"\\x"',
    '1',
    '-',
    '0',
    '1.',
    '1e5',
    'true',
    'nul',
    ' ',
    '\n',
    '"',
    '\u0001'
  ]
  let seed = 1
  const next = (n: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * n)
  }
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: 1 + next(7) }, () => parts[next(parts.length)]).join('')
    let isJson = true
    try {
      JSON.parse(text)
    } catch {
      isJson = false
    }
    if ((scan(text) === undefined) !== isJson) t.fail(`differs from JSON.parse on ${JSON.stringify(text)}`)
  }
})

t.test('counts lines and columns from 1', async (t) => {
  t.strictSame(positionAt('ab\ncd', 0), { line: 1, column: 1 })
  t.strictSame(positionAt('ab\ncd', 4), { line: 2, column: 2 })
})

t.test('finds places, those of a missing member at its holder, of a repeated name the last', async (t) => {
  const text = '{\n  "a": {\n    "b": [1,\n 2]\n  },\n  "c": 1, "c": 2\n}'
  t.strictSame(Object.fromEntries(placesOf(text, ['/a/b/1', '/a/x/y', '/c', '', '/a/b'])), {
    '': { line: 1, column: 1 },
    '/a/x/y': { line: 2, column: 8 },
    '/a/b': { line: 3, column: 10 },
    '/a/b/1': { line: 4, column: 2 },
    '/c': { line: 6, column: 16 }
  })
})

t.test('a hostile document cannot make it slow', async (t) => {
  const text = `{"${'n'.repeat(1_000_000)}":[${'1,'.repeat(200_000)}1]}`
  const begun = performance.now()
  placesOf(text, ['/a', '/b/c'])
  t.ok(performance.now() - begun < 5000)
})
