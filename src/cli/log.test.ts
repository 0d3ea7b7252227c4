import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { jsonLine, type LogOptions, openLog, rfc3339, textLine } from './log.ts'

const time = new Date('2026-01-02T03:04:05.678Z')
const stamp = rfc3339(time)

t.test("a line of JSON has logrus' keys first", async (t) => {
  t.equal(
    jsonLine('error', 'a "b"', time, { code: 'step', pointer: '/mounts/1' }),
    `{"level":"error","msg":"a \\"b\\"","time":"${stamp}","code":"step","pointer":"/mounts/1"}\n`
  )
})

t.test('a line of text is quoted as logrus quotes', async (t) => {
  t.equal(
    textLine('error', 'a "b"\n', time, { pointer: '/mounts/1', code: 'step' }),
    `time="${stamp}" level=error msg="a \\"b\\"\\n" code=step pointer=/mounts/1\n`
  )
  t.equal(textLine('debug', 'plain-word', time, {}), `time="${stamp}" level=debug msg=plain-word\n`)
  t.equal(textLine('warning', '\x07\x1b\x7fé', time, {}), `time="${stamp}" level=warning msg="\\a\\x1b\\x7fé"\n`)
  t.equal(textLine('warning', '', time, {}), `time="${stamp}" level=warning msg=\n`)
})

t.test('the time is RFC 3339 in the local zone', async (t) => {
  const program = `import('${new URL('./log.js', import.meta.url)}').then(({ rfc3339 }) => process.stdout.write(rfc3339(new Date(${time.getTime()}))))`
  const inZone = (TZ: string) => execFileSync(process.execPath, ['-e', program], { env: { TZ }, encoding: 'utf8' })
  t.equal(inZone('UTC'), '2026-01-02T03:04:05Z')
  t.equal(inZone('Asia/Kolkata'), '2026-01-02T08:34:05+05:30')
  t.equal(inZone('America/St_Johns'), '2026-01-01T23:34:05-03:30')
})

const report = { headline: 'create failed', details: ['  /a: one', '  /b: two'], hint: 'do this', fields: { code: 'config' } }

/** What is in the file and on standard error after a debug line, a warning and a failure. */
function written(t: Tap, options: Omit<LogOptions, 'file'>, file: string | undefined) {
  const program = `import('${new URL('./log.js', import.meta.url)}').then(({ openLog }) => {
    const log = openLog(${JSON.stringify({ ...options, file })})
    log.line('debug', 'd'); log.line('warning', 'w'); log.fail(${JSON.stringify(report)}) })`
  const { stderr, stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', env: {} })
  t.equal(stdout, '')
  return { stderr, file: file === undefined ? '' : readFileSync(file, 'utf8') }
}

type Tap = typeof t

const forPeople = 'create failed\n  /a: one\n  /b: two\nhint: do this\n'

t.test('a file of text holds warnings, and the error in one line', async (t) => {
  const { stderr, file } = written(t as Tap, { format: 'text', debug: false, merged: false }, join(t.testdir(), 'log'))
  t.equal(stderr, forPeople)
  t.match(file, /^time="[^"]*" level=warning msg=w\ntime="[^"]*" level=error msg="create failed: \/a: one; \/b: two" code=config\n$/)
})

t.test('a file of JSON holds one object: Podman decodes it as one', async (t) => {
  const { stderr, file } = written(t as Tap, { format: 'json', debug: false, merged: false }, join(t.testdir(), 'log'))
  t.equal(stderr, forPeople)
  t.match(JSON.parse(file), { level: 'error', msg: 'create failed: /a: one; /b: two', code: 'config' })
})

t.test('with --debug a file of JSON holds everything', async (t) => {
  const { file } = written(t as Tap, { format: 'json', debug: true, merged: false }, join(t.testdir(), 'log'))
  t.same(
    file
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).level),
    ['debug', 'warning', 'error']
  )
})

t.test('standard error is for people, and free of warnings where engines read it with standard output', async (t) => {
  t.equal(written(t as Tap, { format: 'text', debug: false, merged: false }, undefined).stderr, `tsrun: warning: w\ntsrun: ${forPeople}`)
  t.equal(written(t as Tap, { format: 'text', debug: true, merged: true }, undefined).stderr, `tsrun: ${forPeople}`)
  const lines = written(t as Tap, { format: 'json', debug: true, merged: false }, undefined)
    .stderr.trimEnd()
    .split('\n')
  t.same(
    lines.map((line) => JSON.parse(line).level),
    ['debug', 'warning', 'error']
  )
})

t.test('the file is opened at once, appended to, and no secret', async (t) => {
  const file = join(t.testdir({ log: 'before\n' }), 'log')
  openLog({ file, format: 'text', debug: false, merged: false }).line('info', 'after')
  t.match(readFileSync(file, 'utf8'), /^before\ntime=.* level=info msg=after\n$/)
  const fresh = join(t.testdirName, 'fresh')
  openLog({ file: fresh, format: 'text', debug: false, merged: false })
  t.equal(statSync(fresh).mode & 0o777, 0o644 & ~process.umask())
  t.throws(() => openLog({ file: '/nonexistent/log', format: 'text', debug: false, merged: false }), {
    code: 'system',
    message: 'cannot open the log "/nonexistent/log": no such file or directory (ENOENT)'
  })
  t.throws(() => openLog({ format: 'yaml', debug: false, merged: false }), { code: 'usage', message: 'invalid log-format: yaml' })
})
