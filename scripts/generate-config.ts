/**
 * Writes src/config/generated/ from schemas/: the types, the validators, and the names of the properties.
 * With `--check` it writes nothing, and fails when what is there is stale.
 *
 * The output is committed, so that ajv and its compiler are needed by developers only.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { _, Ajv, type CodeKeywordDefinition, type KeywordCxt, type SchemaObject } from 'ajv'
import ajvStandalone from 'ajv/dist/standalone/index.js'
import { compile } from 'json-schema-to-typescript'

/** The part of JSON Schema that schemas/config.json uses. */
interface Schema extends SchemaObject {
  readonly $ref?: string
  readonly description?: string
  readonly pattern?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema
  readonly definitions?: Readonly<Record<string, Schema>>
}

const root = fileURLToPath(new URL('..', import.meta.url))
const schema = (name: string): Schema => JSON.parse(readFileSync(join(root, 'schemas', `${name}.json`), 'utf8')) as Schema
const from = (names: string): string => `/** Made by scripts/generate-config.ts from ${names}. Do not edit. */\n`
const refName = (schema: Schema): string | undefined => schema.$ref?.replace(/^.*\//, '')

/**
 * `x-int64: signed|unsigned`, which stands for Int64 and Uint64 while the validators are made: JSON Schema has no word for a bigint.
 * A number must be whole and in range; a bigint is only found where the text had an integer beyond 2^53.
 */
const int64: CodeKeywordDefinition = {
  keyword: 'x-int64',
  schemaType: 'string',
  error: { message: 'is out of range', params: ({ schema }) => _`{range: ${schema}}` },
  code(context: KeywordCxt) {
    const { data, schema } = context
    const range =
      schema === 'unsigned'
        ? _`(typeof ${data} == "number" ? Number.isInteger(${data}) && ${data} >= 0 && ${data} < 18446744073709551616 : typeof ${data} == "bigint" && ${data} >= 0n && ${data} <= 18446744073709551615n)`
        : _`(typeof ${data} == "number" ? Number.isInteger(${data}) && ${data} >= -9223372036854775808 && ${data} < 9223372036854775808 : typeof ${data} == "bigint" && ${data} >= -9223372036854775808n && ${data} <= 9223372036854775807n)`
    context.fail(_`!${range}`)
  }
}

/** The schema as ajv gets it: 64-bit integers through `x-int64`, and no prose, which would end up in the code. */
function forValidators(config: Schema): Schema {
  const text = JSON.stringify(config, (key, value) => (key === 'description' && typeof value === 'string' ? undefined : value))
  const bare = JSON.parse(text) as Schema
  return {
    ...bare,
    definitions: { ...bare.definitions, Int64: { 'x-int64': 'signed' }, Uint64: { 'x-int64': 'unsigned' } }
  }
}

/** The validators, as TypeScript that imports nothing. */
function validators(config: Schema): string {
  // ajv's default export is a CommonJS one.
  const standalone = ajvStandalone as unknown as typeof ajvStandalone.default
  const ajv = new Ajv({ allErrors: true, messages: false, unicodeRegExp: false, code: { source: true, esm: true, lines: true } })
  ajv.addKeyword(int64)
  ajv.addSchema(forValidators(config))
  const code = standalone(ajv, { validateConfig: 'config.json', validateProcess: 'config.json#/definitions/Process' })
  if (/\brequire\(/.test(code)) throw new Error('the validators need ajv at run time: a keyword in the schemas has no inline code')
  return `// @ts-nocheck\n${from('schemas/config.json with ajv')}${dropUnusedConstants(code.replace('"use strict";\n', ''))}`
}

/** ajv keeps the schema of each definition as a constant; those that no check reads would be built at every start. */
function dropUnusedConstants(code: string): string {
  const unused = [...code.matchAll(/^const (schema\d+) = .*;\n/gm)].filter(
    ([, name]) => [...code.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length === 1
  )
  return unused.reduce((rest, [line]) => rest.replace(line, ''), code)
}

/** Types by json-schema-to-typescript, made readonly. */
async function types(config: Schema): Promise<string> {
  const code = await compile(config as Parameters<typeof compile>[0], 'Config', {
    additionalProperties: false,
    bannerComment: '',
    ignoreMinAndMaxItems: true,
    style: { semi: false, singleQuote: true, printWidth: 140 },
    unreachableDefinitions: true
  })
  return from('schemas/config.json') + readonlyTypes(code)
}

function readonlyTypes(code: string): string {
  return code
    .replace(/\n \*\n \* This interface was referenced by `Config`'s JSON-Schema\n \* via the `definition` "\w+"\./g, '')
    .replace(/\/\*\*\n \* This interface was referenced by `Config`'s JSON-Schema\n \* via the `definition` "\w+"\.\n \*\/\n/g, '')
    .replace(/^( *)\/\*\*\n *\* (.*)\n *\*\/$/gm, '$1/** $2 */')
    .replace(/^( +)(\w+\??:|\[k: string\]:)/gm, '$1readonly $2')
    .replace(/\b(\w+)\[\]/g, 'readonly $1[]')
}

/** What a property holds: `Name`, `[]Name` for a list, `{}Name` for a map; '' when it is no object of the schema's. */
function holds(property: Schema, definitions: Readonly<Record<string, Schema>>): string {
  const name = refName(property)
  if (name !== undefined) return definitions[name]?.properties ? name : ''
  if (property.items && holds(property.items, definitions)) return `[]${holds(property.items, definitions)}`
  if (property.additionalProperties && holds(property.additionalProperties, definitions)) {
    return `{}${holds(property.additionalProperties, definitions)}`
  }
  return ''
}

/** The names of the properties, and the words for the patterns: what only messages need. */
function names(config: Schema): string {
  const definitions = config.definitions ?? {}
  const shapes = Object.entries({ Config: config, ...definitions }).flatMap(([name, { properties }]) => {
    if (properties === undefined) return []
    const rows = Object.entries(properties).map(([key, property]) => `${key}: '${holds(property, definitions)}'`)
    return [`  ${name}: { ${rows.join(', ')} }`]
  })
  const patterns = Object.values(definitions).flatMap(({ pattern, description }) =>
    pattern === undefined ? [] : [`  [${JSON.stringify(pattern)}, ${JSON.stringify(description)}]`]
  )
  return `${from('schemas/config.json')}
/** By name of an object: its properties, and what each holds: \`Name\`, \`[]Name\` for a list of them, \`{}Name\` for a map, '' for anything else. */
export const SHAPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {\n${shapes.join(',\n')}\n}

/** What a string that matches a pattern of the schema is. */
export const PATTERNS: ReadonlyMap<string, string> = new Map([\n${patterns.join(',\n')}\n])
`
}

async function main(check: boolean): Promise<void> {
  const config = schema('config')
  const files = { 'types.ts': await types(config), 'validate.ts': validators(config), 'names.ts': names(config) }
  const folder = join(root, 'src/config/generated')
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name)
    if (!check) writeFileSync(path, text)
    else if (readOr(path, '') !== text) {
      console.error(`src/config/generated/${name} is stale: run "npm run generate"`)
      process.exitCode = 1
    }
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}

await main(process.argv.includes('--check'))
