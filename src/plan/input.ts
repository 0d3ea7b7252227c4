/** What every pass of the compiler sees: the config, the facts, the options, and what follows from them. */
import { NAMESPACE_FLAGS, type NamespaceType } from '../abi/sched.ts'
import { idMapOf } from '../config/idmap.ts'
import type { Config, Mount, Namespace } from '../config/types.ts'
import { type Candidate, commandCandidates } from './environment.ts'
import type { HostFacts, PlanOptions, ProcessFacts, ProcessOptions } from './facts.ts'
import { idMapName } from './idmap-fd.ts'
import { sendsListener } from './listener.ts'
import { isBindMount, type MountOptions, parseMountOptions } from './mount-options.ts'
import { components } from './paths.ts'
import { type ProgramFd, type Slot, type Step, slot } from './step.ts'

/** One mount with what was read out of it. */
export interface MountEntry {
  readonly mount: Mount
  readonly options: MountOptions
  /** The components of its destination. */
  readonly path: readonly string[]
  readonly index: number
  readonly pointer: string
  /** The user namespace whose map it gets. */
  readonly idMap?: EntryIdMap
}

/** A map of ids. */
export interface EntryIdMap {
  /** Of the descriptor of the user namespace; mounts with the same map share it. */
  readonly fdName: string
  /** Of all mounts of the tree. */
  readonly recursive: boolean
  readonly pointer: string
}

/** True for a mount whose type or options say that it is a bind mount. */
export const isBind = ({ mount, options }: MountEntry): boolean => isBindMount(mount.type, options)

/** What the passes see that init and a process of `exec` have in common. */
export interface ProcessInput {
  /** Its `process` is the one that is executed. */
  readonly config: Config
  readonly facts: ProcessFacts
  readonly options: ProcessOptions
  /** By type; a namespace that is absent is shared with the runtime. */
  readonly namespaces: Readonly<Partial<Record<NamespaceType, Namespace & { readonly pointer: string }>>>
  /** Where the command is looked for. */
  readonly candidates: readonly Candidate[]
  readonly fds: readonly ProgramFd[]
}

/** What the passes of a container see. */
export interface Input extends ProcessInput {
  readonly facts: HostFacts
  readonly options: PlanOptions
  readonly mounts: readonly MountEntry[]
}

/** One pass: a pure function from the input to its part of the program. */
export type Pass = (input: Input) => readonly Step[]

/** A pass that both compilers have: a container's, and that of `exec`. */
export type ProcessPass = (input: ProcessInput) => readonly Step[]

/** Slots that more than one pass uses. Each pass has its own names for the rest. */
export const slots = {
  /** Where failures are reported. */
  report: slot('report'),
  /** The root file system, O_PATH. */
  root: slot('root'),
  /** The container's /dev, O_PATH. */
  dev: slot('dev'),
  /** Master and slave of the container's terminal. */
  master: slot('master'),
  terminal: slot('terminal')
} as const satisfies Record<string, Slot>

/** Collects what the passes need. */
export function makeInput(config: Config, facts: HostFacts, options: PlanOptions): Input {
  const namespaces: Partial<Record<NamespaceType, Namespace & { pointer: string }>> = {}
  config.linux?.namespaces?.forEach((namespace, i) => {
    namespaces[namespace.type] = { ...namespace, pointer: `/linux/namespaces/${i}` }
  })
  const configured = config.mounts ?? []
  const entries = configured.concat(options.extraMounts ?? []).map((mount, index) => {
    // RFC 6901, section 4: "-" is the member behind the last one, which the configuration does not have.
    const pointer = index < configured.length ? `/mounts/${index}` : '/mounts/-'
    return { mount, options: parseMountOptions(mount.options), path: components(mount.destination), index, pointer }
  })
  const mounts = withIdMaps(entries, config.linux)
  return {
    config,
    facts,
    options,
    namespaces,
    mounts,
    candidates: commandCandidates(config.process ?? {}),
    fds: programFds(facts, options, mounts)
  }
}

function withIdMaps(entries: readonly MountEntry[], linux: Config['linux']): readonly MountEntry[] {
  const names = new Map<string, string>()
  return entries.map((entry) => {
    const mapped = idMapOf(entry.mount, linux)
    if (mapped === undefined || mapped.kind === 'problem') return entry
    const key = JSON.stringify(mapped.kind === 'map' ? mapped.map : mapped.path)
    const fdName = names.get(key) ?? idMapName(entry.index)
    names.set(key, fdName)
    return { ...entry, idMap: { fdName, recursive: mapped.recursive, pointer: entry.pointer + mapped.field } }
  })
}

function programFds(facts: HostFacts, options: PlanOptions, mounts: readonly MountEntry[]): readonly ProgramFd[] {
  const names = ['sync']
  if (options.release === 'socket') names.push('start')
  if (options.consoleSocket) names.push('console')
  if (sendsListener(facts)) names.push('listener')
  names.push(...new Set(mounts.flatMap(({ idMap }) => idMap?.fdName ?? [])))
  return names.map((name, i) => ({ name, fd: 3 + options.preserveFds + i }))
}

/** Number of a descriptor that the program is started with. */
export function fdNumber(input: ProcessInput, name: string): number {
  const found = input.fds.find((fd) => fd.name === name)
  if (found === undefined) throw new Error(`no descriptor ${name}`)
  return found.fd
}

/** True when the container gets a namespace of this type that did not exist. */
export const isNew = (input: ProcessInput, type: NamespaceType): boolean =>
  input.namespaces[type] !== undefined && !input.namespaces[type].path

/** True when the container does not share the runtime's namespace of this type. */
export const isOwn = (input: ProcessInput, type: NamespaceType): boolean => input.namespaces[type] !== undefined

/** Pointer to a namespace's entry, '' when there is none. */
export const namespacePointer = (input: ProcessInput, type: NamespaceType): string => input.namespaces[type]?.pointer ?? ''

/** The types in the order in which they are joined: those that change paths or rights come last. */
export const JOIN_ORDER = ['ipc', 'uts', 'network', 'cgroup', 'time', 'pid', 'mount'] as const satisfies readonly NamespaceType[]

/** CLONE_ flags of the new namespaces, without those that are made apart: user comes first, cgroup after the cgroup is joined, and time clone(2) cannot make. */
export function newNamespaceFlags(input: Input): number {
  let flags = 0
  for (const type of JOIN_ORDER) if (type !== 'time' && type !== 'cgroup' && isNew(input, type)) flags |= NAMESPACE_FLAGS[type]
  return flags
}

/** True when init is cloned by the spawned process: a pid or time namespace takes effect in children only. */
export const clones = (input: Input): boolean => isOwn(input, 'pid') || isOwn(input, 'time')
