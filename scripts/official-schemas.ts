/** The specification's own JSON schemas, where they are found; where ours differ from them, and why. For tests. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { pointer, type Segment } from '../src/config/pointer.ts'

/** Debian's golang-github-opencontainers-specs-dev. */
export const INSTALLED = '/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema'

/** Where we differ on purpose: pattern of the pointer, which way, and why. */
export const DIFFERENCES: readonly (readonly [RegExp, 'stricter' | 'looser', string])[] = [
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

/** The folders of official schemas on this machine: Debian's, and that of a checkout of runtime-spec which $OCI_SPEC names. */
export function schemaFolders(): readonly string[] {
  const checkout = process.env.OCI_SPEC
  return [INSTALLED, ...(checkout ? [join(checkout, 'schema')] : [])].filter((path) => existsSync(path))
}

/** A validator made from one of the files of a folder; undefined when the folder has no such file. */
export function official(folder: string, file: string): ValidateFunction | undefined {
  const ajv = new Ajv({ strict: false, validateSchema: false, validateFormats: false, logger: false, allErrors: true })
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.json'))) {
    // Draft 4 by name, but for what it uses the same as draft 7.
    const text = readFileSync(join(folder, name), 'utf8').replaceAll('#definitions/', '#/definitions/')
    const { $schema: _, id: __, ...schema } = JSON.parse(text) as Record<string, unknown>
    ajv.addSchema(schema, name)
  }
  return ajv.getSchema(file)
}

/** Where an error of a validator is; a missing property is where it would be. */
export function placeOf({ instancePath, keyword, params }: ErrorObject): string {
  return keyword === 'required' ? instancePath + pointer(String(params.missingProperty)) : instancePath
}

/** The reason why it is known that ours is stricter, or looser, at a place. */
export const knownDifference = (place: string, way: 'stricter' | 'looser'): string | undefined =>
  DIFFERENCES.find(([pattern, direction]) => direction === way && pattern.test(place))?.[2]

/** All paths of a document. */
export function* paths(value: unknown, path: readonly Segment[] = []): Generator<readonly Segment[]> {
  if (path.length > 0) yield path
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) yield* paths(member, [...path, Array.isArray(value) ? Number(key) : key])
}

/** A copy with the value at `path` replaced; removed when `value` is undefined. */
export function replaced(document: object, path: readonly Segment[], value: unknown): object {
  const copy = structuredClone(document)
  let holder = copy as Record<Segment, unknown>
  for (const segment of path.slice(0, -1)) holder = holder[segment] as Record<Segment, unknown>
  const last = path.at(-1)!
  if (value !== undefined) holder[last] = value
  else if (Array.isArray(holder)) holder.splice(Number(last), 1)
  else delete holder[last]
  return copy
}
