/**
 * Answers people: help texts, and what is wrong with a command line, in runc's words and with its exit statuses. Made by yargs from the command table.
 *
 * yargs takes 16 ms and more to load; no engine's call gets here.
 */
import { isatty } from 'node:tty'
import yargs, { type Argv, type Options } from 'yargs'
import { didYouMean, invalidBoolean, invalidNumber, needsArgument, unknownCommand, unknownFlag, wrongCount } from '../errors/wording.cli.ts'
import { coloured, paint } from './colour.ts'
import { countFits, counts, defaults, findFlag, isOption, type Part, readBoolean, readInteger, splitOption } from './fast.ts'
import { nearest } from './nearest.ts'
import { globals, help, table } from './table.ts'
import type { Call, Command, CommandName, Flag, Globals, Values } from './types.ts'
import { usageLine } from './usage.ts'

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

/** The last one counts when an option is given twice, except for a list; all must be right. */
function finalValue(flag: Flag, given: Given): Values[string] {
  if (given === undefined || typeof given === 'boolean') return given ?? defaults([flag])[flag.name]
  const values = [given].flat().map((marked) => readOne(flag, marked.slice(MARK.length)))
  return flag.type === 'list' ? (values as string[]) : values.at(-1)
}

function readOne(flag: Flag, text: string): string | number {
  const value = flag.type === 'number' ? readInteger(text) : text
  if (value === undefined) throw new WrongValue(invalidNumber(flag.name, text))
  return value
}

/** Stands before each value while yargs has it, because yargs takes some empty ones for missing. */
const MARK = ':'

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
    else if (value !== undefined) out.push(`--${name}=${MARK}${value}`)
    else if (flag !== undefined && at + 1 < argv.length) out.push(`--${name}=${MARK}${argv[++at]}`)
    else out.push(`--${name}`)
  }
  return out
}

function booleanFor(name: string, text: string): boolean {
  const value = readBoolean(text)
  if (value === undefined) throw new WrongValue(invalidBoolean(name, text))
  return value
}

/** The help page of a command, or of all; the sections are runc's. On a terminal their headings are bold. */
export async function helpText(name?: CommandName): Promise<string> {
  const page = name === undefined ? overview() : commandPage(name)
  const head = name === undefined ? overviewHead() : commandHead(name, table[name])
  const text = `${(await page.getHelp()).replace(HEAD, () => head).trimEnd()}\n`
  return coloured(1) ? text.replace(/^[A-Z][A-Z ]+:$/gm, (heading) => paint('bold', heading)) : text
}

/** Stands for the first sections, because yargs takes the indentation out of them. */
const HEAD = '@'

const headings = { 'Commands:': 'COMMANDS:', 'Options:': 'OPTIONS:', 'Examples:': 'EXAMPLES:' }

const emptyPage = (): Argv => plainYargs().updateStrings(headings).usage(HEAD).wrap(width())

const width = (): number => Math.min(120, (isatty(1) && process.stdout.columns) || 120)

const section = (heading: string, text: string): string => `${heading}:\n${wrapped(text, width() - INDENT.length)}`

const INDENT = '   '

/** Breaks a text into indented lines. */
const wrapped = (text: string, columns: number): string =>
  text.replace(new RegExp(`(.{1,${columns}})(?: +|$)`, 'g'), (_, line: string) => `${INDENT}${line}\n`)

const overviewHead = (): string =>
  [
    section('NAME', 'tsrun - run containers as the Open Container Initiative specifies them'),
    section('USAGE', 'tsrun [global options] command [options] [arguments]')
  ]
    .join('\n')
    .trimEnd()

const commandHead = (name: CommandName, command: Command): string =>
  [
    section('NAME', `tsrun ${name} - ${command.summary}`),
    section('USAGE', usageLine(name, command)),
    ...(command.description === undefined ? [] : [section('DESCRIPTION', command.description)])
  ]
    .join('\n')
    .trimEnd()

function overview(): Argv {
  const page = withOptions(emptyPage(), globals, 'GLOBAL OPTIONS:')
  for (const [name, command] of Object.entries(table) as [string, Command][]) page.command(name, command.summary)
  return page.epilogue('"tsrun help COMMAND" or "tsrun COMMAND --help" tells more about a command, with examples.')
}

function commandPage(name: CommandName): Argv {
  const command: Command = table[name]
  const page = withOptions(emptyPage(), [...command.flags, help], 'OPTIONS:')
  for (const [line, what] of command.examples) page.example(line, what)
  return page
}

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
