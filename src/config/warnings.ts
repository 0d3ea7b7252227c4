/** What is odd in a config but no reason to refuse it. */
import { capabilityNumber } from '../abi/capability.ts'
import type { Problem } from '../errors/error.ts'
import { isBindMount, parseMountOptions } from '../plan/mount-options.ts'
import { SHAPES } from './generated/names.ts'
import { nearest } from './nearest.ts'
import { pointer } from './pointer.ts'
import { ignoredAnnotations } from './rules.annotations.ts'
import { show } from './schema.ts'
import type { Capabilities, Config, Mount } from './types.ts'

/** Everything odd in a config that was accepted, for the log. */
export const warnings = (config: Config): readonly Problem[] => [
  ...unknownCapabilities(config.process?.capabilities ?? {}),
  ...relativeDestinations(config),
  ...bindData(config),
  ...idleOptions(config),
  ...joinedMappings(config),
  ...ignoredAnnotations(config),
  ...misspeltNames(config, 'Config', [], [])
]

/** config.md#linux-process: capabilities that cannot be granted must be warned about. */
function unknownCapabilities(capabilities: Capabilities): readonly Problem[] {
  return (['bounding', 'effective', 'inheritable', 'permitted', 'ambient'] as const).flatMap((set) =>
    (capabilities[set] ?? []).flatMap((name, i) =>
      capabilityNumber(name) === undefined
        ? [{ pointer: pointer('process', 'capabilities', set, i), message: `ignoring unknown or unavailable capabilities: ${show(name)}` }]
        : []
    )
  )
}

/** config.md#mounts: deprecated, and relative to `/`. */
const relativeDestinations = ({ mounts }: Config): readonly Problem[] =>
  (mounts ?? []).flatMap(({ destination }, i) =>
    destination.startsWith('/')
      ? []
      : [
          {
            pointer: pointer('mounts', i, 'destination'),
            message: `mount destination ${show(destination)} is relative; it is taken as ${show(`/${destination}`)}`
          }
        ]
  )

/** The kernel ignores them without a word (mount(2), MS_BIND); runc has refused them since 1.2, and the OCI's own tests use them. */
const bindData = ({ mounts }: Config): readonly Problem[] =>
  (mounts ?? []).flatMap(({ type, options }, i) => {
    const { bind, data } = parseMountOptions(options)
    if (bind === undefined && type !== 'bind' && type !== 'rbind') return []
    return data.map(({ option, index }) => ({
      pointer: pointer('mounts', i, 'options', index),
      message: `ignoring ${show(option)}: bind mounts cannot have any filesystem-specific options applied`
    }))
  })

/** Options that mean something for one kind of mount only; other runtimes ignore them elsewhere as well. */
const IDLE: Readonly<Record<string, readonly [isMeant: (mount: Mount) => boolean, why: string]>> = {
  tmpcopyup: [({ type }) => type === 'tmpfs', 'only a tmpfs can be filled'],
  'copy-symlink': [isBind, 'only bind mounts have a source that can be a symlink'],
  'src-nofollow': [isBind, 'only bind mounts have a source that can be a symlink'],
  'dest-nofollow': [isBind, 'only bind mounts can be mounted on a symlink']
}

function isBind({ type, options }: Mount): boolean {
  return isBindMount(type, parseMountOptions(options))
}

const idleOptions = ({ mounts }: Config): readonly Problem[] =>
  (mounts ?? []).flatMap((mount, i) =>
    (mount.options ?? []).flatMap((option, k) => {
      const [isMeant, why] = Object.hasOwn(IDLE, option) ? IDLE[option]! : []
      if (isMeant === undefined || isMeant(mount)) return []
      return [{ pointer: pointer('mounts', i, 'options', k), message: `ignoring ${show(option)}: ${why}` }]
    })
  )

/** The maps of a namespace that exists cannot be changed. */
function joinedMappings({ linux }: Config): readonly Problem[] {
  const joined = linux?.namespaces?.some(({ type, path }) => type === 'user' && path)
  if (!joined) return []
  return (['uidMappings', 'gidMappings'] as const)
    .filter((kind) => (linux?.[kind]?.length ?? 0) > 0)
    .map((kind) => ({ pointer: pointer('linux', kind), message: 'the user namespace is joined, and keeps its own mappings' }))
}

/** The spec wants unknown properties ignored. One that is nearly a known one is probably meant to be it. */
function misspeltNames(value: unknown, shapeName: string, at: string[], found: Problem[]): readonly Problem[] {
  const shape = SHAPES[shapeName]
  if (shape === undefined || typeof value !== 'object' || value === null) return found
  for (const name in value) {
    const holds = Object.hasOwn(shape, name) ? shape[name] : undefined
    if (holds === undefined) found.push(...unknownName(name, Object.keys(shape), at))
    else if (holds !== '') within((value as Readonly<Record<string, unknown>>)[name], name, holds, at, found)
  }
  return found
}

/** `at` is the way to where we are; it grows and shrinks with it, as every start of a container walks the whole of its configuration. */
function within(member: unknown, name: string, holds: string, at: string[], found: Problem[]): void {
  at.push(name)
  if (!holds.startsWith('[') && !holds.startsWith('{')) misspeltNames(member, holds, at, found)
  else {
    for (const key in member as object) {
      at.push(key)
      misspeltNames((member as Readonly<Record<string, unknown>>)[key], holds.slice(2), at, found)
      at.pop()
    }
  }
  at.pop()
}

function unknownName(name: string, known: readonly string[], at: readonly string[]): readonly Problem[] {
  const word = nearest(name, known)
  return word === undefined
    ? []
    : [{ pointer: pointer(...at, name), message: `ignoring the unknown property ${show(name)} (did you mean ${show(word)}?)` }]
}
