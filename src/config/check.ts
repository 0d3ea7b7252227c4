/** Schema, rules and what this version cannot do, put together. */
import type { Problem } from '../errors/error.ts'
import { isWithin } from './pointer.ts'
import { processRules } from './rules.process.ts'
import { configStrings, processStrings } from './rules.strings.ts'
import { type RuleOf, rules } from './rules.ts'
import { type DocumentKind, schemaProblems, show } from './schema.ts'
import type { Config, Process } from './types.ts'
import { unsupportedProblems } from './unsupported.ts'

/** What was found; nothing when `problems` is empty. */
export interface Findings {
  readonly problems: readonly Problem[]
  /** `unsupported` when the document is right, and only asks for what this version cannot do. */
  readonly code: 'config' | 'unsupported'
}

/** Problems in one error. A hostile document can have as many as it has bytes. */
const MOST = 200

/**
 * Everything that is wrong with a parsed document.
 * @param oddStrings false when the text is known to hold no string with a NUL or half of a surrogate pair
 */
export function check(document: unknown, kind: DocumentKind, oddStrings = true): Findings {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return { problems: [{ pointer: '', message: `must be an object, not ${show(document)}` }], code: 'config' }
  }
  const wrong = atMost(schemaProblems(document, kind))
  const broken =
    kind === 'Config'
      ? brokenRules(oddStrings ? [...rules, configStrings] : rules, document as Config, wrong)
      : brokenRules(oddStrings ? [...processRules, processStrings] : processRules, document as Process, wrong)
  const refused = unsupportedOf(document, kind).filter((problem) => !isCovered(problem, wrong))
  return { problems: atMost([...wrong, ...broken, ...refused]), code: wrong.length + broken.length > 0 ? 'config' : 'unsupported' }
}

const atMost = (problems: readonly Problem[]): readonly Problem[] =>
  problems.length <= MOST
    ? problems
    : [...problems.slice(0, MOST - 1), { pointer: '', message: `${problems.length - MOST + 1} more problems are not listed` }]

/**
 * The rules were written for documents that satisfy the schema. In one that does not, they are still asked, because all problems
 * are wanted at once; but nothing is believed about a place that the schema refused, nor is a rule that failed on it.
 */
function brokenRules<Subject>(list: readonly RuleOf<Subject>[], subject: Subject, wrong: readonly Problem[]): readonly Problem[] {
  if (wrong.length === 0) return list.flatMap((rule) => rule.check(subject))
  return list
    .filter(({ needs }) => needs === undefined || !wrong.some(({ pointer }) => isWithin(pointer, needs) || isWithin(needs, pointer)))
    .flatMap((rule) => {
      try {
        return rule.check(subject)
      } catch {
        return []
      }
    })
    .filter((problem) => !isCovered(problem, wrong))
}

const isCovered = (problem: Problem, wrong: readonly Problem[]): boolean =>
  wrong.some(({ pointer }) => pointer !== '' && isWithin(problem.pointer, pointer))

function unsupportedOf(document: object, kind: DocumentKind): readonly Problem[] {
  if (kind === 'Config') return unsupportedProblems(document, 'config')
  return unsupportedProblems({ process: document }, 'exec').map((problem) => ({
    ...problem,
    pointer: problem.pointer.replace('/process', '')
  }))
}
