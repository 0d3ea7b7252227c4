/** Reports of a run beside its TAP: JUnit, and a matrix in Markdown. */
import { title } from './requirement.ts'
import type { Outcome } from './suite.ts'

/** One run of one runtime on one machine. */
export interface Report {
  readonly runtime: string
  /** First line of what the runtime prints for --version. */
  readonly version: string
  /** Kernel and processor. */
  readonly machine: string
  /** Layout of cgroups that the runtime saw. */
  readonly cgroup: string
  readonly outcomes: readonly Outcome[]
}

const xml = (text: string): string =>
  text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no way to write them
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '?')

function testcase({ requirement, result, detail, ms }: Outcome): string {
  const open = `  <testcase classname="${xml(requirement.section)}" name="${xml(title(requirement))}" time="${(ms / 1000).toFixed(3)}"`
  if (result === 'held') return `${open}/>`
  const element = result === 'skipped' ? 'skipped' : 'failure'
  return `${open}><${element} message="${xml(detail)}"/></testcase>`
}

const count = (outcomes: readonly Outcome[], result: Outcome['result']): number => outcomes.filter((each) => each.result === result).length

/** A run as JUnit XML, as CI systems read it. */
export function junit({ runtime, outcomes }: Report): string {
  const counts = `tests="${outcomes.length}" failures="${count(outcomes, 'failed')}" skipped="${count(outcomes, 'skipped')}"`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${xml(runtime)}" ${counts}>`,
    ...outcomes.map(testcase),
    '</testsuite>',
    ''
  ].join('\n')
}

const MARKS = { held: 'yes', failed: '**no**', skipped: 'skip', absent: 'not tried' } as const
const cell = (text: string): string => text.replace(/\|/g, '\\|').replace(/\s+/g, ' ').replace(/</g, '&lt;')

/** Outcomes of a requirement by its title. */
function byTitle({ outcomes }: Report): ReadonlyMap<string, Outcome> {
  return new Map(outcomes.map((each) => [title(each.requirement), each]))
}

/** A reason in one line, without what differs from run to run. */
function shortened(detail: string): string {
  const stable = detail
    .replace(/time="[^"]*" level=\w+ msg="(.*)"/s, '$1')
    .replace(/\/tmp\/conf-\w+\/\d+/g, '…')
    .replace(/conf-\w{6}-\d+/g, 'ID')
    .replace(/\s+/g, ' ')
  return stable.length > 180 ? `${stable.slice(0, 180)}…` : stable
}

/** Why requirements were skipped or not held, one line for each reason. */
function reasons(reports: readonly Report[], result: 'failed' | 'skipped'): readonly string[] {
  return reports.flatMap(({ runtime, outcomes }) =>
    outcomes
      .filter((each) => each.result === result)
      .map((each) => `- ${cell(runtime)}: ${cell(title(each.requirement))} — ${cell(shortened(each.detail))}`)
  )
}

/** A matrix of runs on one machine: requirements in rows, runtimes in columns; then what was not held and what was skipped, with reasons. */
export function markdown(reports: readonly Report[]): string {
  const tables = reports.map(byTitle)
  const rows = [...new Map(reports.flatMap(({ outcomes }) => outcomes.map(({ requirement }) => [title(requirement), requirement])))]
  const lines: string[] = [`Machine: ${[...new Set(reports.map(({ machine }) => machine))].join('; ')}`, '']
  lines.push('| runtime | version | cgroups | held | not held | skipped |', '| --- | --- | --- | --- | --- | --- |')
  for (const { runtime, version, cgroup, outcomes } of reports) {
    const numbers = (['held', 'failed', 'skipped'] as const).map((result) => count(outcomes, result))
    lines.push(`| ${cell(runtime)} | ${cell(version)} | ${cgroup} | ${numbers.join(' | ')} |`)
  }
  lines.push('', `| section | keyword | requirement | ${reports.map(({ runtime }) => cell(runtime)).join(' | ')} |`)
  lines.push(`| --- | --- | --- |${' --- |'.repeat(reports.length)}`)
  for (const [name, { section, level, text }] of rows) {
    const marks = tables.map((table) => MARKS[table.get(name)?.result ?? 'absent'])
    lines.push(`| ${section} | ${level} | ${cell(text)} | ${marks.join(' | ')} |`)
  }
  lines.push('', 'Not held:', '', ...reasons(reports, 'failed'), '', 'Skipped:', '', ...reasons(reports, 'skipped'), '')
  return lines.join('\n')
}
