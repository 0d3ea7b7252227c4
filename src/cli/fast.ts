/**
 * Reads well-formed command lines: what engines send, in a few microseconds and with no import but the table.
 *
 * The rules are those of Go's flag package and urfave/cli, which runc is built on: one dash is as good as two, a value stands behind `=` or in
 * the next argument (whatever that looks like), a boolean takes a value only behind `=`, `--` ends the options. node:util's parseArgs knows none of the first
 * three. Whatever is not well-formed, and every call for help, is left to people.ts.
 */
import { globals, help, table } from './table.ts'
import type { Call, Command, CommandName, Flag, Globals, Values } from './types.ts'

/** Options and arguments of one part of the command line. */
export interface Part {
  readonly values: Values
  readonly args: readonly string[]
}

/**
 * Reads a command line.
 * @param argv without the executable
 * @returns undefined when a person has to be answered: a mistake, or help
 */
export function read(argv: readonly string[]): Call | undefined {
  const before = readPart(globals, argv, true)
  if (before === undefined || before.values.help === true) return undefined
  const given = before.values as unknown as Globals
  if (given.version) return { globals: given, command: undefined, flags: {}, args: [] }
  const [name = '', ...rest] = before.args
  if (!Object.hasOwn(table, name)) return undefined
  const command: Command = table[name as CommandName]
  const part = readPart([...command.flags, help], rest, command.stops === true)
  if (part === undefined || part.values.help === true || !countFits(command, part.args.length)) return undefined
  return { globals: given, command: name as CommandName, flags: part.values, args: part.args }
}

/**
 * Reads options and arguments.
 * @param stops whether the first argument ends the options
 * @returns undefined when an option is unknown, lacks its value, or has one that it cannot have
 */
export function readPart(flags: readonly Flag[], argv: readonly string[], stops: boolean): Part | undefined {
  const values = defaults(flags)
  const args: string[] = []
  for (let at = 0; at < argv.length; at++) {
    const token = argv[at]!
    if (token === '--') return { values, args: [...args, ...argv.slice(at + 1)] }
    if (!isOption(token)) {
      if (stops) return { values, args: argv.slice(at) }
      args.push(token)
      continue
    }
    const { name, value } = splitOption(token)
    const flag = findFlag(flags, name)
    if (flag === undefined) return undefined
    const text = value ?? (flag.type === 'boolean' ? 'true' : argv[++at])
    if (text === undefined || !assign(values, flag, text)) return undefined
  }
  return { values, args }
}

/** Whether `count` arguments are what the command takes. */
export function countFits(command: Command, count: number): boolean {
  const { min, max } = counts(command)
  return count >= min && count <= max
}

/** How many arguments a command takes. */
export function counts({ positionals }: Command): { min: number; max: number } {
  return {
    min: positionals.filter((positional) => positional.optional !== true).length,
    max: positionals.some((positional) => positional.rest) ? Number.POSITIVE_INFINITY : positionals.length
  }
}

/** Whether an argument is an option; a single dash is not. */
export const isOption = (token: string): boolean => token.length > 1 && token.startsWith('-')

/** Takes the dashes and the value off. */
export function splitOption(token: string): { name: string; value: string | undefined } {
  const start = token.startsWith('--') ? 2 : 1
  const equals = token.indexOf('=', start + 1)
  return equals < 0 ? { name: token.slice(start), value: undefined } : { name: token.slice(start, equals), value: token.slice(equals + 1) }
}

/** The option of this long or short name. */
export function findFlag(flags: readonly Flag[], name: string): Flag | undefined {
  for (const flag of flags) if (flag.name === name || flag.alias?.includes(name) === true) return flag
  return undefined
}

type Writable = { -readonly [Name in keyof Values]: Values[Name] }

/** What options have that are not given. */
export function defaults(flags: readonly Flag[]): Writable {
  const values: Writable = {}
  for (const flag of flags) values[flag.name] = defaultOf(flag)
  return values
}

function defaultOf({ type, unset, default: value }: Flag): Values[string] {
  if (type === 'boolean') return unset ? undefined : false
  return type === 'list' ? [] : value
}

function assign(values: Writable, flag: Flag, text: string): boolean {
  const value = readValue(flag, text)
  if (value === undefined) return false
  values[flag.name] = flag.type === 'list' ? [...(values[flag.name] as string[]), text] : value
  return true
}

/** Reads an option's value; undefined when it is none of its type. */
export function readValue({ type }: Flag, text: string): string | number | boolean | undefined {
  if (type === 'boolean') return readBoolean(text)
  return type === 'number' ? readInteger(text) : text
}

/** The forms that Go's strconv.ParseBool takes. */
export function readBoolean(text: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text) ? false : undefined
}

/** A decimal or hexadecimal integer within the safe range. */
export function readInteger(text: string): number | undefined {
  const match = /^([+-]?)(\d+|0[xX][\da-fA-F]+)$/.exec(text)
  if (match === null) return undefined
  const value = Number(match[2]) * (match[1] === '-' ? -1 : 1)
  return Number.isSafeInteger(value) ? value : undefined
}
