/** Makes docs/cli.md from the command table. `node build/src/cli/docs.js` writes it; a test compares. */
import { writeFileSync } from 'node:fs'
import { globals, table } from './table.ts'
import type { Command, Flag } from './types.ts'
import { usageLine } from './usage.ts'

/** The whole page. */
export function cliPage(): string {
  const commands = (Object.entries(table) as [string, Command][]).map(([name, command]) => commandSection(name, command))
  return `${[intro, globalSection(), exitSection, logSection, ...commands].join('\n\n')}\n`
}

const intro = `# The command line

<!-- Made from src/cli/table.ts by src/cli/docs.ts: do not edit. -->

    tsrun [global options] command [options] [arguments]

Commands, options and exit statuses are those of runc 1.5. An option may be written with one dash or two; its value stands behind \`=\` or in the
next argument, whatever that looks like; a boolean takes a value only behind \`=\`; \`--\` ends the options. An option that can be repeated is never
split at a comma. Where an option is given twice, the last one counts. In the tables, *runc* says whether runc has the option as well.`

const globalSection = (): string => `## Global options\n\nThey stand before the command.\n\n${flagTable(globals)}`

const exitSection = `## Exit status

| status | when |
| --- | --- |
| 0 | success |
| 1 | an error, or a mistake in the command line |
| 3 | an unknown command |
| N | \`run\` in the foreground: the exit status of the process, 128 + n when signal n ended it |
| 255 | \`exec\` could not start the process |`

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

function commandSection(name: string, command: Command): string {
  const status = [...(command.runc === false ? ['runc has no such command.'] : []), ...(command.built === false ? ['Not built yet.'] : [])]
  const parts = [
    `## ${name}`,
    `${sentence(command.summary)}${[command.description, ...status]
      .filter(Boolean)
      .map((text) => ` ${text}`)
      .join('')}`,
    `    ${usageLine(name, command)}`,
    ...(command.flags.length === 0 ? [] : [flagTable(command.flags, command.runc)]),
    `${command.examples.map(example).join('\n')}`
  ]
  return parts.join('\n\n')
}

const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}.`

const example = ([line, what]: readonly [string, string]): string => `- \`${line}\`${what === '' ? '' : `: ${what}`}`

const flagTable = (flags: readonly Flag[], runc = true): string =>
  ['| option | default | runc | |', '| --- | --- | --- | --- |', ...flags.map((flag) => flagRow(flag, runc && flag.runc !== false))].join(
    '\n'
  )

function flagRow(flag: Flag, runc: boolean): string {
  const names = [...(flag.alias ?? []).map((alias) => `-${alias}`), `--${flag.name}${flag.value === undefined ? '' : ` ${flag.value}`}`]
  const notes = `${flag.help}${flag.type === 'list' ? '; can be repeated' : ''}${flag.hidden ? ' (not in the help texts)' : ''}`
  const cells = [
    names.map((name) => `\`${name}\``).join(', '),
    flag.default === undefined ? '' : `\`${flag.default}\``,
    runc ? 'yes' : 'no',
    notes
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

if (import.meta.url === `file://${process.argv[1]}`) writeFileSync('docs/cli.md', cliPage())
