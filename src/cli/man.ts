/** Makes the manual pages, in the language of man(7), from the command table; scripts/generate-docs.ts writes them. */
import { sentence } from './docs.ts'
import { commonStatuses, details, type Entry, environment, files, statuses, unknownCommandStatus } from './prose.ts'
import { globals, help, table } from './table.ts'
import type { Command, CommandName, Flag } from './types.ts'

/** All pages, by file name: tsrun(1), and one for each command. */
export function manualPages(): ReadonlyMap<string, string> {
  const commands = (Object.entries(table) as [CommandName, Command][]).map(([name, command]) => commandPage(name, command))
  return new Map([['tsrun.1', overviewPage()], ...commands])
}

const NOTICE = '.\\" Made from src/cli/table.ts by src/cli/man.ts: do not edit.'

/** A page. It has no date, so that it changes when its text does; and no hyphens of the formatter's, which would look like ours. */
const page = (title: string, ...lines: readonly (string | readonly string[])[]): string =>
  `${[NOTICE, `.TH ${title.toUpperCase().replaceAll('-', '\\-')} 1 "" tsrun Containers`, '.nh', ...lines.flat()].join('\n')}\n`

function overviewPage(): string {
  return page(
    'tsrun',
    section('NAME', 'tsrun \\- run containers as the Open Container Initiative specifies them'),
    section(
      'SYNOPSIS',
      `${bold('tsrun')} [${italic('global options')}] ${italic('command')} [${italic('options')}] [${italic('arguments')}]`
    ),
    section('DESCRIPTION', ...paragraphs(OVERVIEW)),
    section('GLOBAL OPTIONS', 'They stand before the command.', ...globals.flatMap(option)),
    section(
      'COMMANDS',
      ...(Object.entries(table) as [string, Command][]).flatMap(([name, { summary }]) => item(`tsrun-${name}(1)`, sentence(summary)))
    ),
    section(
      'EXIT STATUS',
      ...entries([...commonStatuses, unknownCommandStatus]),
      '.PP',
      text('run, exec and restore also end with the status of the process.')
    ),
    section('ENVIRONMENT', ...entries(environment)),
    section('FILES', ...entries(files)),
    seeAlso([...Object.keys(table).map((name) => `tsrun-${name}`)])
  )
}

const OVERVIEW = [
  'tsrun compiles config.json of a bundle to a list of system calls, and that list to a small program, which becomes the container. Its commands, options and exit statuses are those of runc(8), so that engines such as Podman, containerd, Docker and CRI-O can call either.',
  'An option may be written with one dash or two. Its value stands behind = or in the next argument; a boolean takes a value only behind =. A list is never split at a comma, but the option may be repeated. -- ends the options.'
]

function commandPage(name: CommandName, command: Command): [string, string] {
  const { summary, description, flags, examples } = command
  const told = [[sentence(summary), description].filter(Boolean).join(' '), ...(details[name] ?? [])]
  const shown = [...flags, help].filter(({ hidden }: Flag) => hidden !== true)
  const text = page(
    `tsrun-${name}`,
    section('NAME', `tsrun\\-${name} \\- ${prose(summary)}`),
    section('SYNOPSIS', synopsis(name, command)),
    section('DESCRIPTION', ...paragraphs(told)),
    section('OPTIONS', ...shown.flatMap(option)),
    section('EXIT STATUS', ...entries([...commonStatuses, ...(statuses[name] ?? [])])),
    section('EXAMPLES', ...examples.flatMap(([line, what]) => item(line, what === '' ? sentence(summary) : sentence(what)))),
    seeAlso(['tsrun', ...related(name).map((other) => `tsrun-${other}`)])
  )
  return [`tsrun-${name}.1`, text]
}

function synopsis(name: string, { positionals }: Command): string {
  const shown = positionals.filter(({ hidden }) => hidden !== true)
  const words = shown.map(({ name, optional, rest }) => (optional ? `[${italic(name)}${rest ? ' ...' : ''}]` : italic(name)))
  return [bold(`tsrun ${name}`), `[${italic('options')}]`, ...words].join(' ')
}

/** Commands that come before or after in the life of a container. */
const RELATED: readonly (readonly CommandName[])[] = [
  ['create', 'start', 'run', 'kill', 'delete', 'state'],
  ['state', 'list', 'ps', 'events'],
  ['pause', 'resume', 'update', 'exec'],
  ['checkpoint', 'restore'],
  ['spec', 'explain', 'create', 'run'],
  ['features', 'completion', 'install']
]

const related = (name: CommandName): CommandName[] => [
  ...new Set(RELATED.filter((group) => group.includes(name)).flatMap((group) => group.filter((other) => other !== name)))
]

const section = (heading: string, ...lines: readonly string[]): string[] => [`.SH ${heading}`, ...lines]

const seeAlso = (names: readonly string[]): string[] =>
  section(
    'SEE ALSO',
    [...names]
      .sort()
      .map((name) => `${bold(name)}(1)`)
      .join(',\n')
  )

const paragraphs = (texts: readonly string[]): string[] => texts.flatMap((each, i) => [...(i === 0 ? [] : ['.PP']), text(each)])

const entries = (all: readonly Entry[]): string[] => all.flatMap(([name, what]) => item(name, what))

/** A term in bold, and its explanation below. */
const item = (term: string, what: string): string[] => ['.TP', bold(term), text(what)]

function option(flag: Flag): string[] {
  const names = [...(flag.alias ?? []).map((alias) => `-${alias}`), `--${flag.name}`].map(bold).join(', ')
  const value = flag.value === undefined ? '' : ` ${italic(flag.value)}`
  const notes = [
    flag.help,
    ...(flag.type === 'list' ? ['can be repeated'] : []),
    ...(flag.default === undefined ? [] : [`default: ${flag.default}`])
  ]
  return ['.TP', `${names}${value}`, text(sentence(notes.join('; ')))]
}

const bold = (literal: string): string => `\\fB${exact(literal)}\\fR`
const italic = (literal: string): string => `\\fI${exact(literal)}\\fR`

/** What must be printed as it is: groff takes these for typographic marks (groff_char(7)). */
const exact = (literal: string): string =>
  escaped(literal).replace(/[-'`^~]/g, (mark) => ({ '-': '\\-', "'": '\\(aq', '`': '\\(ga', '^': '\\(ha', '~': '\\(ti' })[mark]!)

/** Running text: what looks like an option, and references to other pages, are set apart. */
const prose = (words: string): string =>
  escaped(words)
    .replace(/(?<![\w-])--?\w[\w-]*/g, (name) => name.replaceAll('-', '\\-'))
    .replace(/\b([a-z][\w-]*)\((\d)\)/g, (_, name: string, number: string) => `${bold(name)}(${number})`)

/** The same as lines of their own, a new one for each sentence, none of which must look like a request. */
const text = (words: string): string =>
  prose(words)
    .split(/(?<=[.;:]) (?=[A-Z-])/)
    .flatMap((line) => line.match(/.{1,79}(?= |$)/g) ?? [])
    .map((line) => line.trimStart().replace(/^[.']/, '\\&$&'))
    .join('\n')

const escaped = (words: string): string => words.replaceAll('\\', '\\e').replaceAll('…', '...').replaceAll('—', '\\(em')
