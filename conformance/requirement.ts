/** What the suite is made of: requirements, each a sentence of the specification, and cases that try one or more of them. */
import type { Container, Created } from './container.ts'
import type { Machine } from './machine.ts'
import type { Stage } from './stage.ts'

/** Keywords of RFC 2119 that bind a runtime, as the specification uses them. MAY binds nobody, so it is not tried. */
export type Level = 'MUST' | 'MUST NOT' | 'REQUIRED' | 'SHOULD' | 'SHOULD NOT'

/** Why a requirement cannot be tried on this machine; undefined when it can. */
export type Need = (machine: Machine) => string | undefined

/** One sentence of the specification that a program can check. */
export interface Requirement {
  /** Document and heading, `config.md#mounts`. */
  readonly section: string
  readonly level: Level
  readonly text: string
  readonly needs?: Need
}

/** Why a requirement is not held; undefined when it is. */
export type Verdict = string | undefined

/** Judges what a look showed. */
export type Expectation = (seen: string, status: number) => Verdict

/** Something done with one or a few containers that settles some requirements. */
export interface Case {
  readonly requirements: readonly Requirement[]
  /** One verdict for each requirement, in order. What it throws is the verdict of all. */
  run(stage: Stage): Promise<readonly Verdict[]>
}

/** JSON laid over the base configuration (`undefined` removes a property, an array replaces), or a function that changes it. */
export type Change = Readonly<Record<string, unknown>> | ((config: Config, container: Container) => void)

/** A configuration as the suite writes it: loose, because many of them are wrong on purpose. */
export interface Config {
  ociVersion: string
  root: Record<string, unknown>
  process: Record<string, unknown>
  mounts: Record<string, unknown>[]
  linux: Record<string, unknown> & { namespaces: Record<string, unknown>[] }
  [property: string]: unknown
}

/**
 * One row of a scene: a requirement, a look, and what it must show.
 *
 * A look is a shell script, run inside the container, whose output and exit status are judged; or a function that is called on the host
 * while the container is created and its process has not run.
 */
export type Row = readonly [Requirement, string | ((created: Created) => string | Promise<string>), Expectation]

/** Builders of the requirements of one section. */
export interface Section {
  must(text: string, needs?: Need): Requirement
  mustNot(text: string, needs?: Need): Requirement
  required(text: string, needs?: Need): Requirement
  should(text: string, needs?: Need): Requirement
  shouldNot(text: string, needs?: Need): Requirement
}

/** The requirements of one section, `config.md#mounts`. */
export function section(name: string): Section {
  const at =
    (level: Level) =>
    (text: string, needs?: Need): Requirement => ({ section: name, level, text, ...(needs === undefined ? {} : { needs }) })
  return { must: at('MUST'), mustNot: at('MUST NOT'), required: at('REQUIRED'), should: at('SHOULD'), shouldNot: at('SHOULD NOT') }
}

/** The title of a requirement, which no other has. */
export const title = ({ section: name, level, text }: Requirement): string => `${name} ${level}: ${text}`

/** How a scene is prepared beside its configuration. */
export interface Setting {
  /** Called before the container is created: makes files in the bundle and the like. */
  readonly prepare?: (container: Container) => void | Promise<void>
  /** Put before the runtime's command line at `create`. */
  readonly wrapper?: readonly string[]
}

/** One container that runs the scripts of all rows. */
export function scene(change: Change, rows: readonly Row[], setting: Setting = {}): Case {
  return {
    requirements: rows.map(([requirement]) => requirement),
    async run(stage) {
      using container = stage.container(change, setting.wrapper)
      await setting.prepare?.(container)
      const seen = await container.look(rows.map(([, look]) => look))
      return rows.map(([, , expect], i) => expect(seen[i]!.output, seen[i]!.status))
    }
  }
}

/** Configurations that must be refused, each made from one that the runtime takes: else a runtime that refuses everything would pass. */
export function refusals(valid: Change, rows: readonly (readonly [Requirement, Change])[]): readonly Case[] {
  return rows.map(([requirement, defect]) => ({
    requirements: [requirement],
    async run(stage) {
      const unfit = await stage.accepts(valid)
      if (unfit !== undefined) return [`cannot tell: without the defect the configuration is refused, too: ${unfit}`]
      using container = stage.container(both(valid, defect))
      return [await container.isRefused()]
    }
  }))
}

/** Things that need more than one look: each row drives the runtime itself. */
export function acts(rows: readonly (readonly [Requirement, (stage: Stage) => Promise<Verdict>])[]): readonly Case[] {
  return rows.map(([requirement, act]) => ({ requirements: [requirement], run: async (stage) => [await act(stage)] }))
}

/** Two changes, one after the other. */
export function both(first: Change, second: Change): Change {
  return (config, container) => {
    apply(config, first, container)
    apply(config, second, container)
  }
}

/** Lays a change over a configuration, in place. */
export function apply(config: Config, change: Change, container: Container): void {
  if (typeof change === 'function') change(config, container)
  else merge(config, change)
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

function merge(target: Record<string, unknown>, overrides: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(overrides)) {
    const old = target[key]
    if (value === undefined) delete target[key]
    else if (isObject(value) && isObject(old)) merge(old, value)
    else target[key] = structuredClone(value)
  }
}

/** A change that adds mounts behind those of the base configuration. */
export function mounts(...added: readonly Record<string, unknown>[]): Change {
  return (config) => void config.mounts.push(...structuredClone(added))
}

/** A change that adds a namespace, or replaces the one of that type. */
export function namespace(type: string, more: Readonly<Record<string, unknown>> = {}): Change {
  return (config) => {
    config.linux.namespaces = [...config.linux.namespaces.filter((each) => each.type !== type), { type, ...more }]
  }
}

/** A change that takes a namespace away. */
export function withoutNamespace(type: string): Change {
  return (config) => {
    config.linux.namespaces = config.linux.namespaces.filter((each) => each.type !== type)
  }
}
