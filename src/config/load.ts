/** config.json and process.json: text in; a frozen, checked document out, or one error with everything that is wrong with it. */
import type { Problem, TsrunError } from '../errors/error.ts'
import { refusedConfig } from '../errors/wording.config.ts'
import { check, type Findings } from './check.ts'
import { copyDocument, type Parsed, parseDocument } from './document.ts'
import { placesOf } from './positions.ts'
import { type ReadConfig, readConfig, readText } from './read.ts'
import { mayHoldOddStrings } from './rules.strings.ts'
import type { DocumentKind } from './schema.ts'
import type { Config, Process } from './types.ts'

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
  const read = readConfig(bundle, file)
  return { config: acceptConfig(read), text: read.text }
}

/** Checks what readConfig has read. Throws as parseConfig. */
export const acceptConfig = ({ document, file, text, isSource }: ReadConfig): Config =>
  accept<Config>({ value: document }, 'Config', file, isSource ? text : undefined)

/** Reads and checks the document of `exec --process`. */
export const loadProcess = (file: string): Process => parseProcess(readText(file), file)

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
