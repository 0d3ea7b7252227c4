/** Colours, for people at a terminal only. */
import { readlinkSync } from 'node:fs'
import type { LogLevel } from '../container/types.ts'

/** SGR parameters (console_codes(4)). */
const styles = { bold: 1, red: 31, yellow: 33, cyan: 36 } as const

/** By its name, since node:tty would load node:net. */
const TERMINAL = /^\/dev\/(pts\/\d+|tty\w*|console|hvc\d+)$/

/**
 * Whether words on standard output (1) or standard error (2) may be coloured. NO_COLOR forbids it, FORCE_COLOR asks for it wherever it goes; otherwise
 * it must be a terminal that knows how.
 */
export function coloured(fd: 1 | 2): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR) return false
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  if (!TERM || TERM === 'dumb') return false
  try {
    return TERMINAL.test(readlinkSync(`/proc/self/fd/${fd}`))
  } catch {
    return false
  }
}

/** `text` in a style. */
export const paint = (style: keyof typeof styles, text: string): string => `\x1b[${styles[style]}m${text}\x1b[0m`

/** A failure with the words in colour that say who has failed, and what is a hint; as it is where nothing may be coloured. */
export const highlighted = (failure: string): string =>
  coloured(2)
    ? failure
        .replace(/^(?:tsrun(?: \w+ failed)?|exec failed):/, (words) => paint('red', words))
        .replace(/^hint:/gm, (word) => paint('cyan', word))
    : failure

/** The word before a message that is no failure. */
export const levelWord = (level: LogLevel): string => (level === 'warning' && coloured(2) ? paint('yellow', level) : level)
