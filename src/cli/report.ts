/** A failure in words: for the one line of the log, and for people. */
import { TsrunError } from '../errors/error.ts'
import { bug } from '../errors/wording.cli.ts'

/** What is to be said about a failure. */
export interface Report {
  /** The sentence, with the command's prefix; one line. */
  readonly headline: string
  /** What follows it, a line each: the problems of a configuration, the stack of a bug. */
  readonly details: readonly string[]
  readonly hint: string | undefined
  /** Further keys of the log line. */
  readonly fields: Readonly<Record<string, string>>
}

/**
 * Puts what was thrown into words.
 * @param prefix what stands before the message, such as `tsrun create failed: `
 */
export function reportOf(thrown: unknown, prefix = ''): Report {
  const error = thrown instanceof TsrunError ? thrown : bug(thrown)
  const [first = '', ...more] = error.message.split('\n')
  const details = [...more.filter((line) => line.trim() !== ''), ...problems(error), ...(error.code === 'bug' ? stack(error) : [])]
  return {
    headline: printable(prefix + first),
    // Indented, so that nothing that a message quotes can pass for a line of ours.
    details: details.map((line) => (/^\s/.test(line) ? printable(line) : `  ${printable(line)}`)),
    hint: error.hint === undefined ? undefined : printable(error.hint),
    fields: { code: error.code, ...(error.pointer === undefined ? {} : { pointer: error.pointer }) }
  }
}

/**
 * Names from an image and the output of a hook are somebody else's words: they must not make a terminal do things, nor change the order
 * in which it shows the rest (control characters of C0 and C1, and those of the bidirectional algorithm).
 */
export const printable = (line: string): string =>
  line.replace(/(?!\t)[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** The problems that the message does not tell already. */
const problems = (error: TsrunError): string[] =>
  (error.problems ?? [])
    .filter(({ message }) => !error.message.includes(message))
    .map(({ pointer, message, line, column }) => {
      const place = line === undefined ? '' : ` (line ${line}${column === undefined ? '' : `, column ${column}`})`
      return `  ${pointer === '' ? '/' : pointer}: ${message}${place}`
    })

const stack = (error: TsrunError): string[] => {
  const source = error.cause instanceof Error ? error.cause : error
  return (source.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
}

/** The report in one line, for the log. */
export const inOneLine = ({ headline, details }: Report): string =>
  details.length === 0 ? headline : `${headline}${/[:;,]$/.test(headline) ? '' : ':'} ${details.map((line) => line.trim()).join('; ')}`

/** The report for people: the sentence, a line for each detail, and what to do. */
export const inLines = ({ headline, details, hint }: Report): string =>
  [headline, ...details, ...(hint === undefined ? [] : [`hint: ${hint}`])].map((line) => `${line}\n`).join('')
