/**
 * A scanner of JSON text (RFC 8259) that knows where everything stands: lines and columns for messages, the reason why a text is
 * no JSON, and integers that a JavaScript number cannot hold. It uses no recursion, so that no nesting can exhaust the stack.
 */
import { escapeSegment, parent } from './pointer.ts'

/** A place in a text; both from 1, the column in UTF-16 units. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Why a scan ended before the text did. */
export interface ScanStop {
  readonly offset: number
  /** Why, such as `is not JSON: expected "," or "]", found "x"`. */
  readonly problem: string
}

/** Called for each value, in the order of the text; for a list or an object `end` is the offset after its first character. */
export type Visit = (pointer: string, start: number, end: number) => void

/** More levels than any config.json has, and few enough for functions that recurse over a document. */
export const MAX_DEPTH = 128
/** More values than any config.json has: those of large containers have some ten thousand. */
export const MAX_VALUES = 1 << 18
export const TOO_DEEP = `must not be nested deeper than ${MAX_DEPTH} levels`
const TOO_MANY = `must not have more than ${MAX_VALUES} values`

interface Cursor {
  readonly text: string
  at: number
}

/** A list or an object that has begun. */
interface Level {
  readonly close: ']' | '}'
  readonly pointer: string
  /** Index of the next entry of a list. */
  next: number
}

const SPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const WORD = /true|false|null/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** Ends the scan from anywhere inside it. */
class Stop extends Error {
  readonly stop: ScanStop
  constructor(offset: number, problem: string) {
    super(problem)
    this.stop = { offset, problem }
  }
}

/** Scans `text`; returns undefined when it is JSON of at most MAX_DEPTH levels and MAX_VALUES values. */
export function scan(text: string, visit: Visit = () => {}): ScanStop | undefined {
  try {
    scanDocument({ text, at: 0 }, visit)
    return undefined
  } catch (error) {
    if (error instanceof Stop) return error.stop
    throw error
  }
}

function scanDocument(cursor: Cursor, visit: Visit): void {
  const levels: Level[] = []
  let values = 0
  skipSpace(cursor)
  for (let pointer: string | undefined = ''; pointer !== undefined; ) {
    if (++values > MAX_VALUES) throw new Stop(cursor.at, TOO_MANY)
    const opened = scanValue(cursor, pointer, visit)
    if (opened !== undefined) {
      if (levels.length === MAX_DEPTH) throw new Stop(cursor.at - 1, TOO_DEEP)
      levels.push(opened)
    }
    skipSpace(cursor)
    pointer = opened !== undefined && cursor.text[cursor.at] !== opened.close ? nextEntry(cursor, opened) : afterValue(cursor, levels)
  }
}

/** Scans a scalar, or the first character of a list or an object, which it returns. */
function scanValue(cursor: Cursor, pointer: string, visit: Visit): Level | undefined {
  const start = cursor.at
  const first = cursor.text[start]
  const container = first === '[' || first === '{'
  if (container) cursor.at++
  else if (first === '"') skipString(cursor)
  else if (!skip(cursor, NUMBER) && !skip(cursor, WORD)) throw unexpected(cursor, 'a value')
  visit(pointer, start, cursor.at)
  return container ? { close: first === '[' ? ']' : '}', pointer, next: 0 } : undefined
}

/** Closes what ends here. Returns the pointer of the next entry; undefined at the end of the document. */
function afterValue(cursor: Cursor, levels: Level[]): string | undefined {
  for (;;) {
    const level = levels.at(-1)
    if (level === undefined) {
      if (cursor.at < cursor.text.length) throw unexpected(cursor, 'the end of the file')
      return undefined
    }
    if (cursor.text[cursor.at] === ',') {
      cursor.at++
      skipSpace(cursor)
      return nextEntry(cursor, level)
    }
    if (cursor.text[cursor.at] !== level.close) throw unexpected(cursor, `"," or "${level.close}"`)
    levels.pop()
    cursor.at++
    skipSpace(cursor)
  }
}

/** Moves to the value of the next entry; returns its pointer. */
function nextEntry(cursor: Cursor, level: Level): string {
  if (level.close === ']') return `${level.pointer}/${level.next++}`
  if (cursor.text[cursor.at] !== '"') throw unexpected(cursor, 'a name in quotes')
  const start = cursor.at
  skipString(cursor)
  const name = JSON.parse(cursor.text.slice(start, cursor.at)) as string
  skipSpace(cursor)
  if (cursor.text[cursor.at] !== ':') throw unexpected(cursor, '":"')
  cursor.at++
  skipSpace(cursor)
  return `${level.pointer}/${escapeSegment(name)}`
}

function skipString(cursor: Cursor): void {
  const { text } = cursor
  for (cursor.at++; text[cursor.at] !== '"'; ) {
    if (cursor.at >= text.length) throw unexpected(cursor, 'the end of a string')
    if (text.charCodeAt(cursor.at) < 0x20) throw unexpected(cursor, 'the end of a string (a control character must be escaped)')
    if (text[cursor.at] !== '\\') cursor.at++
    else if (!skip(cursor, ESCAPE)) throw unexpected(cursor, 'an escape such as \\n or \\u000a')
  }
  cursor.at++
}

function skipSpace(cursor: Cursor): void {
  skip(cursor, SPACE)
}

/** Moves over what matches the sticky `pattern`; false when nothing does. */
function skip(cursor: Cursor, pattern: RegExp): boolean {
  pattern.lastIndex = cursor.at
  if (!pattern.test(cursor.text)) return false
  cursor.at = pattern.lastIndex
  return true
}

function unexpected({ text, at }: Cursor, wanted: string): Stop {
  const found = at < text.length ? JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0)) : 'the end of the file'
  return new Stop(at, `is not JSON: expected ${wanted}, found ${found}`)
}

/** Line and column of an offset. */
export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

/** Where a value stands, and how it is written (for a list or an object only its first character). */
export interface Place extends Position {
  readonly source: string
}

/**
 * Where the values at `pointers` stand; for one that is not there, where its next holder stands. When a name is repeated the
 * last counts, as it does for JSON.parse.
 */
export function placesOf(text: string, pointers: Iterable<string>): ReadonlyMap<string, Position> {
  const wanted = [...pointers]
  const found = offsetsOf(text, new Set(wanted.flatMap(withParents)))
  const offsets = wanted.map((name) => [name, found.get(withParents(name).find((holder) => found.has(holder)) ?? '') ?? 0] as const)
  return positionsAt(text, offsets)
}

function offsetsOf(text: string, names: ReadonlySet<string>): ReadonlyMap<string, number> {
  // Looking a pointer up makes one string of its parts; its length is known without.
  const lengths = new Set([...names].map((name) => name.length))
  const found = new Map<string, number>()
  scan(text, (pointer, start) => {
    if (lengths.has(pointer.length) && names.has(pointer)) found.set(pointer, start)
  })
  return found
}

/** Turns offsets into positions in one walk over the text. */
function positionsAt(text: string, offsets: readonly (readonly [string, number])[]): ReadonlyMap<string, Position> {
  const places = new Map<string, Position>()
  let line = 1
  let lineStart = 0
  for (const [name, offset] of offsets.toSorted(([, a], [, b]) => a - b)) {
    for (let end = text.indexOf('\n', lineStart); end >= 0 && end < offset; end = text.indexOf('\n', lineStart)) {
      line++
      lineStart = end + 1
    }
    places.set(name, { line, column: offset - lineStart + 1 })
  }
  return places
}

/** `/a/b`, `/a` and '' for `/a/b`. */
function withParents(pointer: string): string[] {
  const names = [pointer]
  for (let name = pointer; name !== ''; names.push(name)) name = parent(name)
  return names
}
