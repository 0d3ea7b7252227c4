import t from 'tap'
import { read, readBoolean, readInteger, splitOption } from './fast.ts'

const flagsOf = (...argv: string[]) => read(argv)?.flags
const argsOf = (...argv: string[]) => read(argv)?.args

t.test('one dash is as good as two, and a value stands behind = or next', async (t) => {
  for (const given of [['--bundle', '/b'], ['--bundle=/b'], ['-bundle', '/b'], ['-bundle=/b'], ['-b', '/b'], ['-b=/b'], ['--b=/b']]) {
    t.match(flagsOf('create', ...given, 'c'), { bundle: '/b' }, given.join(' '))
  }
  t.match(flagsOf('restore', '-no-subreaper', 'c'), { 'no-subreaper': true }, "containerd's go-runc")
})

t.test('a value may look like anything', async (t) => {
  t.match(flagsOf('update', '--memory-swap', '-1', 'c'), { 'memory-swap': '-1' })
  t.match(flagsOf('create', '--pid-file', '--bundle', 'c'), { 'pid-file': '--bundle', bundle: undefined })
  t.match(flagsOf('create', '--pid-file=a=b', 'c'), { 'pid-file': 'a=b' })
  t.match(flagsOf('create', '--pid-file=', 'c'), { 'pid-file': '' })
})

t.test('a boolean takes a value only behind =', async (t) => {
  t.match(flagsOf('run', '--detach=false', 'c'), { detach: false })
  t.match(flagsOf('run', '--detach=T', 'c'), { detach: true })
  t.equal(read(['run', '--detach', 'false', 'c']), undefined, 'false is an argument')
})

t.test('a list is repeated, and never split', async (t) => {
  t.same(flagsOf('exec', '-e', 'A=1,2', '--env=B=3', 'c', 'sh')?.env, ['A=1,2', 'B=3'])
})

t.test('the last one counts', async (t) => {
  t.match(flagsOf('create', '--bundle', 'a', '-b', 'b', 'c'), { bundle: 'b' })
  t.match(flagsOf('delete', '--force', '--force=false', 'c'), { force: false })
})

t.test('options may follow the id, except where they belong to somebody else', async (t) => {
  t.match(flagsOf('delete', 'c', '--force'), { force: true })
  t.same(argsOf('exec', 'c', 'ls', '-l', '--env'), ['c', 'ls', '-l', '--env'])
  t.same(argsOf('kill', 'c', '-9'), ['c', '-9'])
  t.same(argsOf('ps', 'c', '--help'), ['c', '--help'])
})

t.test('two dashes end the options', async (t) => {
  t.same(argsOf('delete', '--', '--force'), ['--force'])
  t.same(argsOf('exec', '--', 'c', '--', 'x'), ['c', '--', 'x'])
  t.equal(read(['--', 'state', 'c'])?.command, 'state')
})

t.test('global options stand before the command only', async (t) => {
  t.match(read(['--root=/r', '--log', '/l', '--log-format', 'json', '--debug', 'state', 'c'])?.globals, {
    root: '/r',
    log: '/l',
    'log-format': 'json',
    debug: true
  })
  t.equal(read(['state', '--root=/r', 'c']), undefined)
})

t.test('--version needs no command', async (t) => {
  t.match(read(['--version']), { command: undefined, globals: { version: true } })
  t.match(read(['-v', 'nonsense']), { command: undefined })
})

t.test('what is not well-formed is left to people.ts', async (t) => {
  const lines = [
    '',
    'nonsense',
    '--nonsense',
    'help',
    '--help',
    'state',
    'state a b',
    'state --help a',
    'create --bundle',
    'create --nonsense c',
    'toString'
  ]
  for (const line of [...lines, 'create --preserve-fds=x c', 'run --detach=maybe c', 'create --=x c', 'create ---bundle=x c']) {
    t.equal(read(line.split(' ').filter(Boolean)), undefined, line)
  }
})

t.test('numbers and booleans are those of Go', async (t) => {
  t.same(['0', '-1', '+7', '0x1F', '1e3', '', ' 1', '99999999999999999999'].map(readInteger), [
    0,
    -1,
    7,
    31,
    undefined,
    undefined,
    undefined,
    undefined
  ])
  t.same(['1', 't', 'TRUE', 'F', '0', 'yes', 'tRUE', 'constructor'].map(readBoolean), [
    true,
    true,
    true,
    false,
    false,
    undefined,
    undefined,
    undefined
  ])
})

t.test('an option is split at its first =', async (t) => {
  t.same(splitOption('--a=b=c'), { name: 'a', value: 'b=c' })
  t.same(splitOption('-a'), { name: 'a', value: undefined })
})
