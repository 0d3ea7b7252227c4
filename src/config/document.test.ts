import t from 'tap'
import { copyDocument, parseDocument } from './document.ts'

const value = (text: string): unknown => {
  const parsed = parseDocument(text)
  if ('problem' in parsed) throw new Error(parsed.problem.message)
  return parsed.value
}
const problem = (text: string) => {
  const parsed = parseDocument(text)
  return 'problem' in parsed ? parsed.problem : undefined
}

t.test('freezes every object', async (t) => {
  const parsed = value('{"a":[{"b":1}]}') as { a: { b: number }[] }
  t.ok(Object.isFrozen(parsed) && Object.isFrozen(parsed.a[0]))
  t.throws(() => {
    parsed.a[0]!.b = 2
  }, TypeError)
})

t.test('leaves members out that are null, and keeps entries that are', async (t) => {
  t.strictSame(value('{"a":null,"b":{"c":null,"d":[null,1]}}'), { b: { d: [null, 1] } })
})

t.test('keeps integers beyond 2^53 as bigints, and nothing else', async (t) => {
  t.equal(value('18446744073709551615'), 18446744073709551615n)
  t.strictSame(value('{"a":[9223372036854775807,-9223372036854775808,{"b/c":18446744073709551615}]}'), {
    a: [9223372036854775807n, -9223372036854775808n, { 'b/c': 18446744073709551615n }]
  })
  t.strictSame(value('[9007199254740991,9007199254740993,1e300,0.12345678901234568,"18446744073709551615"]'), [
    9007199254740991,
    9007199254740993n,
    1e300,
    0.12345678901234568,
    '18446744073709551615'
  ])
})

t.test('when a name is repeated the last one counts', async (t) => {
  t.strictSame(value('{"a":18446744073709551615,"a":5}'), { a: 5 })
  t.strictSame(value('{"a":5,"a":18446744073709551615}'), { a: 18446744073709551615n })
  t.strictSame(value('{"a":18446744073709551615,"a":{"b":1}}'), { a: { b: 1 } })
  t.strictSame(value('{"a":18446744073709551614,"a":18446744073709551615}'), { a: 18446744073709551615n })
  t.strictSame(value('{"a":[18446744073709551615],"a":"x"}'), { a: 'x' })
})

t.test('refuses __proto__ anywhere, and pollutes nothing', async (t) => {
  t.match(problem('{"__proto__":{"polluted":1}}'), { pointer: '/__proto__', message: /must not be a name/ })
  t.match(problem('{"a":[{"b~/":{"__proto__":18446744073709551615}}]}'), { pointer: '/a/0/b~0~1/__proto__' })
  t.equal((Object.prototype as { polluted?: number }).polluted, undefined)
  t.strictSame(Object.keys(value('{"constructor":1,"toString":null}') as object), ['constructor'])
})

t.test('says where and why a text is no JSON', async (t) => {
  t.match(problem(''), { message: 'is empty', line: 1, column: 1 })
  t.match(problem(' \n\t'), { message: 'is empty' })
  t.match(problem('{\n "a": tru }'), { message: 'is not JSON: expected a value, found "t"', line: 2, column: 7 })
  t.match(problem('{"a":1,}'), { message: 'is not JSON: expected a name in quotes, found "}"', line: 1, column: 8 })
  t.match(problem("{'a':1}"), { message: /expected a name in quotes, found "'"/ })
  t.match(problem('[1] 2'), { message: /expected the end of the file, found "2"/ })
  t.match(problem('{"a":1'), { message: /expected "," or "}", found the end of the file/ })
})

t.test('refuses what is nested too deep, in any length, and does not crash', async (t) => {
  for (const n of [129, 1000, 100_000, 5_000_000]) {
    t.match(problem('['.repeat(n) + ']'.repeat(n)), { message: /deeper than 128 levels/, line: 1, column: 129 }, `${n} lists`)
  }
  t.match(problem(`${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`), { message: /deeper than 128 levels/ })
  t.match(problem('['.repeat(5_000_000)), { message: /deeper than 128 levels/ })
  t.equal(problem('['.repeat(128) + ']'.repeat(128)), undefined)
})

t.test('refuses a document of a million values', async (t) => {
  t.match(problem(`[${'1,'.repeat(1_000_000)}1]`), { message: /more than 262144 values/ })
})

t.test('copies what a program made', async (t) => {
  const original = { a: { b: [1n, undefined] }, c: undefined }
  t.strictSame(copyDocument(original), { value: { a: { b: [1n, undefined] } } })
  t.notOk(Object.isFrozen(original))
  const loop: { self?: object } = {}
  loop.self = loop
  t.match(copyDocument(loop), { problem: { message: /deeper than 128/ } })
  t.match(copyDocument({ f: () => 1 }), { problem: { message: /must be plain data/ } })
  for (const odd of [new Date(), new Map(), new String('a')]) {
    t.match(copyDocument({ a: [odd] }), { problem: { pointer: '/a/0', message: /must be plain data, not \[object/ } })
  }
})
