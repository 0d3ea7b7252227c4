/** Our schemas accept and refuse the same documents as the official ones: their corpus, and ten thousand mutations. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import t from 'tap'
import { pointer, type Segment } from '../src/config/pointer.ts'
import { everything, minimal, rootless, usual } from '../src/config/samples.ts'
import { schemaProblems } from '../src/config/schema.ts'
import { knownDifference, official, paths, placeOf, replaced, schemaFolders } from './official-schemas.ts'

const MUTATIONS = 10_000
const TIMEOUT_MS = 110_000
t.setTimeout(TIMEOUT_MS)

/** A small generator of numbers: a seed is a document, so a failure can be repeated. */
const random = (seed: number) => (below: number) => {
  seed = (Math.imul(seed ^ (seed >>> 15), 2246822519) + 3266489917) >>> 0
  return Math.floor((((seed ^ (seed >>> 13)) >>> 0) / 4294967296) * below)
}
type Random = (below: number) => number

const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    '',
    'x',
    '/x',
    'a b',
    'CAP_CHOWN',
    'SCMP_ACT_ALLOW',
    'RLIMIT_CPU',
    'bind',
    '0-3',
    '2MB',
    '1.0.2',
    'L3:0=f',
    '\u00e4'
  ],
  ...[0, 1, -1, 1.5, 100, 511, 512, 65535, 65536, 2147483648, 4294967295, 4294967296, 2 ** 53, -(2 ** 53), 1e30],
  ...[[], {}, [[]], [{}], ['x'], [1], { x: 1 }, { x: 'y' }, { type: 'pid' }, { path: '/x', type: 'c' }]
]

/** One letter of a name left out, doubled or changed: what people get wrong. */
function misspelt(name: string, next: Random): string {
  const at = next(Math.max(1, name.length))
  return [
    name.slice(0, at) + name.slice(at + 1),
    name.slice(0, at) + name.slice(at, at + 1) + name.slice(at),
    `${name.slice(0, at)}q${name.slice(at + 1)}`
  ][next(3)]!
}

const valueAt = (document: object, path: readonly Segment[]): unknown =>
  path.reduce<unknown>((value, segment) => (value as Record<Segment, unknown>)[segment], document)

/** A document with one thing changed: replaced, left out, taken from elsewhere, repeated, or under a name that is misspelt. */
function mutated(document: object, next: Random): object {
  const places = [...paths(document)]
  if (places.length === 0) return document
  const path = places[next(places.length)]!
  switch (next(6)) {
    case 0:
      return replaced(document, path, undefined)
    case 1:
      return replaced(document, path, valueAt(document, places[next(places.length)]!))
    case 2: {
      const value = valueAt(document, path)
      return replaced(document, path, Array.isArray(value) ? [...value, ...value] : [value])
    }
    case 3: {
      const name = path.at(-1)!
      if (typeof name === 'number') return replaced(document, path, {})
      return replaced(replaced(document, path, undefined), [...path.slice(0, -1), misspelt(name, next)], valueAt(document, path))
    }
    default:
      return replaced(document, path, VALUES[next(VALUES.length)])
  }
}

/** Places that a version of the official schema does not know, and so takes anything at: with indices and names as `*`. */
function unknownPlaces(validate: ValidateFunction, base: object): ReadonlySet<string> {
  const anything = [5, 'x', {}, [[]], true]
  const isUnknown = (path: readonly Segment[]): boolean => anything.every((value) => validate(replaced(base, path, value)))
  return new Set([...paths(base)].filter(isUnknown).map((path) => general(pointer(...path))))
}
const general = (place: string): string => place.replace(/\/\d+/g, '/*')

/** `place` or something around it is among `places`. */
function isWithin(place: string, places: ReadonlySet<string>): boolean {
  const parts = general(place).split('/')
  return parts.some((_, i) => i > 0 && places.has(parts.slice(0, i + 1).join('/')))
}

/**
 * Why the two disagree over a document without that being known; undefined when they agree, or when it is.
 *
 * @param ours places at which our schema finds something wrong
 */
function disagreement(
  document: object,
  ours: readonly string[],
  validate: ValidateFunction,
  unknown: ReadonlySet<string>
): string | undefined {
  const theirs = validate(document)
    ? []
    : (validate.errors ?? []).filter(({ keyword }) => keyword !== 'if' && keyword !== 'oneOf' && keyword !== 'anyOf').map(placeOf)
  if (ours.length > 0 === theirs.length > 0) return undefined
  const stricter = ours.filter((place) => knownDifference(place, 'stricter') === undefined && !isWithin(place, unknown))
  const looser = theirs.filter((place) => knownDifference(place, 'looser') === undefined)
  // One known reason is enough to refuse; but for all reasons to refuse it must be known why we do not.
  if (ours.length > 0) return stricter.length === ours.length ? `stricter at ${stricter}` : undefined
  return looser.length > 0 ? `looser at ${looser}` : undefined
}

const folders = schemaFolders()
const skip = folders.length > 0 ? false : 'golang-github-opencontainers-specs-dev is not installed'

for (const folder of folders) {
  t.test(
    `${MUTATIONS} mutations, beside ${folder.includes('gocode') ? "Debian's schemas" : '$OCI_SPEC'}`,
    { timeout: TIMEOUT_MS },
    async (t) => {
      const validate = official(folder, 'config-schema.json')
      if (validate === undefined) throw new Error(`${folder} has no config-schema.json`)
      // What the installed version refuses as a whole it cannot be compared over.
      const bases = [everything, withoutTime(everything), usual, rootless, minimal].filter((base) => validate(base))
      const unknown = unknownPlaces(validate, bases[0]!)
      const counts = { accepted: 0, refused: 0 }
      const bad: string[] = []
      for (let seed = 1; seed <= MUTATIONS; seed++) {
        const next = random(seed)
        let document: object = bases[next(10) < 7 ? 0 : next(bases.length)]!
        for (let i = [0, 0, 0, 2][next(4)]!; i >= 0; i--) document = mutated(document, next)
        const ours = schemaProblems(document, 'Config').map((problem) => problem.pointer)
        const why = disagreement(document, ours, validate, unknown)
        if (why !== undefined) bad.push(`seed ${seed}: ${why}`)
        counts[ours.length > 0 ? 'refused' : 'accepted']++
      }
      t.same(bad.slice(0, 20), [], 'no disagreement that is not known')
      t.ok(counts.accepted > MUTATIONS / 10 && counts.refused > MUTATIONS / 10, `${counts.accepted} accepted, ${counts.refused} refused`)
    }
  )
}
if (skip) t.test('beside the official schemas', { skip }, async () => {})

function withoutTime(document: typeof everything): object {
  const namespaces = document.linux?.namespaces?.filter(({ type }) => type !== 'time')
  return { ...document, linux: { ...document.linux, namespaces } }
}

const own = (name: string): ValidateFunction => {
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false, allErrors: true })
  for (const file of ['config.json', 'state.json', 'features.json']) {
    ajv.addSchema(JSON.parse(readFileSync(join(schemas(), file), 'utf8')) as object, file)
  }
  return ajv.getSchema(name)!
}
/** The repository, from build/scripts. */
const schemas = (): string =>
  [join(import.meta.dirname, '../schemas'), join(import.meta.dirname, '../../schemas')].find((path) => existsSync(path))!

const corpus = process.env.OCI_SPEC ? join(process.env.OCI_SPEC, 'schema/test') : ''
const noCorpus =
  corpus !== '' && existsSync(corpus) ? false : 'no checkout of runtime-spec: OCI_SPEC is not set (its corpus is in no package)'

/** Documents for other platforms are accepted by us whatever those sections say: there they are unknown properties. */
const ELSEWHERE = /freebsd|zos|windows|solaris|vm-/

t.test('the corpus of the specification', { skip: noCorpus }, async (t) => {
  const accepts: Readonly<Record<string, (document: object) => boolean>> = {
    config: (document) => schemaProblems(document, 'Config').length === 0,
    state: own('state.json') as (document: object) => boolean,
    features: own('features.json') as (document: object) => boolean
  }
  for (const kind of ['config', 'state', 'features']) {
    for (const verdict of ['good', 'bad']) {
      for (const name of readdirSync(join(corpus, kind, verdict))) {
        if (verdict === 'bad' && ELSEWHERE.test(name)) continue
        t.equal(judge(join(corpus, kind, verdict, name), accepts[kind]!), verdict === 'good', `${kind}/${verdict}/${name}`)
      }
    }
  }
})

function judge(path: string, accepts: (document: object) => boolean): boolean {
  try {
    return accepts(JSON.parse(readFileSync(path, 'utf8')) as object)
  } catch {
    // Some are no JSON at all.
    return false
  }
}

const STATE = { ociVersion: '1.0.2', id: 'c1', status: 'running', pid: 42, bundle: '/b', annotations: { key: 'value' } }
const STATE_DIFFERENCES: readonly (readonly [RegExp, string])[] = [
  [/^\/status$/, 'paused is a status of ours, and others are not ours to print'],
  [/^\/pid$/, 'runtime.md: required while there is a process'],
  [/^\/bundle$/, 'runtime.md: an absolute path'],
  [/^\/id$/, 'an empty id is none'],
  [/^\/ociVersion$/, 'a semantic version'],
  [/^\/annotations/, 'keys and values are strings']
]

t.test('the schema of the state, mutated', { skip }, async (t) => {
  const [mine, theirs] = [own('state.json'), official(folders[0]!, 'state-schema.json')!]
  const bad: string[] = []
  for (let seed = 1; seed <= 2000; seed++) {
    const next = random(seed)
    let document: object = STATE
    for (let i = next(2); i >= 0; i--) document = mutated(document, next)
    if (theirs(document) === mine(document)) continue
    const places = (mine.errors ?? theirs.errors ?? []).map(placeOf)
    if (!places.some((place) => STATE_DIFFERENCES.some(([pattern]) => pattern.test(place))))
      bad.push(`seed ${seed}: ${JSON.stringify(document)}`)
  }
  t.same(bad.slice(0, 10), [])
})
