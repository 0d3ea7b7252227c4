/** config.json and process.json: text in; a frozen, checked document out, or one error with everything that is wrong with it. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Problem, TsrunError } from '../errors/error.ts'
import { noBundle, noConfig, refusedConfig, unreadable } from '../errors/wording.config.ts'
import { errnoNameOf } from '../errors/wording.ts'
import { check, type Findings } from './check.ts'
import { copyDocument, type Parsed, parseDocument } from './document.ts'
import { placesOf } from './positions.ts'
import { mayHoldOddStrings } from './rules.strings.ts'
import type { DocumentKind } from './schema.ts'
import type { Config, Process } from './types.ts'

/** Bytes; a config.json of some 100 KB is already large. */
export const MAX_SIZE = 16 << 20

/**
 * @param text the content of a config.json
 * @param file its name for messages
 * @returns the config, frozen
 * @throws TsrunError `config` with all problems, or `unsupported` when nothing is wrong but what this version cannot do
 */
export const parseConfig = (text: string, file: string): Config => accept<Config>(parseDocument(text), 'Config', file, text)

/** The same for the document of `exec --process`. */
export const parseProcess = (text: string, file: string): Process => accept<Process>(parseDocument(text), 'Process', file, text)

/** The same for a config that a program made, as `create({ config })` takes; the frozen copy is returned. */
export const checkConfig = (config: unknown, file = 'config'): Config => accept<Config>(copyDocument(config), 'Config', file)

/** The same for a process that a program made. */
export const checkProcess = (process: unknown, file = 'process'): Process => accept<Process>(copyDocument(process), 'Process', file)

/**
 * Reads and checks the configuration of a bundle.
 * @param bundle a directory
 * @param file default: its config.json
 * @throws TsrunError `bundle` when there is no readable config.json, otherwise as parseConfig
 */
export function loadConfig(bundle: string, file?: string): { readonly config: Config; readonly text: string } {
  if (file !== undefined) return parsed(readText(file), file)
  const own = join(bundle, 'config.json')
  return parsed(readText(own, bundle), own)
}

function parsed(text: string, file: string): { readonly config: Config; readonly text: string } {
  return { config: parseConfig(text, file), text }
}

/** Reads and checks the document of `exec --process`. */
export const loadProcess = (file: string): Process => parseProcess(readText(file), file)

function readText(file: string, bundle?: string): string {
  try {
    const bytes = readBounded(file)
    const text = bytes.toString('utf8')
    // U+FFFD is what invalid bytes become; only a text that has it is worth a second look.
    if (text.includes('\ufffd') && !isUtf8(bytes)) throw refusedConfig(file, 'config', [NOT_UTF8])
    return withoutMark(text)
  } catch (cause) {
    throw cause instanceof TsrunError ? cause : missing(file, bundle, cause)
  }
}

const NOT_UTF8: Problem = { pointer: '', message: 'must be UTF-8; it has other bytes' }

const isUtf8 = (bytes: Buffer): boolean => Buffer.compare(Buffer.from(bytes.toString('utf8'), 'utf8'), bytes) === 0

/** Whoever has written the bundle may exchange the file: for a FIFO that nobody writes to, or a file that has no end. */
function readBounded(file: string): Buffer {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw unreadable(file, 'it is not a regular file')
    if (stat.size > MAX_SIZE) throw unreadable(file, `it has ${stat.size} bytes, and more than ${MAX_SIZE} are refused`)
    const bytes = Buffer.allocUnsafe(stat.size)
    let length = 0
    for (let read = -1; read !== 0 && length < stat.size; length += read) read = readSync(fd, bytes, length, stat.size - length, length)
    return bytes.subarray(0, length)
  } finally {
    closeSync(fd)
  }
}

function missing(file: string, bundle: string | undefined, cause: unknown): TsrunError {
  const errno = errnoNameOf(cause)
  if (bundle !== undefined && (errno === 'ENOENT' || errno === 'ENOTDIR')) return isDirectory(bundle) ? noConfig(bundle) : noBundle(bundle)
  return unreadable(file, cause instanceof Error ? cause.message : String(cause), { cause, ...(errno === undefined ? {} : { errno }) })
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** A byte order mark is no part of the text (RFC 8259, section 8.1). */
const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text)

function accept<Document>(parsed: Parsed, kind: DocumentKind, file: string, text?: string): Document {
  if ('problem' in parsed) throw refusedConfig(file, 'config', [parsed.problem])
  const findings = check(parsed.value, kind, text === undefined || mayHoldOddStrings(text))
  if (findings.problems.length > 0) throw refused(findings, file, text)
  return parsed.value as Document
}

function refused({ problems, code }: Findings, file: string, text: string | undefined): TsrunError {
  return refusedConfig(file, code, text === undefined ? problems : located(problems, text))
}

/** The problems with their places, in the order of the text. */
function located(problems: readonly Problem[], text: string): readonly Problem[] {
  const places = placesOf(text, new Set(problems.map((problem) => problem.pointer)))
  return problems
    .map((problem) => {
      const place = places.get(problem.pointer)
      return place === undefined ? problem : { ...problem, line: place.line, column: place.column }
    })
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
}
