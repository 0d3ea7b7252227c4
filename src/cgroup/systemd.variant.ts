/** Values of systemd's properties as people write them into annotations: GVariant's text format, without dictionaries and maybes. Pure. */
import { badProperty } from '../errors/wording.systemd.ts'
import type { BusValue, Variant } from '../linux/sdbus.ts'
import type { Property } from './systemd.properties.ts'

export const PROPERTY_ANNOTATION = 'org.systemd.property.'

/** The properties that `annotations` ask for: `org.systemd.property.TimeoutStopSec: "5"`. Throws TsrunError `config`. */
export function annotationProperties(annotations: Readonly<Record<string, string>> = {}): Property[] {
  return Object.entries(annotations).flatMap(([key, text]) => {
    if (!key.startsWith(PROPERTY_ANNOTATION)) return []
    const name = key.slice(PROPERTY_ANNOTATION.length)
    const pointer = `/annotations/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (!/^[A-Za-z]{3,}$/.test(name)) throw badProperty(pointer, `${JSON.stringify(name)} is no name of a property`)
    try {
      return [inMicroseconds(name, parseVariant(text))]
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause
      throw badProperty(pointer, `${JSON.stringify(text)}: ${cause.message}`)
    }
  })
}

/** On the bus times are in microseconds, and their names end in `USec`; unit files have seconds and `Sec`. */
function inMicroseconds(name: string, { signature, value }: Variant): Property {
  if (!/[a-z]Sec$/.test(name)) return { name, signature, value }
  if (typeof value !== 'number' && typeof value !== 'bigint') throw new SyntaxError('a time must be a number of seconds')
  if (value < 0) throw new SyntaxError('a time cannot be negative')
  const microseconds = typeof value === 'bigint' ? value * 1_000_000n : BigInt(Math.round(value * 1e6))
  return { name: `${name.slice(0, -'Sec'.length)}USec`, signature: 't', value: microseconds }
}

/** Words that give the type of what follows. */
const KEYWORDS: Readonly<Record<string, string>> = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  handle: 'h',
  uint32: 'u',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g'
}

const INTEGERS: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  y: [0n, 255n],
  n: [-(2n ** 15n), 2n ** 15n - 1n],
  q: [0n, 2n ** 16n - 1n],
  i: [-(2n ** 31n), 2n ** 31n - 1n],
  h: [-(2n ** 31n), 2n ** 31n - 1n],
  u: [0n, 2n ** 32n - 1n],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n]
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' }

/** Something that was read, whose type may still depend on what is around it. */
type Node =
  | { readonly kind: 'typed'; readonly signature: string; readonly of: Node }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'boolean'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly Node[] }
  | { readonly kind: 'tuple'; readonly items: readonly Node[] }

/** The value of `text`: `'a'`, `5`, `true`, `1.5`, `['a', 'b']`, `('a', 1)`, `uint64 5`, `@as []`. Integers without a type are int32. Throws SyntaxError. */
export function parseVariant(text: string): Variant {
  const tokens = tokenize(text)
  const node = readNode(tokens)
  if (tokens.length > 0) throw new SyntaxError(`unexpected ${tokens[0]}`)
  const signature = typeOf(node)
  return { signature, value: valueAs(node, signature) }
}

const TOKEN = /\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|@[a-z()]+|[\w.+-]+|[[\](),])\s*/gsy

function tokenize(text: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  for (let end = 0; end < text.length; end = TOKEN.lastIndex) {
    const match = TOKEN.exec(text)
    if (match === null) throw new SyntaxError(`cannot be read from ${JSON.stringify(text.slice(end))} on`)
    tokens.push(match[1]!)
  }
  return tokens
}

function readNode(tokens: string[]): Node {
  const token = tokens.shift()
  if (token === undefined) throw new SyntaxError('a value is missing')
  const keyword = Object.hasOwn(KEYWORDS, token) ? KEYWORDS[token] : undefined
  const signature = token.startsWith('@') ? token.slice(1) : keyword
  if (signature !== undefined) return { kind: 'typed', signature, of: readNode(tokens) }
  if (token === '[') return { kind: 'array', items: readItems(tokens, ']') }
  if (token === '(') return { kind: 'tuple', items: readItems(tokens, ')') }
  if (/^['"]/.test(token)) return { kind: 'string', text: unquoted(token) }
  if (token === 'true' || token === 'false') return { kind: 'boolean', text: token }
  if (/^[+-]?(0x[\da-f]+|\d+(\.\d*)?(e[+-]?\d+)?|\.\d+)$/i.test(token)) return { kind: 'number', text: token }
  throw new SyntaxError(`unexpected ${token}; strings are quoted`)
}

function readItems(tokens: string[], end: string): Node[] {
  const items: Node[] = []
  while (tokens[0] !== end) {
    items.push(readNode(tokens))
    if (tokens[0] === ',') tokens.shift()
    else if (tokens[0] !== end) throw new SyntaxError(`${end} is missing`)
  }
  tokens.shift()
  return items
}

const unquoted = (token: string): string =>
  token
    .slice(1, -1)
    .replace(/\\(?:u([\da-f]{4})|U([\da-f]{8})|(.))/gis, (_, u4, u8, other) =>
      other === undefined ? String.fromCodePoint(Number.parseInt(u4 ?? u8, 16)) : (ESCAPES[other] ?? other)
    )

const isInteger = (text: string): boolean => /^[+-]?(0x[\da-f]+|\d+)$/i.test(text)

function typeOf(node: Node): string {
  if (node.kind === 'typed') return node.signature
  if (node.kind === 'string') return 's'
  if (node.kind === 'boolean') return 'b'
  if (node.kind === 'number') return isInteger(node.text) ? 'i' : 'd'
  if (node.kind === 'tuple') return `(${node.items.map(typeOf).join('')})`
  const [first] = node.items
  if (first === undefined) throw new SyntaxError('an empty array needs a type, such as @as []')
  return `a${typeOf(node.items.find(({ kind }) => kind === 'typed') ?? first)}`
}

function valueAs(node: Node, signature: string): BusValue {
  const mismatch = new SyntaxError(`a value is not of type ${signature}`)
  if (node.kind === 'typed') {
    if (node.signature !== signature) throw mismatch
    return valueAs(node.of, signature)
  }
  if (node.kind === 'array') {
    if (!signature.startsWith('a')) throw mismatch
    return node.items.map((item) => valueAs(item, signature.slice(1)))
  }
  if (node.kind === 'tuple') {
    if (signature !== typeOf(node)) throw mismatch
    return node.items.map((item) => valueAs(item, typeOf(item)))
  }
  if (node.kind === 'string' && 'sog'.includes(signature)) return node.text
  if (node.kind === 'boolean' && signature === 'b') return node.text === 'true'
  if (node.kind === 'number' && signature === 'd') return Number(node.text)
  const range = node.kind === 'number' && isInteger(node.text) ? INTEGERS[signature] : undefined
  if (range === undefined || node.kind !== 'number') throw mismatch
  return integer(node.text, range)
}

function integer(text: string, [min, max]: readonly [bigint, bigint]): bigint {
  const digits = text.replace(/^[+-]/, '')
  const value = BigInt(digits) * (text.startsWith('-') ? -1n : 1n)
  if (value < min || value > max) throw new SyntaxError(`${text} is not from ${min} to ${max}`)
  return value
}
