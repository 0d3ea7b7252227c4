/**
 * JSON text into a plain, frozen value, whatever the text: it is untrusted, and may be no JSON, nested a million times, or hold
 * integers that a JavaScript number cannot.
 */
import type { Problem } from '../errors/error.ts'
import { escapeSegment, parent, segments, valueAt } from './pointer.ts'
import { MAX_DEPTH, positionAt, type ScanStop, scan, TOO_DEEP } from './positions.ts'

/** A value, or why there is none. */
export type Parsed = { readonly value: unknown } | { readonly problem: Problem }

/** Texts of this length are looked at before JSON.parse builds them; shorter ones are bounded by it. */
const LARGE = 1 << 18

/**
 * Parses `text`, and freezes the objects that it holds. Members that are null are left out, as if they were not there: so does every runtime
 * that is written in Go, and configs rely on it.
 */
export function parseDocument(text: string): Parsed {
  const stop = text.length > LARGE ? scan(text) : undefined
  if (stop !== undefined) return refused(text, stop)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    return refused(text, scan(text) ?? { offset: 0, problem: `is not JSON: ${cause}` })
  }
  const seen = { inexact: false }
  let problem = freeze(value, seen)
  if (seen.inexact && problem === undefined) {
    value = restoreIntegers(text, JSON.parse(text))
    problem = freeze(value, seen)
  }
  if (problem === undefined) return { value }
  const tooDeep = scan(text)
  return tooDeep === undefined ? { problem } : refused(text, tooDeep)
}

/** The same for a value that a program made instead of a text; it is copied. */
export function copyDocument(original: unknown): Parsed {
  try {
    const value = structuredClone(original)
    const problem = freeze(value, { inexact: false })
    return problem === undefined ? { value } : { problem }
  } catch (cause) {
    return { problem: { pointer: '', message: `must be plain data: ${cause instanceof Error ? cause.message : String(cause)}` } }
  }
}

function refused(text: string, { offset, problem }: ScanStop): Parsed {
  return { problem: { pointer: '', message: text.trim() === '' ? 'is empty' : problem, ...positionAt(text, offset) } }
}

/** JSON.parse rounds integers beyond 2^53; puts the exact ones in their place, as bigints. */
function restoreIntegers(text: string, value: unknown): unknown {
  let document = value
  scan(text, (pointer, start, end) => {
    if (end - start < 16 || !/^-?[0-9]+$/.test(text.slice(start, end))) return
    const exact = BigInt(text.slice(start, end))
    const rounded = Number(exact)
    // When a name is repeated the last one counts: then the place holds something else.
    if (Number.isSafeInteger(rounded) || Number(valueAt(document, pointer)) !== rounded) return
    const name = segments(pointer).at(-1)
    if (name === undefined) document = exact
    else (valueAt(document, parent(pointer)) as Record<string, unknown>)[name] = exact
  })
  return document
}

/** What is noticed on the way: a number that JSON.parse may have rounded. */
interface Seen {
  inexact: boolean
}

/**
 * Freezes objects from the leaves up and leaves members out that are null. Returns what cannot stay.
 *
 * Lists are only readonly to the compiler of our source: an engine keeps a frozen one as a table of single entries, which takes longer to make and
 * to read. The names in a seccomp profile alone would cost half a millisecond.
 */
function freeze(value: unknown, seen: Seen, depth = 0): Problem | undefined {
  if (typeof value === 'number' && (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)) seen.inexact = true
  if (typeof value !== 'object' || value === null) return undefined
  if (depth === MAX_DEPTH) return { pointer: '', message: TOO_DEEP }
  if (Array.isArray(value)) return freezeEntries(value, seen, depth)
  const problem = freezeMembers(value as Record<string, unknown>, seen, depth)
  Object.freeze(value)
  return problem
}

/** A list keeps what is null, for the schema to refuse: leaving it out would move what follows. */
function freezeEntries(list: readonly unknown[], seen: Seen, depth: number): Problem | undefined {
  for (let i = 0; i < list.length; i++) {
    const entry = list[i]
    if (typeof entry === 'string') continue
    const problem = freeze(entry, seen, depth + 1)
    if (problem !== undefined) return { ...problem, pointer: `/${i}${problem.pointer}` }
  }
  return undefined
}

function freezeMembers(object: Record<string, unknown>, seen: Seen, depth: number): Problem | undefined {
  // A Date or a Map would pass for what JSON makes of it.
  if (Object.getPrototypeOf(object) !== Object.prototype) {
    return { pointer: '', message: `must be plain data, not ${Object.prototype.toString.call(object)}` }
  }
  for (const name of Object.keys(object)) {
    // As an own member it is harmless here, but not for whoever copies it by assignment.
    if (name === '__proto__') return { pointer: '/__proto__', message: 'must not be a name in a configuration' }
    const member = object[name]
    if (member === null || member === undefined) delete object[name]
    else if (typeof member === 'object' || typeof member === 'number') {
      const problem = freeze(member, seen, depth + 1)
      if (problem !== undefined) return { ...problem, pointer: `/${escapeSegment(name)}${problem.pointer}` }
    }
  }
  return undefined
}
