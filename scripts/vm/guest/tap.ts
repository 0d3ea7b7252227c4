/**
 * What the test files import as `tap` in the machine, where they run on Bun: the part of node-tap that they use, with the same comparisons
 * (`tcompare`, which comes with tap) and the same output. What is missing here fails there, by name.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { match, same, strict } from 'tcompare'

/** Options of a subtest or of an assertion. */
interface Options {
  readonly skip?: boolean | string
  readonly todo?: boolean | string
  /** In ms, as it is on a fast machine. */
  readonly timeout?: number
}
type Body = (t: Test) => unknown
type Fixture = string | Uint8Array | { readonly [name: string]: Fixture }

/** Emulation makes everything this much slower, at the most. */
const SLOWNESS = 10
const DEFAULT_TIMEOUT_MS = 30_000

const escapeTap = (text: string): string => text.replace(/[\\#]/g, '\\$&').replace(/\s*\n\s*/g, ' ')
const indent = (text: string, by: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => by + line)
    .join('\n')
const print = (depth: number, text: string): void => void process.stdout.write(`${indent(text, '    '.repeat(depth))}\n`)
const reasonOf = (word: string, reason: boolean | string | undefined): string =>
  reason ? ` # ${word}${typeof reason === 'string' ? ` ${reason}` : ''}` : ''
/** Where in a test file an assertion stands. */
const callSite = (): string => (new Error().stack ?? '').split('\n').find((line) => line.includes('.test.')) ?? ''
const describeError = (error: unknown): string => (error instanceof Error ? `${inspect(error)}` : `thrown: ${inspect(error)}`)

export class Test {
  readonly name: string
  private readonly depth: number
  private points = 0
  private failures = 0
  private timeoutMs = DEFAULT_TIMEOUT_MS
  /** Subtests run one after the other. */
  private queue: Promise<unknown> = Promise.resolve()
  private queued = 0
  private over = false
  private readonly teardowns: (() => unknown)[] = []

  constructor(name: string, depth: number) {
    this.name = name
    this.depth = depth
  }

  // -- subtests

  test(name: string, options: Options | Body, body?: Body): Promise<void> {
    const [settings, run] = typeof options === 'function' ? [{}, options] : [options, body as Body]
    this.queued++
    const running = this.queue.then(() => this.subtest(name, settings, run)).finally(() => this.queued--)
    this.queue = running
    return running
  }

  private async subtest(name: string, { skip, todo, timeout }: Options, run: Body): Promise<void> {
    if (skip) return void this.point(true, name, reasonOf('SKIP', skip))
    if (todo && run === undefined) return void this.point(true, name, reasonOf('TODO', todo))
    print(this.depth, `# Subtest: ${escapeTap(name)}`)
    const begun = performance.now()
    const child = new Test(name, this.depth + 1)
    const failures = await child.run(run, timeout ?? DEFAULT_TIMEOUT_MS)
    const directive = reasonOf('TODO', todo) || ` # time=${Math.round(performance.now() - begun)}ms`
    this.point(failures === 0, name, directive, undefined, Boolean(todo))
  }

  /** Runs the body, waits for its subtests, tears down, and prints the plan. */
  async run(body: Body, timeoutMs: number): Promise<number> {
    this.timeoutMs = timeoutMs
    try {
      await this.inTime(Promise.resolve().then(() => body(this)))
      while (this.queued > 0) await this.queue
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error), {}, describeError(error))
    }
    await this.finish()
    return this.failures
  }

  private inTime(promise: Promise<unknown>): Promise<unknown> {
    const begun = performance.now()
    return new Promise((resolve, reject) => {
      // setTimeout() of the test itself may come later, so it is looked at again and again.
      const timer = setInterval(() => {
        if (performance.now() - begun > this.timeoutMs * SLOWNESS) settle(() => reject(new Error('timeout!')))
      }, 250)
      const settle = (end: () => void): void => {
        clearInterval(timer)
        end()
      }
      promise.then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error))
      )
    })
  }

  /** Tears down and prints the plan; returns the number of failures. */
  async finish(): Promise<number> {
    for (const teardown of this.teardowns.reverse()) {
      try {
        await teardown()
      } catch (error) {
        this.fail('teardown', {}, describeError(error))
      }
    }
    this.over = true
    print(this.depth, `1..${this.points}`)
    return this.failures
  }

  get isBusy(): boolean {
    return this.queued > 0
  }

  // -- life

  teardown(fn: () => unknown): void {
    this.teardowns.push(fn)
  }

  before(fn: () => unknown): void {
    this.queued++
    this.queue = this.queue.then(fn).catch((error) => void this.fail('before', {}, describeError(error)))
    this.queue = this.queue.finally(() => this.queued--)
  }

  setTimeout(ms: number): void {
    this.timeoutMs = ms
  }

  comment(...args: unknown[]): void {
    print(this.depth, `# ${args.map((each) => (typeof each === 'string' ? each : inspect(each))).join(' ')}`)
  }

  testdir(content: Fixture = {}): string {
    const directory = join(tmpdir(), `tap-${randomBytes(6).toString('hex')}`)
    mkdirSync(directory)
    write(directory, content)
    this.teardown(() => rmSync(directory, { recursive: true, force: true }))
    return directory
  }

  // -- assertions: true when they hold

  private point(ok: boolean, name: string, directive = '', diagnostics?: string, forgiven = false): boolean {
    if (this.over) throw new Error(`an assertion after the end of "${this.name}": ${name}`)
    this.points++
    if (!ok && !forgiven) this.failures++
    print(this.depth, `${ok ? 'ok' : 'not ok'} ${this.points} - ${escapeTap(name)}${directive}`)
    if (!ok && diagnostics !== undefined) print(this.depth, `  ---\n${indent(diagnostics, '  ')}\n  ...`)
    return ok
  }

  private assert(ok: boolean, name: string, options: Options = {}, diagnostics: () => string = () => ''): boolean {
    if (options.skip) return this.point(true, name, reasonOf('SKIP', options.skip))
    const details = ok ? undefined : `${diagnostics().trimEnd()}\n${callSite()}`.trim()
    return this.point(ok, name, reasonOf('TODO', options.todo), details, Boolean(options.todo))
  }

  pass(name = 'pass', options?: Options): boolean {
    return this.assert(true, name, options)
  }

  fail(name = 'fail', options?: Options, diagnostics = ''): false {
    this.assert(false, name, options, () => diagnostics)
    return false
  }

  ok(value: unknown, name = 'expect truthy value', options?: Options): boolean {
    return this.assert(Boolean(value), name, options, () => `found: ${inspect(value)}`)
  }

  notOk(value: unknown, name = 'expect falsey value', options?: Options): boolean {
    return this.assert(!value, name, options, () => `found: ${inspect(value)}`)
  }

  equal(found: unknown, wanted: unknown, name = 'should be equal', options?: Options): boolean {
    return this.assert(Object.is(found, wanted), name, options, () => strict(found, wanted).diff || inspect(found))
  }

  not(found: unknown, unwanted: unknown, name = 'should not be equal', options?: Options): boolean {
    return this.assert(!Object.is(found, unwanted), name, options, () => `found: ${inspect(found)}`)
  }

  same(found: unknown, wanted: unknown, name = 'should be equivalent', options?: Options): boolean {
    const { match: ok, diff } = same(found, wanted)
    return this.assert(ok, name, options, () => diff)
  }

  notSame(found: unknown, unwanted: unknown, name = 'should not be equivalent', options?: Options): boolean {
    return this.assert(!same(found, unwanted).match, name, options, () => `found: ${inspect(found)}`)
  }

  strictSame(found: unknown, wanted: unknown, name = 'should be equivalent strictly', options?: Options): boolean {
    const { match: ok, diff } = strict(found, wanted)
    return this.assert(ok, name, options, () => diff)
  }

  match(found: unknown, pattern: unknown, name = 'should match pattern provided', options?: Options): boolean {
    const { match: ok, diff } = match(found, pattern)
    return this.assert(ok, name, options, () => diff)
  }

  notMatch(found: unknown, pattern: unknown, name = 'should not match pattern provided', options?: Options): boolean {
    return this.assert(!match(found, pattern).match, name, options, () => `found: ${inspect(found)}`)
  }

  type(value: unknown, type: string | (new (...args: never[]) => unknown), name = 'type is as expected', options?: Options): boolean {
    const ok = typeof type === 'string' ? typeof value === type : value instanceof type
    return this.assert(ok, name, options, () => `found: ${inspect(value)}`)
  }

  throws(fn: () => unknown, ...[wanted, name, options]: [wanted?: unknown, name?: string, options?: Options]): unknown {
    const [pattern, title] = typeof wanted === 'string' ? [undefined, wanted] : [wanted, name ?? 'expected to throw']
    try {
      fn()
    } catch (error) {
      return this.isAsWanted(error, pattern, title, options) && error
    }
    return this.fail(title, options, 'it did not throw')
  }

  doesNotThrow(fn: () => unknown, name = 'expected to not throw', options?: Options): boolean {
    try {
      fn()
      return this.pass(name, options)
    } catch (error) {
      return this.fail(name, options, describeError(error))
    }
  }

  async rejects(
    promise: Promise<unknown> | (() => Promise<unknown>),
    wanted?: unknown,
    name?: string,
    options?: Options
  ): Promise<unknown> {
    const [pattern, title] = typeof wanted === 'string' ? [undefined, wanted] : [wanted, name ?? 'expect rejected Promise']
    try {
      await (typeof promise === 'function' ? promise() : promise)
    } catch (error) {
      return this.isAsWanted(error, pattern, title, options) && error
    }
    return this.fail(title, options, 'it was not rejected')
  }

  async resolves(
    promise: Promise<unknown> | (() => Promise<unknown>),
    name = 'expect resolving Promise',
    options?: Options
  ): Promise<boolean> {
    try {
      await (typeof promise === 'function' ? promise() : promise)
      return this.pass(name, options)
    } catch (error) {
      return this.fail(name, options, describeError(error))
    }
  }

  private isAsWanted(error: unknown, wanted: unknown, name: string, options?: Options): boolean {
    if (wanted === undefined) return this.pass(name, options)
    const found = wanted instanceof RegExp ? (error as Error).message : error
    const { match: ok, diff } = match(found, wanted instanceof Error ? { message: wanted.message } : wanted)
    return this.assert(ok, name, options, () => `${diff}\n${describeError(error)}`)
  }
}

function write(path: string, content: Fixture): void {
  if (typeof content === 'string' || content instanceof Uint8Array) return void writeFileSync(path, content)
  mkdirSync(path, { recursive: true })
  for (const [name, each] of Object.entries(content)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    write(join(path, name), each)
  }
}

const t = new Test('', 0)
export default t

let ended = false
/** The event loop has nothing left to do: the file is at its end, or it waits for what never comes. */
process.on('beforeExit', async () => {
  if (ended) return
  ended = true
  if (t.isBusy) t.fail('test unfinished')
  process.exitCode = (await t.finish()) > 0 ? 1 : 0
})
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => void t.fail(event, {}, describeError(error)))
}
print(0, 'TAP version 14')
