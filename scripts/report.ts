/** What `npm test` prints: a line for each check and test file, then failures in full, then skips by reason, then the count. */
import type { TapFailure, TapSkip } from './tap.ts'

/** The result of one check or one test file. */
export interface Outcome {
  readonly name: string
  readonly passed: number
  readonly failures: readonly TapFailure[]
  readonly skips: readonly TapSkip[]
  readonly ms: number
}

const colour = process.stdout.isTTY && !process.env.NO_COLOR
const paint =
  (code: number) =>
  (text: string): string =>
    colour ? `\x1b[${code}m${text}\x1b[0m` : text
const red = paint(31)
const green = paint(32)
const dim = paint(2)

/** Prints one line about an outcome as soon as it is known. */
export function report({ name, passed, failures, skips, ms }: Outcome): void {
  const mark = failures.length > 0 ? red('fail') : passed === 0 ? 'skip' : green('ok  ')
  const counts = [
    `${passed} passed`,
    failures.length > 0 && red(`${failures.length} failed`),
    skips.length > 0 && `${skips.length} skipped`
  ]
  console.log(`${mark} ${name}  ${counts.filter(Boolean).join(', ')}  ${dim(`${(ms / 1000).toFixed(1)} s`)}`)
}

/**
 * Prints the failures, the skips, and as the very last line the count.
 *
 * @returns the exit status: 1 when something failed or nothing passed
 */
export function summarize(outcomes: readonly Outcome[]): number {
  for (const { name, failures } of outcomes) for (const failure of failures) printFailure(name, failure)
  printSkips(outcomes.flatMap(({ name, skips }) => skips.map(({ reason }) => ({ name, reason }))))
  const total = (count: (outcome: Outcome) => number): number => outcomes.reduce((sum, each) => sum + count(each), 0)
  const passed = total((each) => each.passed)
  const failed = total((each) => each.failures.length)
  const skipped = total((each) => each.skips.length)
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  return failed > 0 || passed === 0 ? 1 : 0
}

function printFailure(name: string, { path, diagnostics }: TapFailure): void {
  console.log(`\n${red('FAIL')} ${[name, ...path].join(' > ')}`)
  const lines = diagnostics.trimEnd().split('\n')
  const shown = lines.length > 120 ? [...lines.slice(0, 100), `… ${lines.length - 120} lines …`, ...lines.slice(-20)] : lines
  for (const line of shown) if (line || lines.length > 1) console.log(`    ${line}`)
}

/** One line for each reason and file: skips are data, so they can be added up. */
function printSkips(skips: readonly { readonly name: string; readonly reason: string }[]): void {
  const counts = new Map<string, number>()
  for (const { name, reason } of skips) counts.set(`${reason} (${name})`, (counts.get(`${reason} (${name})`) ?? 0) + 1)
  if (counts.size > 0) console.log('\nSkipped:')
  for (const [what, count] of counts) console.log(`${String(count).padStart(4)} × ${what}`)
  console.log('')
}
