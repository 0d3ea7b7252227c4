/** What the schema finds wrong, in words. The checks themselves are generated from schemas/config.json. */
import type { Problem } from '../errors/error.ts'
import { PATTERNS } from './generated/names.ts'
import * as generated from './generated/validate.ts'
import { nearest } from './nearest.ts'
import { pointer, valueAt } from './pointer.ts'

/** An error as ajv describes it. */
interface SchemaError {
  readonly instancePath: string
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
}

interface Validator {
  (document: unknown): boolean
  readonly errors?: readonly SchemaError[] | null
}

/** Which definition of the schema a document follows. */
export type DocumentKind = 'Config' | 'Process'

const validators: Readonly<Record<DocumentKind, Validator>> = {
  Config: generated.validateConfig as Validator,
  Process: generated.validateProcess as Validator
}

/** Everything that the schema finds wrong with `document`. */
export function schemaProblems(document: unknown, kind: DocumentKind): readonly Problem[] {
  const validate = validators[kind]
  if (validate(document)) return []
  return (validate.errors ?? []).map((error) => problemOf(error, document))
}

function problemOf(error: SchemaError, document: unknown): Problem {
  if (error.keyword === 'required') return missing(String(error.params.missingProperty), error.instancePath, document)
  const value = valueAt(document, error.instancePath)
  return { pointer: error.instancePath, message: `must ${demand(error, value)}, not ${show(value)}${hint(error, value)}` }
}

function missing(name: string, holder: string, document: unknown): Problem {
  const other = nearest(name, Object.keys(valueAt(document, holder) ?? {}))
  const there = other === undefined ? '' : `; did you misspell it as ${JSON.stringify(other)}?`
  return { pointer: holder + pointer(name), message: `${JSON.stringify(name)} is missing${there}` }
}

/** Keyword to the demand, as the rest of a sentence that starts with "must". */
const DEMANDS: Readonly<Record<string, (params: Readonly<Record<string, unknown>>, value: unknown) => string>> = {
  type: ({ type }, value) => (typeof value === 'bigint' ? 'be an integer of at most 53 bits' : `be ${article(String(type))}`),
  enum: ({ allowedValues }) => `be one of ${(allowedValues as readonly unknown[]).map((value) => JSON.stringify(value)).join(', ')}`,
  pattern: ({ pattern }) => `be ${PATTERNS.get(String(pattern)) ?? `a string that matches ${pattern}`}`,
  minimum: ({ limit }) => `be at least ${limit}`,
  maximum: ({ limit }) => `be at most ${limit}`,
  minItems: ({ limit }) => `have at least ${limit} ${limit === 1 ? 'entry' : 'entries'}`,
  'x-int64': ({ range }) =>
    `be an integer from ${range === 'unsigned' ? '0 to 18446744073709551615' : '-9223372036854775808 to 9223372036854775807'}`
}

const demand = ({ keyword, params }: SchemaError, value: unknown): string =>
  DEMANDS[keyword]?.(params, value) ?? `satisfy ${keyword} ${JSON.stringify(params)}`

const ARTICLES: Readonly<Record<string, string>> = { integer: 'an integer', array: 'a list', object: 'an object' }
const article = (type: string): string => ARTICLES[type] ?? `a ${type}`

function hint({ keyword, params }: SchemaError, value: unknown): string {
  if (keyword !== 'enum' || typeof value !== 'string') return ''
  const word = nearest(
    value,
    (params.allowedValues as readonly unknown[]).map(String).filter((known) => known !== '')
  )
  return word === undefined ? '' : ` (did you mean ${JSON.stringify(word)}?)`
}

/** A value in a sentence. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  // JSON has no infinity: the number in the text was too large to be held.
  if (typeof value === 'number' && !Number.isFinite(value)) return 'a number beyond 1.8e308'
  if (typeof value !== 'string') return String(value)
  return value.length > 80 ? `${JSON.stringify(value.slice(0, 80))}…` : JSON.stringify(value)
}
