import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { TsrunError } from '../errors/error.ts'
import { checkConfig, loadConfig, parseConfig, parseProcess } from './load.ts'
import { minimal, rootless, usual } from './samples.ts'
import type { Config } from './types.ts'

const refusal = (action: () => unknown): TsrunError => {
  try {
    action()
  } catch (error) {
    if (error instanceof TsrunError) return error
    throw error
  }
  throw new Error('was accepted')
}
const parse = (config: object): Config => parseConfig(JSON.stringify(config), 'config.json')

t.test('accepts what it should, frozen and unchanged', async (t) => {
  for (const config of [minimal, usual, rootless]) {
    const parsed = parse(config)
    t.strictSame(parsed, config)
    t.ok(Object.isFrozen(parsed) && Object.isFrozen(parsed.process))
  }
})

t.test('keeps unknown properties, and other platforms', async (t) => {
  t.ok(parse({ ...minimal, windows: { layerFolders: [] }, 'com.example': [1] }))
})

t.test('reports all problems at once, with their places, in the order of the text', async (t) => {
  const text = `{
  "ociVersion": "1.0.2",
  "root": { "path": 5 },
  "process": { "cwd": "tmp", "args": [] },
  "linux": {
    "rootfsPropagation": "prvate",
    "namespaces": [ { "type": "pid" }, { "type": "pid" }, { "type": "nett" } ]
  }
}`
  const error = refusal(() => parseConfig(text, '/b/config.json'))
  t.equal(error.code, 'config')
  t.equal(
    error.message,
    `/b/config.json has 6 problems:
  3:21: must be a string, not 5 [/root/path]
  4:23: Cwd must be an absolute path, not "tmp" [/process/cwd]
  4:38: args must not be empty [/process/args]
  6:26: must be one of "", "shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable", not "prvate" (did you mean "private"?) [/linux/rootfsPropagation]
  7:50: duplicated ns "pid" [/linux/namespaces/1/type]
  7:69: must be one of "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time", not "nett" [/linux/namespaces/2/type]`
  )
  t.match(error.problems, [{ pointer: '/root/path', line: 3, column: 21, message: 'must be a string, not 5' }])
  t.equal(error.problems?.length, 6)
})

t.test('one problem makes one line', async (t) => {
  const error = refusal(() => parseConfig('{"ociVersion":"1.0.0","root":{"path":"r"}}', 'c.json'))
  t.equal(error.message, 'c.json:1:1: process property must not be empty [/process]')
  t.equal(error.pointer, '/process')
})

t.test('what only this version cannot do has a code of its own', async (t) => {
  const error = refusal(() => parse({ ...minimal, linux: { personality: { domain: 'LINUX', flags: ['x'] } } }))
  t.match(error, { code: 'unsupported', pointer: '/linux/personality/flags', message: /flags of the personality are not supported/ })
})

t.test('does not judge what rests on a place that the schema refused', async (t) => {
  const error = refusal(() => parse({ ...minimal, hostname: 'h', linux: { namespaces: 5, maskedPaths: ['/a'] } }))
  t.strictSame(
    error.problems?.map((problem) => problem.pointer),
    ['/linux/namespaces']
  )
  t.equal(refusal(() => parse({ ...minimal, process: [] })).problems?.length, 1)
})

t.test('names a missing property, and the misspelt one that stands there', async (t) => {
  const error = refusal(() => parse({ ...minimal, process: { args: ['sh'], cwdd: '/' } }))
  t.match(error, { pointer: '/process/cwd', message: /"cwd" is missing; did you misspell it as "cwdd"\?/ })
})

t.test('values that JSON cannot carry well', async (t) => {
  const limits = (soft: string): string =>
    `{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"cwd":"/","args":["a"],"rlimits":[{"type":"RLIMIT_CORE","soft":${soft},"hard":18446744073709551615}]}}`
  t.equal(parseConfig(limits('18446744073709551615'), 'c').process?.rlimits?.[0]?.soft, 18446744073709551615n)
  t.equal(parseConfig(limits('9007199254740993'), 'c').process?.rlimits?.[0]?.soft, 9007199254740993n)
  t.equal(parseConfig(limits('1024'), 'c').process?.rlimits?.[0]?.soft, 1024)
  const at = '/process/rlimits/0/soft'
  for (const [value, shown] of [
    ['18446744073709551616', '18446744073709551616'],
    ['-1', '-1'],
    ['1.5', '1.5'],
    ['1e400', 'a number beyond 1.8e308'],
    ['"1"', '"1"']
  ] as const) {
    t.match(
      refusal(() => parseConfig(limits(value), 'c')),
      { pointer: at, message: `must be an integer from 0 to 18446744073709551615, not ${shown} [${at}]` }
    )
  }
  const uid =
    (value: string): (() => unknown) =>
    () =>
      parseConfig(`{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"cwd":"/","args":["a"],"user":{"uid":${value}}}}`, 'c')
  t.match(refusal(uid('4294967295')), { pointer: '/process/user/uid', message: /must be at most 4294967294, not 4294967295/ })
  t.match(refusal(uid('18446744073709551615')), { message: /must be an integer of at most 53 bits, not 18446744073709551615/ })
  t.match(refusal(uid('1e400')), { message: /must be an integer, not a number beyond/ })
  t.match(refusal(uid('0.5')), { message: /must be an integer, not 0.5/ })
  t.doesNotThrow(uid('-0'))
})

t.test('documents that are none', async (t) => {
  t.match(
    refusal(() => parseConfig('', 'c.json')),
    { code: 'config', message: 'c.json:1:1: is empty' }
  )
  t.match(
    refusal(() => parseConfig('[]', 'c.json')),
    { message: /must be an object, not a list/ }
  )
  t.match(
    refusal(() => parseConfig('18446744073709551615', 'c.json')),
    { message: /must be an object/ }
  )
  t.match(
    refusal(() => parseConfig('{"a":\n}', 'c.json')),
    { message: 'c.json:2:1: is not JSON: expected a value, found "}"' }
  )
  t.match(
    refusal(() => parseConfig('{}', 'c.json')),
    { message: /"ociVersion" is missing/ }
  )
  t.match(
    refusal(() => parseConfig('{"ociVersion":"1.4.0","root":{"path":"r"},"process":{"cwd":"/","args":["a"]}}', 'c.json')),
    { pointer: '/ociVersion' }
  )
})

t.test('a hostile document has as many problems as a person can read', async (t) => {
  const error = refusal(() => parse({ ...minimal, process: { ...minimal.process, args: new Array(100_000).fill(1) } }))
  t.equal(error.problems?.length, 200)
  t.match(error.message, /99801 more problems are not listed/)
})

t.test('process.json', async (t) => {
  t.match(parseProcess('{"cwd":"/","args":["ls"],"user":{"uid":1,"gid":1}}', 'p.json'), { args: ['ls'] })
  const error = refusal(() =>
    parseProcess('{"cwd":"x","env":["A"],"rlimits":[{"type":"RLIMIT_X","soft":1,"hard":1}],"args":["\\u0000"]}', 'p.json')
  )
  t.strictSame(
    error.problems?.map((problem) => problem.pointer),
    ['/cwd', '/env/0', '/rlimits/0/type', '/args/0']
  )
  t.match(parseProcess('{"cwd":"/","args":["ls"],"execCPUAffinity":{"initial":"0"}}', 'p.json'), { execCPUAffinity: { initial: '0' } })
})

t.test('a config that a program made', async (t) => {
  const made = { ...minimal, hostname: undefined }
  t.ok(Object.isFrozen(checkConfig(made)))
  t.notOk(Object.isFrozen(made))
  t.match(
    refusal(() => checkConfig({ ...minimal, root: {} })),
    { message: 'config: "path" is missing [/root/path]' }
  )
  t.match(
    refusal(() => checkConfig(undefined)),
    { message: /must be an object, not undefined/ }
  )
})

t.test('reads a bundle', async (t) => {
  const bundle = t.testdir({ 'config.json': JSON.stringify(usual) })
  const { config, text } = loadConfig(bundle)
  t.strictSame(config, usual)
  t.equal(text, JSON.stringify(usual))
})

t.test('bundles that cannot be read', async (t) => {
  const dir = t.testdir({ empty: {}, directory: { 'config.json': {} }, file: '' })
  t.match(
    refusal(() => loadConfig(join(dir, 'empty'))),
    { code: 'bundle', message: /^JSON specification file config.json not found in "/ }
  )
  t.match(
    refusal(() => loadConfig(join(dir, 'none'))),
    { code: 'bundle', message: /^JSON specification file config.json not found: there is no directory "/ }
  )
  t.match(
    refusal(() => loadConfig(join(dir, 'file'))),
    { code: 'bundle', message: /^JSON specification file config.json not found/ }
  )
  t.match(
    refusal(() => loadConfig(join(dir, 'directory'))),
    { code: 'bundle', message: /is not a regular file/ }
  )
  mkdirSync(join(dir, 'loop'))
  symlinkSync('config.json', join(dir, 'loop/config.json'))
  t.match(
    refusal(() => loadConfig(join(dir, 'loop'))),
    { code: 'bundle', errno: 'ELOOP' }
  )
  mkdirSync(join(dir, 'fifo'))
  execFileSync('mkfifo', [join(dir, 'fifo/config.json')])
  t.match(
    refusal(() => loadConfig(join(dir, 'fifo'))),
    { code: 'bundle', message: /is not a regular file/ }
  )
})

t.test('files with odd bytes', async (t) => {
  const file = (content: string | Buffer): string => t.testdir({ 'config.json': content as string })
  const text = JSON.stringify({ ...minimal, annotations: { a: 'ö�' } })
  t.ok(loadConfig(file(text)), 'U+FFFD itself is text')
  t.equal(loadConfig(file(`\ufeff${text}`)).text, text, 'a byte order mark is left out')
  const bundle = t.testdir({})
  writeFileSync(join(bundle, 'config.json'), Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xc0]), Buffer.from('"}')]))
  t.match(
    refusal(() => loadConfig(bundle)),
    { code: 'config', message: /must be UTF-8/ }
  )
  writeFileSync(join(bundle, 'config.json'), Buffer.alloc(0))
  t.match(
    refusal(() => loadConfig(bundle)),
    { message: /is empty/ }
  )
  writeFileSync(join(bundle, 'config.json'), Buffer.alloc((16 << 20) + 1, ' '))
  t.match(
    refusal(() => loadConfig(bundle)),
    { code: 'bundle', message: /more than 16777216 are refused/ }
  )
  writeFileSync(join(bundle, 'config.json'), '['.repeat(5 << 20) + ']'.repeat(5 << 20))
  t.match(
    refusal(() => loadConfig(bundle)),
    { code: 'config', message: /deeper than 128 levels/ }
  )
})
