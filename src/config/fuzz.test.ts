import t from 'tap'
import { TsrunError } from '../errors/error.ts'
import { parseConfig, parseProcess } from './load.ts'
import { everything, rootless, usual } from './samples.ts'
import type { Config } from './types.ts'
import { warnings } from './warnings.ts'

/** A small generator of numbers, so that a failure can be repeated. */
const random = (seed: number) => (below: number) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 4294967296) * below)
}

const VALUES = [
  'null',
  'true',
  '""',
  '"x"',
  '"/"',
  '"..\\u0000"',
  '"\\ud800"',
  '0',
  '-1',
  '1.5',
  '4294967295',
  '18446744073709551616',
  '1e400',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '{"a":{}}',
  '{"__proto__":1}',
  '{"constructor":[]}',
  '"__proto__"'
]
const TEXTS = [everything, usual, usual, rootless, rootless].map((config) => JSON.stringify(config))

/** Where values stand in a text, as [start, end). */
function tokens(text: string): [number, number][] {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+|true|false|[[\]{}]/g)].map((found) => [found.index, found.index + found[0].length])
}

function mutate(text: string, next: (below: number) => number): string {
  const places = tokens(text)
  const [start, end] = places[next(places.length)]!
  switch (next(4)) {
    case 0:
      return text.slice(0, start) + VALUES[next(VALUES.length)] + text.slice(end)
    case 1:
      return text.slice(0, start) + text.slice(end)
    case 2: {
      const [from, to] = places[next(places.length)]!
      return text.slice(0, start) + text.slice(from, to) + text.slice(end)
    }
    default:
      return text.slice(0, start) + String.fromCharCode(next(128)) + text.slice(start + next(3))
  }
}

/** Accepts or refuses; anything else is a bug. */
function judge(parse: () => unknown): 'accepted' | 'refused' {
  try {
    parse()
    return 'accepted'
  } catch (error) {
    if (!(error instanceof TsrunError) || (error.problems?.length ?? 0) === 0) throw error
    return 'refused'
  }
}

t.test('no document makes it crash', async (t) => {
  const counts = { accepted: 0, refused: 0 }
  for (let seed = 1; seed <= 10_000; seed++) {
    const next = random(seed)
    let text = TEXTS[next(TEXTS.length)]!
    for (let i = next(4); i >= 0; i--) text = mutate(text, next)
    try {
      counts[judge(() => warnings(parseConfig(text, 'config.json')))]++
      judge(() => parseProcess(text, 'process.json'))
    } catch (error) {
      t.fail(`seed ${seed}: ${error instanceof Error ? error.stack : error}`, { text })
      return
    }
  }
  t.ok(counts.accepted > 100 && counts.refused > 100, JSON.stringify(counts))
})

t.test('every value replaced by every other: refused with places, or accepted', async (t) => {
  const text = TEXTS[0]!
  for (const [start, end] of tokens(text)) {
    if (text[end] === ':' || ']}'.includes(text[start]!)) continue
    for (const value of VALUES) {
      const mutant = '[{'.includes(text[start]!)
        ? `${text.slice(0, start)}${value},${text.slice(start)}`
        : text.slice(0, start) + value + text.slice(end)
      judge(() => parseConfig(mutant, 'config.json'))
    }
  }
  t.equal(({} as { a?: unknown }).a, undefined)
  t.equal(
    judge(() => parseConfig(JSON.stringify({ ...usual } satisfies Config), 'config.json')),
    'accepted'
  )
})
