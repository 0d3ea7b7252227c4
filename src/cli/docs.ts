/** Makes docs/cli.md from the command table; scripts/generate-docs.ts writes it. */
import { knownAnnotations } from '../config/annotations.ts'
import { commonStatuses, details, type Entry, environment, files, statuses, unknownCommandStatus } from './prose.ts'
import { type RuncOption, readRuncOption, runc } from './runc.ts'
import { globals, table } from './table.ts'
import type { Command, CommandName, Flag } from './types.ts'
import { usageLine } from './usage.ts'

/** The whole page. */
export function cliPage(): string {
  const commands = (Object.entries(table) as [CommandName, Command][]).map(([name, command]) => commandSection(name, command))
  return `${[intro, commandTable(), globalSection(), exitSection(), logSection, environmentSection(), annotationSection(), ...commands].join('\n\n')}\n`
}

const intro = `# The command line

<!-- Made from src/cli/table.ts by src/cli/docs.ts: do not edit. -->

    tsrun [global options] command [options] [arguments]

Commands, options and exit statuses are those of runc 1.5. An option may be written with one dash or two; its value stands behind \`=\` or in the
next argument, whatever that looks like; a boolean takes a value only behind \`=\`; \`--\` ends the options. An option that can be repeated is never
split at a comma. Where an option is given twice, the last one counts.

In the tables of options the first column has every option of runc, in the spelling of its help, and the second one ours. A test finds what is
missing, or has another short name, another default, or other values. \`…\` behind a value: the option can be repeated.`

function commandTable(): string {
  const rows = Object.keys(table).map((name) => [
    name in runc ? code(name) : '—',
    `[${code(name)}](#${name})`,
    (table as Commands)[name]!.summary
  ])
  const inner = ['`init` (hidden)', '—', "runc's own second half, which nobody else calls; here it is a program that is generated"]
  return `## Commands\n\n${tableOf(['runc', 'tsrun', ''], [...rows, ['`help`', '`help`', 'show help, for a command when one is named'], inner])}`
}

type Commands = Readonly<Record<string, Command>>

const globalSection = (): string =>
  [
    '## Global options',
    'They stand before the command.',
    optionTable(globals, runc.global ?? []),
    'runc had `--criu` until 1.4; criu is found in PATH.'
  ].join('\n\n')

function exitSection(): string {
  const rows: Entry[] = [...commonStatuses, unknownCommandStatus, ['N', `\`run\`, \`exec\` and \`restore\` ${statuses.run![0]![1]}`]]
  return `## Exit status\n\n${tableOf(['status', 'when'], [...rows, ['255', '`exec`: the process could not be started']])}`
}

const environmentSection = (): string =>
  [
    '## Environment',
    'Containers inherit none of it.',
    tableOf(['variable', ''], environment.map(inCode)),
    '## Files',
    tableOf(['file', ''], files.map(inCode))
  ].join('\n\n')

const annotationSection = (): string =>
  [
    '## Annotations',
    'Annotations of config.json that have an effect. Those that have one in runc or crun and none here are warned about; all others are passed on to hooks and to `state`.',
    tableOf(
      ['annotation', ''],
      knownAnnotations.map(({ key, says, acts }) => [code(key.endsWith('.') ? `${key}NAME` : key), acts ? says : `No effect: ${says}`])
    )
  ].join('\n\n')

const inCode = ([name, text]: Entry): Entry => [name.split(', ').map(code).join(', '), text]

const logSection = `## Errors and the log

A command that fails says why in one sentence on standard error, with a line for each problem when there are several and with a hint where there is one.
With \`--log FILE\` the same is one line in FILE, in the form of logrus: \`level\`, \`msg\` and \`time\`, then \`code\` (one of a closed set, see
\`ErrorCode\` in src/errors/error.ts) and \`pointer\` (the place in config.json) where they apply. Without \`--log\` the text form is for people: the sentence alone.

| level | \`--log FILE\`, text | \`--log FILE\`, json | no \`--log\` |
| --- | --- | --- | --- |
| error | file and standard error | file and standard error | standard error |
| warning, info | file | only with \`--debug\` | standard error, except for \`state\` and \`ps\` |
| debug | with \`--debug\` | with \`--debug\` | with \`--debug\`, except for \`state\` and \`ps\` |

Warnings stay out of a JSON log because Podman reads it as exactly one object, and away from the standard error of \`state\` and \`ps\` because containerd reads it
together with standard output.`

function commandSection(name: CommandName, command: Command): string {
  const status = command.runc === false ? ['runc has no such command.'] : []
  const first = [`${sentence(command.summary)}`, command.description, ...status].filter(Boolean).join(' ')
  const options = [...command.flags.map((flag) => flag.name), ...(runc[name] ?? [])]
  const parts = [
    `## ${name}`,
    first,
    ...(details[name] ?? []),
    `    ${usageLine(name, command)}`,
    options.length === 0 ? 'Neither runc nor tsrun has options here.' : optionTable(command.flags, runc[name] ?? []),
    `${command.examples.map(example).join('\n')}`
  ]
  return parts.join('\n\n')
}

/** `create a container`: `Create a container.` */
export const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}.`

const example = ([line, what]: readonly [string, string]): string => `- \`${line}\`${what === '' ? '' : `: ${what}`}`

/** First what runc has, in its order; then what is ours alone. */
function optionTable(ours: readonly Flag[], theirs: readonly string[]): string {
  const options = theirs.map(readRuncOption)
  const rows = [
    ...options.map((option) =>
      optionRow(
        option,
        ours.find(({ name }) => name === option.name)
      )
    ),
    ...ours.filter(({ name }) => !options.some((option) => option.name === name)).map((flag) => optionRow(undefined, flag))
  ]
  return tableOf(['runc', 'tsrun', 'default', ''], rows)
}

function optionRow(theirs: RuncOption | undefined, ours: Flag | undefined): readonly string[] {
  const runcs = theirs === undefined ? '—' : code(theirs.spelling.replaceAll('...', '…'))
  if (ours === undefined) return [runcs, '—', '', 'missing']
  const value = ours.value === undefined ? '' : ` ${ours.value}${ours.type === 'list' ? '…' : ''}`
  const names = [...(ours.alias ?? []).map((alias) => `-${alias}`), `--${ours.name}${value}`]
  const notes = `${ours.help}${ours.hidden ? ' (not in the help texts)' : ''}`
  return [runcs, names.map(code).join(', '), ours.default === undefined ? '' : code(String(ours.default)), notes]
}

const code = (text: string): string => `\`${text}\``

/** A table in Markdown; a `|` in a cell does not end it. */
const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n')
