/** Our schema against the specification's own, where a Debian package has installed it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import t from 'tap'
import { pointer, type Segment } from './pointer.ts'
import { everything, minimal, rootless, usual } from './samples.ts'
import { schemaProblems } from './schema.ts'

/** Debian's golang-github-opencontainers-specs-dev. */
const INSTALLED = '/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema'

/** Where we differ on purpose: pattern of the pointer, which way, and why. */
const DIFFERENCES: readonly (readonly [RegExp, 'stricter' | 'looser', string])[] = [
  [/\/(?:uid|gid|additionalGids\/\d+|containerID|hostID)$/, 'stricter', '4294967295 is no id'],
  [/^\/process\/user\/umask$/, 'stricter', 'umask(2) has 9 bits'],
  [/^\/process\/consoleSize\/\w+$/, 'stricter', 'struct winsize has 16 bits'],
  [/^\/process\/oomScoreAdj$/, 'stricter', 'oom_score_adj has a range'],
  [/^\/process\/scheduler\/nice$/, 'stricter', 'a nice value has a range'],
  [/^\/process\/ioPriority\/priority$/, 'stricter', 'an I/O priority has a range'],
  [/^\/hooks\/\w+\/\d+\/timeout$/, 'stricter', 'no bound in the official schema'],
  [/^\/ociVersion$/, 'stricter', 'config.md wants a semantic version'],
  [/\/(?:major|minor)$/, 'stricter', 'a device number has 12 and 20 bits'],
  [/^\/linux\/resources\/devices\/\d+\/(?:type|access)$/, 'stricter', 'config-linux.md lists the values'],
  [/^\/linux\/resources\/cpu\/idle$/, 'stricter', 'config-linux.md: 0 or 1'],
  [/^\/linux\/resources\/blockIO\/throttle\w+\/\d+\/rate$/, 'stricter', 'config-linux.md: required'],
  [/^\/linux\/(?:personality(?:\/domain)?|memoryPolicy(?:\/mode)?)$/, 'stricter', 'config-linux.md: required'],
  [/^\/linux\/memoryPolicy\/nodes$/, 'stricter', 'config-linux.md: a list of numbers'],
  [/^\/linux\/seccomp\/(?:defaultErrnoRet|syscalls\/\d+\/errnoRet)$/, 'stricter', 'the errno of a filter has 16 bits'],
  [/^\/linux\/seccomp\/syscalls\/\d+\/args\/\d+\/index$/, 'stricter', 'a system call has six arguments'],
  [/^\/linux\/timeOffsets\/\w+\/nanosecs$/, 'stricter', 'less than a second'],
  [/^\/linux\/devices\/\d+\/fileMode$/, 'looser', 'engines write the type of the file as well'],
  [/^\/linux\/intelRdt\/memBwSchema$/, 'looser', 'a rule refuses it'],
  [/^\/linux\/resources\/pids(?:\/limit)?$/, 'looser', 'config-linux.md 1.3: optional'],
  [/^\/linux\/rootfsPropagation$/, 'looser', 'engines write the recursive forms, and "" for none']
]

const REPLACEMENTS: readonly unknown[] = ['x', '', 5, 0, -1, 1.5, true, [], {}, ['x'], [5], 512, 4294967295, 4294967296, 1e30]

function official(folder: string): ValidateFunction {
  const ajv = new Ajv({ strict: false, validateSchema: false, validateFormats: false, logger: false })
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
    // Draft 4 by name, but for what it uses the same as draft 7.
    const { $schema: _, id: __, ...schema } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>
    ajv.addSchema(schema, name)
  }
  const validate = ajv.getSchema('config-schema.json')
  if (validate === undefined) throw new Error(`no config-schema.json in ${folder}`)
  return validate
}

function* paths(value: unknown, path: readonly Segment[] = []): Generator<readonly Segment[]> {
  if (path.length > 0) yield path
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) yield* paths(member, [...path, Array.isArray(value) ? Number(key) : key])
}

/** A copy with the value at `path` replaced; removed when `value` is undefined. */
function replaced(document: object, path: readonly Segment[], value: unknown): object {
  const copy = structuredClone(document)
  let holder = copy as Record<Segment, unknown>
  for (const segment of path.slice(0, -1)) holder = holder[segment] as Record<Segment, unknown>
  const last = path.at(-1)!
  if (value !== undefined) holder[last] = value
  else if (Array.isArray(holder)) holder.splice(Number(last), 1)
  else delete holder[last]
  return copy
}

const skip = existsSync(INSTALLED) ? false : 'golang-github-opencontainers-specs-dev is not installed'

t.test('agrees with the official schema', { skip }, async (t) => {
  const validate = official(INSTALLED)
  const accepts = (document: object): boolean => schemaProblems(document, 'Config').length === 0
  // Time namespaces came with 1.1.
  const base = {
    ...everything,
    linux: { ...everything.linux, namespaces: everything.linux?.namespaces?.filter(({ type }) => type !== 'time') }
  }
  for (const document of [minimal, usual, rootless, base]) t.ok(validate(document) && accepts(document))

  /** True when the installed version does not know the field, and so takes anything there. */
  const isUnknown = (path: readonly Segment[]): boolean =>
    path.some((_, i) => [5, 'x', {}, [[]], true].every((value) => validate(replaced(base, path.slice(0, i + 1), value))))

  const used = new Set<string>()
  let compared = 0
  for (const path of paths(base)) {
    if (isUnknown(path)) continue
    for (const value of [undefined, ...REPLACEMENTS]) {
      const document = replaced(base, path, value)
      const [theirs, ours] = [validate(document), accepts(document)]
      compared++
      if (theirs === ours) continue
      const way = theirs ? 'stricter' : 'looser'
      const known = DIFFERENCES.find(([pattern, direction]) => direction === way && pattern.test(pointer(...path)))
      if (known) used.add(known[2])
      else t.fail(`${way} than the official schema at ${pointer(...path)} with ${JSON.stringify(value)}`)
    }
  }
  t.ok(compared > 2000, `${compared} documents compared, ${used.size} kinds of difference, all known`)
})
