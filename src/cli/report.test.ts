import t from 'tap'
import { TsrunError } from '../errors/error.ts'
import { inLines, inOneLine, reportOf } from './report.ts'

t.test('an error is its message, after the prefix of the command', async (t) => {
  const report = reportOf(
    new TsrunError('step', 'cannot mount "proc" on "/proc": operation not permitted (EPERM) [/mounts/3]', {
      pointer: '/mounts/3',
      hint: 'try less'
    }),
    'tsrun create failed: '
  )
  const message = 'tsrun create failed: cannot mount "proc" on "/proc": operation not permitted (EPERM) [/mounts/3]'
  t.equal(inOneLine(report), message)
  t.equal(inLines(report), `${message}\nhint: try less\n`)
  t.same(report.fields, { code: 'step', pointer: '/mounts/3' })
})

t.test('the problems of a configuration have a line each', async (t) => {
  const problems = [
    { pointer: '/a', message: 'must be a string, not 1', line: 3, column: 7 },
    { pointer: '', message: 'lacks "root"' }
  ]
  const report = reportOf(new TsrunError('config', 'config.json has 2 problems', { problems }))
  t.equal(inLines(report), 'config.json has 2 problems\n  /a: must be a string, not 1 (line 3, column 7)\n  /: lacks "root"\n')
  t.equal(inOneLine(report), 'config.json has 2 problems: /a: must be a string, not 1 (line 3, column 7); /: lacks "root"')
})

t.test('a problem that the message tells is not told twice', async (t) => {
  const error = new TsrunError('config', 'bad rootfs: it is a symlink [/root/path]', {
    problems: [{ pointer: '/root/path', message: 'it is a symlink' }]
  })
  t.same(reportOf(error).details, [])
  t.same(
    reportOf(
      new TsrunError('config', 'two problems:\n/a: x\n/b: y', {
        problems: [
          { pointer: '/a', message: 'x' },
          { pointer: '/b', message: 'y' }
        ]
      })
    ).details,
    ['  /a: x', '  /b: y']
  )
})

t.test('a bug says that it is one, with its stack', async (t) => {
  const report = reportOf(new RangeError('of no use'))
  t.equal(report.headline, 'this is a bug in tsrun: RangeError: of no use')
  t.match(report.details[0], /^ +at .*report\.test/)
  t.same(report.fields, { code: 'bug' })
  t.equal(reportOf('thrown text').headline, 'this is a bug in tsrun: thrown text')
})

t.test('what an image or a hook says cannot pass for our words, nor command a terminal', async (t) => {
  const report = reportOf(
    new TsrunError('hook', 'hook #0: \x1b[31mboo\x9b1m\r\nhint: run this \u202e', { hint: 'no\x07' }),
    'tsrun create failed: '
  )
  t.equal(inLines(report), 'tsrun create failed: hook #0: \\u001b[31mboo\\u009b1m\\u000d\n  hint: run this \\u202e\nhint: no\\u0007\n')
})
