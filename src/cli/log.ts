/**
 * The log: lines in the two forms of logrus, which engines parse, to a file or to standard error.
 *
 * Where a line goes:
 *
 *     level           --log FILE, text   --log FILE, json    no --log
 *     error           file and stderr    file and stderr     stderr
 *     warning, info   file               only with --debug   stderr, but not for commands that are `merged`
 *     debug           with --debug       with --debug        with --debug, likewise
 *
 * Podman decodes the JSON log of `create` and `exec` as exactly one object, so a warning before the error would cost it the error's text. It leaves
 * --log away when it debugs itself; containerd passes --debug on and reads any number of lines. containerd reads stdout and stderr of `state` and `ps`
 * as one text, so a warning there would break the JSON.
 */
import { openSync } from 'node:fs'
import type { LogLevel } from '../container/types.ts'
import { fileError, invalidLogFormat } from '../errors/wording.cli.ts'
import { highlighted, levelWord } from './colour.ts'
import { printError, writeAll } from './print.ts'
import { inLines, inOneLine, printable, type Report } from './report.ts'

type Fields = Readonly<Record<string, unknown>>

export interface Log {
  /** Writes a line that is no failure; RuntimeOptions.log. */
  readonly line: (level: LogLevel, message: string, fields?: Fields) => void
  /** Writes the one error line of a failing command. */
  readonly fail: (report: Report) => void
}

export interface LogOptions {
  /** '' and undefined: standard error. */
  readonly file?: string | undefined
  /** `text` or `json`. */
  readonly format: string
  readonly debug: boolean
  /** Engines read this command's stdout and stderr as one text. */
  readonly merged: boolean
}

/**
 * Opens the log; the descriptor stays open until the process ends. The file is created with 0644 and never truncated. As in runc it is opened before
 * anything else happens, so that a path that cannot be written is found by every command and not only by those that fail.
 * @throws TsrunError `usage` for another format, `system` when the file cannot be opened
 */
export function openLog({ file = '', format: given, debug, merged }: LogOptions): Log {
  const format = given || 'text'
  const form = forms[format]
  if (form === undefined) throw invalidLogFormat(given)
  if (file === '') return standardError(format === 'json' ? form : undefined, debug, merged)
  const fd = open(file)
  const write = (level: LogLevel, message: string, fields: Fields): void => {
    try {
      writeAll(fd, form(level, message, new Date(), fields))
    } catch {} // a full disk must not make the command fail
  }
  return {
    line: (level, message, fields = {}) => {
      if (debug || (level !== 'debug' && format === 'text')) write(level, message, fields)
    },
    fail: (report) => {
      write('error', inOneLine(report), report.fields)
      printError(highlighted(inLines(report)))
    }
  }
}

function open(file: string): number {
  try {
    return openSync(file, 'a', 0o644)
  } catch (error) {
    throw fileError(`open the log ${JSON.stringify(file)}`, error)
  }
}

/** @param form undefined: for people */
function standardError(form: Form | undefined, debug: boolean, merged: boolean): Log {
  return {
    line: (level, message, fields = {}) => {
      if (merged || (level === 'debug' && !debug)) return
      printError(
        form === undefined
          ? `tsrun: ${levelWord(level)}: ${message.split('\n').map(printable).join('\n  ')}\n`
          : form(level, message, new Date(), fields)
      )
    },
    fail: (report) =>
      printError(form === undefined ? highlighted(named(inLines(report))) : form('error', inOneLine(report), new Date(), report.fields))
  }
}

/** The log on standard error, in the form for people: what there is when the log cannot be opened, or is not known yet. */
export const plainLog: Log = standardError(undefined, false, false)

/** Says who speaks, where the sentence does not. */
const named = (text: string): string => (text.startsWith('tsrun') ? text : `tsrun: ${text}`)

type Form = (level: LogLevel, message: string, time: Date, fields: Fields) => string

/** One line in the form of logrus.JSONFormatter; our own keys stand behind its three. */
export const jsonLine: Form = (level, message, time, fields) =>
  `${JSON.stringify({ level, msg: message, time: rfc3339(time), ...fields })}\n`

/** One line in the form of logrus.TextFormatter without colours; further keys are sorted. */
export const textLine: Form = (level, message, time, fields) => {
  const more = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))
  const pairs = [...Object.entries({ level, msg: message }), ...more].map(([key, value]) => `${key}=${quoted(String(value))}`)
  return `time="${rfc3339(time)}" ${pairs.join(' ')}\n`
}

const forms: Readonly<Record<string, Form>> = { json: jsonLine, text: textLine }

/** logrus quotes a value unless it is made of these characters only; the empty value is not quoted. */
const quoted = (value: string): string => (/^[\w.\-/@^+]*$/.test(value) ? value : goQuote(value))

/** A string as Go's strconv.Quote writes it, which has escapes that JSON lacks. */
function goQuote(value: string): string {
  return JSON.stringify(value).replace(/\\u00([01][\da-f])|[\u007f-\u009f\u00ad]/g, (match, control?: string) => {
    if (control === undefined) return match === '\u007f' ? '\\x7f' : `\\u00${match.charCodeAt(0).toString(16)}`
    return control === '07' ? '\\a' : control === '0b' ? '\\v' : `\\x${control}`
  })
}

/** A time with seconds in the local zone, as Go's time.RFC3339. */
export function rfc3339(time: Date): string {
  const offset = -time.getTimezoneOffset()
  const local = new Date(time.getTime() + offset * 60_000).toISOString().slice(0, 19)
  if (offset === 0) return `${local}Z`
  const two = (n: number): string => String(Math.trunc(n)).padStart(2, '0')
  return `${local}${offset < 0 ? '-' : '+'}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`
}
