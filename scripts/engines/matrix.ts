/** The tables of engines × features × runtimes in docs/engines.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { CheckResult, Engine } from '../../test/engines/check.ts'
import { runtimes } from './runtimes.ts'

const PAGE = fileURLToPath(new URL('../../docs/engines.md', import.meta.url))

const MARKS: Readonly<Record<CheckResult['outcome'], string>> = { passed: 'yes', failed: '**no**', skipped: 'not run' }

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** Why checks of an engine were not run: a line for each reason, with their names where there are several. */
function reasons(results: readonly CheckResult[]): string[] {
  const skipped = results.filter(({ outcome }) => outcome === 'skipped')
  const all = [...new Set(skipped.map(({ detail = '' }) => detail))]
  const named = (reason: string): string => {
    const features = new Set(skipped.filter(({ detail = '' }) => detail === reason).map(({ feature }) => feature))
    return `${[...features].join('; ')}: ${reason}`
  }
  return all.flatMap((reason) => [`Not run: ${all.length === 1 ? reason : named(reason)}.`, ''])
}

/** One table for each engine, and why what is not run in it is not; rows that nobody has run are left out. */
export function matrix(engines: readonly Engine[], results: readonly CheckResult[]): string {
  const names = Object.keys(runtimes)
  const tables = engines.flatMap(({ name, title }) => {
    const own = results.filter(({ engine }) => engine === name)
    const features = [...new Set(own.map(({ feature }) => feature))]
    if (features.length === 0) return []
    const rows = features.map((feature) => {
      const marks = names.map((runtime) => own.find((each) => each.feature === feature && each.runtime === runtime)?.outcome)
      return `| ${cell(feature)} | ${marks.map((mark) => (mark ? MARKS[mark] : '–')).join(' | ')} |`
    })
    return [`### ${title}`, '', `| | ${names.join(' | ')} |`, `| --- |${names.map(() => ' --- |').join('')}`, ...rows, '', ...reasons(own)]
  })
  return tables.join('\n').trimEnd()
}

/** Parts of the page that are made from results. */
export type PagePart = 'matrix' | 'matrix in the machine'

/** Writes the versions and the tables between the marks of a part of the page. */
export function writeMatrix(part: PagePart, versions: string, engines: readonly Engine[], results: readonly CheckResult[]): void {
  const page = readFileSync(PAGE, 'utf8')
  const marks = new RegExp(`(<!-- begin ${part} -->\\n)[\\s\\S]*?(<!-- end ${part} -->)`)
  if (!marks.test(page)) throw new Error(`docs/engines.md has no part "${part}"`)
  const filled = page.replace(marks, (_, begin, end) => `${begin}${versions}\n\n${matrix(engines, results)}\n${end}`)
  writeFileSync(PAGE, filled)
}
