import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const main = fileURLToPath(new URL('./main.js', import.meta.url))
const BAD = ['--root', '/nonexistent', 'start', 'a/b']

/** Standard error of a command that fails, with a hint or without. */
const stderr = (env: Readonly<Record<string, string>>, args: readonly string[]): string =>
  spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env }).stderr

/** The same on a terminal, where script(1) puts both outputs together. */
const onTerminal = (env: Readonly<Record<string, string>>, args: readonly string[]): string =>
  spawnSync('script', ['-q', '-c', [process.execPath, main, ...args].join(' '), '/dev/null'], { encoding: 'utf8', env }).stdout

const needsScript = existsSync('/usr/bin/script') ? false : 'needs script'
const PATH = process.env.PATH ?? ''

t.test('nothing is coloured where nobody looks', async (t) => {
  t.match(stderr({ TERM: 'xterm' }, BAD), /^tsrun: invalid container ID/)
  t.notMatch(stderr({ TERM: 'xterm' }, ['nonsense']), '\x1b')
})

t.test('FORCE_COLOR and NO_COLOR', async (t) => {
  t.match(stderr({ FORCE_COLOR: '1' }, BAD), '\x1b[31mtsrun:\x1b[0m invalid container ID')
  t.match(stderr({ FORCE_COLOR: '' }, ['nonsense']), '\n\x1b[36mhint:\x1b[0m show all')
  t.match(stderr({ FORCE_COLOR: '1' }, ['--log', '/dev/null', 'exec', 'a/b', 'ls']), '\x1b[31mexec failed:\x1b[0m ')
  t.match(stderr({ FORCE_COLOR: '1' }, ['create', '--bundle', '/nonexistent', 'c']), '\x1b[31mtsrun create failed:\x1b[0m JSON')
  for (const value of ['0', 'false']) t.notMatch(stderr({ FORCE_COLOR: value }, BAD), '\x1b')
  t.notMatch(stderr({ FORCE_COLOR: '1', NO_COLOR: '1' }, BAD), '\x1b')
  t.notMatch(stderr({ FORCE_COLOR: '1' }, ['--log-format', 'json', ...BAD]), '\x1b', 'a log for programs')
})

t.test('a terminal', { skip: needsScript }, async (t) => {
  t.match(onTerminal({ PATH, TERM: 'xterm' }, BAD), '\x1b[31mtsrun:\x1b[0m invalid container ID')
  t.match(onTerminal({ PATH, TERM: 'xterm' }, ['--help']), '\x1b[1mCOMMANDS:\x1b[0m')
  t.notMatch(onTerminal({ PATH, TERM: 'dumb' }, BAD), '\x1b')
  t.notMatch(onTerminal({ PATH, TERM: 'xterm', NO_COLOR: '1' }, BAD), '\x1b')
})
