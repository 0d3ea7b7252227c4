/**
 * Checks of strings, wherever they stand: the kernel ends a string at its first NUL, and cannot be given what is no Unicode text.
 */
import type { Problem } from '../errors/error.ts'
import { pointer } from './pointer.ts'
import type { RuleOf } from './rules.ts'
import { show } from './schema.ts'
import type { Config, Process } from './types.ts'

/**
 * False for JSON text that can hold no such string, which is nearly always: it has no escape for a NUL or for half of a surrogate
 * pair, nor such a half itself. One look at the text is cheaper than one at each of its strings.
 */
export const mayHoldOddStrings = (text: string): boolean =>
  (text.includes('\\u') && /\\u(?:0000|[dD][89a-fA-F])/.test(text)) || !text.isWellFormed()

const why = 'path_resolution(7), execve(2): a string ends at its first NUL'

export const configStrings: RuleOf<Config> = {
  name: 'strings',
  why,
  check: ({ root, mounts, process, hostname, domainname, hooks, linux }) =>
    stringProblems({ root, mounts, process, hostname, domainname, hooks, linux })
}

export const processStrings: RuleOf<Process> = { name: 'strings', why, check: (process) => stringProblems(process) }

/** Strings, names included, that cannot be passed to the kernel as they stand. */
function stringProblems(value: unknown): readonly Problem[] {
  const problems: Problem[] = []
  collect(value, '', problems)
  return problems
}

function collect(value: unknown, at: string, problems: Problem[]): void {
  if (typeof value === 'string') {
    const message = fault(value)
    if (message !== undefined) problems.push({ pointer: at, message: `must not contain ${message}: ${show(value)}` })
  }
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    const message = fault(key)
    if (message !== undefined) problems.push({ pointer: at + pointer(key), message: `the name must not contain ${message}: ${show(key)}` })
    collect(member, at + pointer(key), problems)
  }
}

function fault(text: string): string | undefined {
  if (text.includes('\0')) return 'a NUL byte (\\x00)'
  return /\p{Surrogate}/u.test(text) ? 'half of a surrogate pair' : undefined
}
