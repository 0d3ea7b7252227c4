/**
 * Reads TAP 14 (testanything.org) as node-tap prints it, strictly: what is not a complete run is a failure.
 *
 * Counted are the assertions themselves. A subtest's own line counts only when it says something that none of its assertions said:
 * an empty subtest that passed, or a failure (a wrong plan, a time-out) in which no assertion failed.
 */

/** An assertion that failed. */
export interface TapFailure {
  /** Names of the subtests around it and its own, outermost first. */
  readonly path: readonly string[]
  /** Its YAML block, without indentation; '' when there is none. */
  readonly diagnostics: string
}

export interface TapSkip {
  readonly path: readonly string[]
  readonly reason: string
}

/** What a test file printed, and what it means. */
export interface TapResult {
  readonly passed: number
  readonly failures: readonly TapFailure[]
  readonly skips: readonly TapSkip[]
}

interface Level {
  /** Name that the line which ends this subtest will have. */
  readonly name: string
  points: number
  planned: number | undefined
  /** Counts of the whole reader when the subtest began. */
  readonly countedBefore: number
  readonly failedBefore: number
}

const POINT = /^( *)(not )?ok\b(?: (\d+))?(?: - | )?(.*)$/
const DIRECTIVE = /^(.*?)\s*(?<!\\)#\s*(SKIP|TODO)\b\s*(.*)$/i
const PLAN = /^( *)1\.\.(\d+)(?:\s*#\s*(.*))?$/
const SUBTEST = /^( *)# Subtest(?:: (.*))?$/

/**
 * Reads the whole output of one test file.
 *
 * @param text standard output of the process
 * @returns counts, and each failure and skip. A missing plan, a plan that does not fit, no assertion at all and a bail-out are failures.
 */
export function parseTap(text: string): TapResult {
  const reader = new Reader()
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) i = reader.line(lines, i)
  return reader.end()
}

class Reader {
  private passed = 0
  private readonly failures: TapFailure[] = []
  private readonly skips: TapSkip[] = []
  private readonly levels: Level[] = [{ name: '', points: 0, planned: undefined, countedBefore: 0, failedBefore: 0 }]

  /** Reads the line at `i`, and its YAML block if it has one; returns the index of the last line that it used. */
  line(lines: readonly string[], i: number): number {
    const line = lines[i] ?? ''
    const point = POINT.exec(line)
    if (point && this.isAtLevel(point[1] ?? '')) {
      const [last, diagnostics] = yamlAfter(lines, i, (point[1] ?? '').length)
      this.point(depth(point[1] ?? ''), point[2] === undefined, point[4] ?? '', diagnostics)
      return last
    }
    const subtest = SUBTEST.exec(line)
    if (subtest && this.isAtLevel(subtest[1] ?? '')) this.open(depth(subtest[1] ?? ''), subtest[2] ?? '')
    const plan = PLAN.exec(line)
    if (plan) this.plan(depth(plan[1] ?? ''), Number(plan[2]), plan[3])
    if (/^\s*Bail out!/.test(line)) this.failures.push({ path: [line.trim()], diagnostics: '' })
    return i
  }

  end(): TapResult {
    const { points, planned } = this.levels[0]!
    const fail = (message: string): void => void this.failures.push({ path: [message], diagnostics: '' })
    if (planned === undefined) fail('the output ends without a plan: the file stopped early, or it is no tap test')
    else if (planned !== points) fail(`the plan says ${planned} tests, the output has ${points}`)
    else if (this.counted() === 0) fail('no assertion at all')
    return { passed: this.passed, failures: this.failures, skips: this.skips }
  }

  private counted(): number {
    return this.passed + this.failures.length + this.skips.length
  }

  private isAtLevel(indent: string): boolean {
    return indent.length % 4 === 0 && depth(indent) < this.levels.length
  }

  /** The subtest `name` begins; its assertions are one level deeper. */
  private open(at: number, name: string): void {
    this.levels.length = at + 1
    this.levels.push({ name, points: 0, planned: undefined, countedBefore: this.counted(), failedBefore: this.failures.length })
  }

  private point(at: number, ok: boolean, description: string, diagnostics: string): void {
    const child = this.levels[at + 1]
    const level = this.levels[at]!
    level.points++
    const [name, directive, reason] = split(description)
    const path = [...this.levels.slice(1, at + 1).map((each) => each.name), name]
    const endsSubtest = child !== undefined && child.name === name
    this.levels.length = at + 1
    if (directive !== undefined) this.skips.push({ path, reason: directive === 'TODO' ? `TODO ${reason}`.trim() : reason })
    else if (endsSubtest && ok && this.counted() > child.countedBefore) return
    else if (ok) this.passed++
    else if (!endsSubtest || this.failures.length === child.failedBefore) this.failures.push({ path, diagnostics })
  }

  private plan(at: number, count: number, reason: string | undefined): void {
    const level = this.levels[at]
    if (level === undefined) return
    level.planned = count
    // t.plan(0, reason): the whole file, or the whole subtest, is skipped.
    if (count === 0 && reason && reason !== 'no tests found') {
      this.skips.push({ path: this.levels.slice(1, at + 1).map((each) => each.name), reason })
    }
  }
}

const depth = (indent: string): number => indent.length / 4

/** Splits `name # SKIP reason` and `name # time=3ms`, and undoes TAP's escapes. */
function split(description: string): [name: string, directive: 'SKIP' | 'TODO' | undefined, reason: string] {
  const found = DIRECTIVE.exec(description)
  const name = (found?.[1] ?? description).replace(/\s*(?<!\\)# time=.*$/, '').replace(/\\(.)/g, '$1')
  if (!found) return [name, undefined, '']
  const directive = found[2]!.toUpperCase() as 'SKIP' | 'TODO'
  return [name, directive, found[3] || (directive === 'SKIP' ? 'no reason given' : '')]
}

/** The YAML block after the point at line `i`; the index of its last line, and its text. */
function yamlAfter(lines: readonly string[], i: number, indent: number): [last: number, yaml: string] {
  const pad = ' '.repeat(indent + 2)
  if (lines[i + 1] !== `${pad}---`) return [i, '']
  const end = lines.indexOf(`${pad}...`, i + 2)
  if (end < 0) return [i, '']
  const body = lines.slice(i + 2, end).map((line) => line.slice(pad.length))
  return [end, body.join('\n')]
}
