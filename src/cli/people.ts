/**
 * Answers people: help texts, and what is wrong with a command line, in runc's words and with its exit statuses. Made by yargs from the command table.
 *
 * yargs takes 16 ms and more to load; no engine's call gets here.
 */
import { isatty } from 'node:tty'
import yargs, { type Argv, type Options } from 'yargs'
import { didYouMean, invalidBoolean, invalidNumber, needsArgument, unknownCommand, unknownFlag, wrongCount } from '../errors/wording.cli.ts'
import { countFits, counts, defaults, findFlag, isOption, type Part, readBoolean, readInteger, splitOption } from './fast.ts'
import { nearest } from './nearest.ts'
import { globals, help, table } from './table.ts'
import type { Call, Command, CommandName, Flag, Globals, Values } from './types.ts'

/** What there is to do about a command line. */
export type Answer =
  | { readonly kind: 'call'; readonly call: Call }
  /** To be printed; the exit status is 0. */
  | { readonly kind: 'help'; readonly text: string }
  | Mistake

/** A command line that cannot be followed. */
export interface Mistake {
  readonly kind: 'mistake'
  /** For standard output, before the error. */
  readonly text: string
  readonly message: string
  readonly hint: string | undefined
  readonly status: number
  /** What could be read of the global options: they say where the log is. */
  readonly globals: Globals
}

/** runc's exit status for an unknown command. */
const UNKNOWN_COMMAND_STATUS = 3

/** Reads any command line. */
export async function answer(argv: readonly string[]): Promise<Answer> {
  const before = await readWithYargs(globals, argv, true)
  const given = before.values as unknown as Globals
  if (before.wrong !== undefined) return mistake(given, before.wrong, await helpText())
  const [name, ...rest] = before.args
  if (given.version && !given.help) return { kind: 'call', call: { globals: given, command: undefined, flags: {}, args: [] } }
  if (given.help || name === undefined) return { kind: 'help', text: await helpText() }
  if (name === 'help' || name === 'h') return helpOn(rest[0], given)
  if (!isCommand(name)) return unknown(name, given)
  return answerCommand(name, rest, given)
}

async function answerCommand(name: CommandName, argv: readonly string[], given: Globals): Promise<Answer> {
  const command: Command = table[name]
  const part = await readWithYargs([...command.flags, help], argv, command.stops === true)
  if (part.wrong !== undefined) return mistake(given, part.wrong, await helpText(name))
  if (part.values.help === true) return { kind: 'help', text: await helpText(name) }
  if (countFits(command, part.args.length))
    return { kind: 'call', call: { globals: given, command: name, flags: part.values, args: part.args } }
  const text = `Incorrect Usage.\n\n${await helpText(name)}`
  return { kind: 'mistake', text, message: wrongCount(name, counts(command)), hint: undefined, status: 1, globals: given }
}

const isCommand = (name: string): name is CommandName => Object.hasOwn(table, name)

async function helpOn(name: string | undefined, given: Globals): Promise<Answer> {
  if (name !== undefined && name !== 'help' && !isCommand(name)) return unknown(name, given)
  return { kind: 'help', text: await helpText(name === 'help' ? undefined : name) }
}

function unknown(name: string, given: Globals): Mistake {
  const near = nearest(name, Object.keys(table))
  const hint = near === undefined ? 'show all commands with: tsrun help' : didYouMean(near)
  return { kind: 'mistake', text: '', message: unknownCommand(name), hint, status: UNKNOWN_COMMAND_STATUS, globals: given }
}

const mistake = (given: Globals, { message, hint }: Wrong, text: string): Mistake => ({
  kind: 'mistake',
  text: `Incorrect Usage: ${message}\n\n${text}`,
  message,
  hint,
  status: 1,
  globals: given
})

interface Wrong {
  readonly message: string
  readonly hint?: string
}

class WrongValue extends Error {}

/** Has yargs read options and arguments; `wrong` says what is the matter, `values` then holds what could be read. */
async function readWithYargs(flags: readonly Flag[], argv: readonly string[], stops: boolean): Promise<Part & { wrong?: Wrong }> {
  let wrong: Wrong | undefined
  const parser = parserFor(flags, stops).fail((message, error) => {
    wrong ??= describe(flags, message, error)
  })
  try {
    const parsed = await parser.parseAsync(forYargs(flags, argv, stops))
    const part = { values: valuesOf(flags, parsed), args: parsed._.map(String) }
    return wrong === undefined ? part : { ...part, wrong }
  } catch (error) {
    return { values: defaults(flags), args: [], wrong: describe(flags, '', error) }
  }
}

const valuesOf = (flags: readonly Flag[], parsed: Readonly<Record<string, unknown>>): Values =>
  Object.fromEntries(flags.map((flag) => [flag.name, finalValue(flag, parsed[flag.name] as Given)]))

type Given = boolean | string | readonly string[] | undefined

/** The last one counts when an option is given twice, except for a list. */
function finalValue(flag: Flag, given: Given): Values[string] {
  if (given === undefined) return defaults([flag])[flag.name]
  const last = Array.isArray(given) && flag.type !== 'list' ? given.at(-1) : given
  if (flag.type !== 'number') return last
  const number = readInteger(last)
  if (number === undefined) throw new WrongValue(invalidNumber(flag.name, last))
  return number
}

/** Marks yargs' two complaints; the name follows. */
const UNKNOWN = 'unknown '
const LACKS = 'lacks '

function describe(flags: readonly Flag[], message: string, error: unknown): Wrong {
  if (error instanceof WrongValue) return { message: error.message }
  if (message?.startsWith(LACKS)) return { message: needsArgument(message.slice(LACKS.length)) }
  if (!message?.startsWith(UNKNOWN)) throw error ?? new Error(message)
  const name = message.slice(UNKNOWN.length).split(', ')[0]!
  const near = nearest(
    name,
    flags.filter((flag) => flag.hidden !== true).map((flag) => flag.name)
  )
  return { message: unknownFlag(name), ...(near === undefined ? {} : { hint: didYouMean(`--${near}`) }) }
}

/** yargs with the rules of Go's flag package, as far as it has them. */
function parserFor(flags: readonly Flag[], stops: boolean): Argv {
  return plainYargs()
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'greedy-arrays': false,
      'short-option-groups': false,
      'strip-aliased': true,
      'halt-at-non-option': stops
    })
    .updateStrings({
      'Unknown argument: %s': { one: `${UNKNOWN}%s`, other: `${UNKNOWN}%s` } as never,
      'Not enough arguments following: %s': `${LACKS}%s`
    })
    .strictOptions()
    .options(Object.fromEntries(flags.map((flag) => [flag.name, parserOption(flag)])))
}

const plainYargs = (): Argv => yargs([]).scriptName('tsrun').help(false).version(false).exitProcess(false).locale('en')

function parserOption(flag: Flag): Options {
  const alias = flag.alias ?? []
  if (flag.type === 'boolean') return { alias, type: 'boolean' }
  if (flag.type === 'list') return { alias, type: 'string', array: true, requiresArg: true }
  return { alias, type: 'string', requiresArg: true }
}

/** What yargs has no setting for: one dash becomes two, a value moves behind `=`, a boolean gets yargs' spelling. */
function forYargs(flags: readonly Flag[], argv: readonly string[], stops: boolean): string[] {
  const out: string[] = []
  for (let at = 0; at < argv.length; at++) {
    const token = argv[at]!
    if (token === '--' || (stops && !isOption(token))) return [...out, ...argv.slice(at)]
    if (!isOption(token)) {
      out.push(token)
      continue
    }
    const { name, value } = splitOption(token)
    const flag = findFlag(flags, name)
    if (flag?.type === 'boolean') out.push(`--${name}=${value === undefined || booleanFor(name, value)}`)
    else if (value !== undefined) out.push(`--${name}=${value}`)
    else if (flag !== undefined && at + 1 < argv.length) out.push(`--${name}=${argv[++at]}`)
    else out.push(`--${name}`)
  }
  return out
}

function booleanFor(name: string, text: string): boolean {
  const value = readBoolean(text)
  if (value === undefined) throw new WrongValue(invalidBoolean(name, text))
  return value
}

/** The help page of a command, or of all; sections are runc's. In bold headings on a terminal. */
export async function helpText(name?: CommandName): Promise<string> {
  const page = name === undefined ? overview() : commandPage(name)
  const text = `${(await page.getHelp()).trimEnd()}\n`
  return isatty(1) && !process.env.NO_COLOR ? text.replace(/^[A-Z][A-Z ]+:$/gm, '\x1b[1m$&\x1b[0m') : text
}

const headings = { 'Commands:': 'COMMANDS:', 'Options:': 'OPTIONS:', 'Examples:': 'EXAMPLES:' }

const pageOf = (usage: string): Argv => plainYargs().updateStrings(headings).usage(usage).wrap(Math.min(120, terminalWidth()))

const terminalWidth = (): number => (isatty(1) && process.stdout.columns) || 120

function overview(): Argv {
  const usage =
    'NAME:\n   tsrun - run containers as the Open Container Initiative specifies them\n\nUSAGE:\n   tsrun [global options] command [options] [arguments]'
  const page = withOptions(pageOf(usage), globals, 'GLOBAL OPTIONS:')
  for (const [name, command] of Object.entries(table) as [string, Command][]) page.command(`${name} `, summaryOf(command))
  return page.epilogue('"tsrun help COMMAND" or "tsrun COMMAND --help" tells more about a command, with examples.')
}

function commandPage(name: CommandName): Argv {
  const command: Command = table[name]
  const about = command.description === undefined ? '' : `\n\nDESCRIPTION:\n   ${command.description}`
  const usage = `NAME:\n   tsrun ${name} - ${summaryOf(command)}\n\nUSAGE:\n   tsrun ${name} [options]${positionalsOf(command)}${about}`
  const page = withOptions(pageOf(usage), [...command.flags, help], 'OPTIONS:')
  for (const [line, what] of command.examples) page.example(line, what)
  return page
}

/** One line, which says so when the command only exists in the table. */
export const summaryOf = ({ summary, built }: Command): string => (built === false ? `${summary} (not built yet)` : summary)

/** The positionals as a usage line shows them. */
export const positionalsOf = ({ positionals }: Command): string =>
  positionals
    .filter(({ hidden }) => hidden !== true)
    .map(({ name, optional, rest }) => ` ${optional ? `[${name}${rest ? '...' : ''}]` : `<${name}>`}`)
    .join('')

function withOptions(page: Argv, flags: readonly Flag[], group: string): Argv {
  for (const flag of flags) {
    const key = flag.value === undefined ? flag.name : `${flag.name} ${flag.value}`
    page.option(key, {
      alias: flag.alias ?? [],
      describe: flag.help,
      hidden: flag.hidden === true,
      group,
      ...('default' in flag ? { default: flag.default } : {})
    })
  }
  return page
}
