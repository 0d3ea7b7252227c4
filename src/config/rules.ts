/**
 * What the schema cannot say: one list of named checks over a config that satisfies the schema. Pure, so that a config can be
 * judged anywhere. What depends on the host (whether a path exists, what the kernel knows) is judged where it is used.
 */
import type { Problem } from '../errors/error.ts'
import { annotationRules } from './rules.annotations.ts'
import { mappingRules } from './rules.mappings.ts'
import { mountRules } from './rules.mounts.ts'
import { namespaceRules } from './rules.namespaces.ts'
import { processRules } from './rules.process.ts'
import { resourceRules } from './rules.resources.ts'
import { rootRules } from './rules.root.ts'
import { seccompRules } from './rules.seccomp.ts'
import type { Config, Process } from './types.ts'

/** One check of a `Subject`. */
export interface RuleOf<Subject> {
  readonly name: string
  /** Section of the spec, or what refuses it otherwise. */
  readonly why: string
  /** Pointer that the check rests on without reporting on it: it is left out when the schema found something wrong there. */
  readonly needs?: string
  readonly check: (subject: Subject) => readonly Problem[]
}

export type Rule = RuleOf<Config>

/** A check of a process as a check of the config that holds it. */
const ofConfig = ({ check, needs, ...rule }: RuleOf<Process>): Rule => ({
  ...rule,
  ...(needs === undefined ? {} : { needs: `/process${needs}` }),
  check: ({ process }) => (process ? check(process).map((problem) => ({ ...problem, pointer: `/process${problem.pointer}` })) : [])
})

/** Every check, in the order in which the fields stand in the spec. */
export const rules: readonly Rule[] = Object.freeze([
  ...rootRules,
  ...mountRules,
  ...processRules.map(ofConfig),
  ...namespaceRules,
  ...mappingRules,
  ...resourceRules,
  ...seccompRules,
  ...annotationRules
])
