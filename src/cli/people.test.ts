import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { counts, read } from './fast.ts'
import { answer, helpText, type Mistake } from './people.ts'
import { globals, table } from './table.ts'
import type { Command, CommandName, Flag } from './types.ts'

const mistake = async (line: string): Promise<Mistake> => {
  const argv = line.split(' ').filter(Boolean)
  t.equal(read(argv), undefined, line)
  return (await answer(argv)) as Mistake
}

t.test("mistakes are told in runc's words, with its exit statuses", async (t) => {
  const told: [line: string, message: string, status: number, text: RegExp][] = [
    ['foo', "No help topic for 'foo'", 3, /^$/],
    ['help foo', "No help topic for 'foo'", 3, /^$/],
    [
      '--foo list',
      'flag provided but not defined: -foo',
      1,
      /^Incorrect Usage: flag provided but not defined: -foo\n\nNAME:\n {3}tsrun - /
    ],
    ['create -x c', 'flag provided but not defined: -x', 1, /^Incorrect Usage: .*\n\nNAME:\n {3}tsrun create - /],
    ['create', 'tsrun: "create" requires exactly 1 argument(s)', 1, /^Incorrect Usage\.\n\nNAME:\n {3}tsrun create - /],
    ['list x', 'tsrun: "list" requires exactly 0 argument(s)', 1, /^Incorrect Usage\.\n\n/],
    ['kill', 'tsrun: "kill" requires a minimum of 1 and a maximum of 2 argument(s)', 1, /^Incorrect Usage\.\n\n/],
    ['exec', 'tsrun: "exec" requires a minimum of 1 argument(s)', 1, /^Incorrect Usage\.\n\n/],
    ['create --bundle', 'flag needs an argument: --bundle', 1, /^Incorrect Usage: /],
    ['list -q=maybe', 'invalid boolean value "maybe" for -q: parse error', 1, /^Incorrect Usage: /],
    ['create --preserve-fds=x c', 'invalid value "x" for flag -preserve-fds: parse error', 1, /^Incorrect Usage: /]
  ]
  for (const [line, message, status, text] of told) t.match(await mistake(line), { kind: 'mistake', message, status, text }, line)
})

t.test('Podman learns from these two what can be restored', async (t) => {
  t.match((await mistake('restore --lsm-mount-context')).text, /flag needs an argument/)
  t.match(await answer(['checkpoint', '--help']), { kind: 'help' })
})

t.test('what was meant is guessed', async (t) => {
  t.equal((await mistake('strat c')).hint, 'did you mean "start"?')
  t.equal((await mistake('create --bundel=/b c')).hint, 'did you mean "--bundle"?')
  t.equal((await mistake('create --zzzzzz c')).hint, undefined)
})

t.test('a mistake still knows where the log is', async (t) => {
  t.match((await mistake('--log /l --log-format json create')).globals, { log: '/l', 'log-format': 'json' })
})

t.test('help is asked for in many ways, and needs nothing', async (t) => {
  for (const line of ['', 'help', 'h', '--help', '-h', '--root /r', '--help create', 'help help']) {
    t.same(await answer(line.split(' ').filter(Boolean)), { kind: 'help', text: await helpText() }, `tsrun ${line}`)
  }
  for (const name of Object.keys(table) as CommandName[]) {
    const text = await helpText(name)
    for (const argv of [
      ['help', name],
      [name, '--help'],
      [name, '-h'],
      [name, '--help', 'a', 'b']
    ])
      t.same(await answer(argv), { kind: 'help', text }, argv.join(' '))
  }
})

t.test('the help of a command shows its options and examples', async (t) => {
  const text = await helpText('kill')
  t.match(text, /^NAME:\n +tsrun kill - .*\n\nUSAGE:\n +tsrun kill \[options\] <container-id> \[signal\]\n/)
  t.match(text, /\nOPTIONS:\n +-r, --regex .*\n +-h, --help +show help\n/)
  t.match(text, /\nEXAMPLES:\n +tsrun kill web +asks it to end\n/)
  t.notMatch(text, '--all', 'hidden')
  t.match(await helpText('run'), /-b, --bundle DIR +directory of the bundle/)
})

/** The same numbers in every run (a linear congruential generator with the constants of Numerical Recipes). */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const texts = ['/b', '', '-1', '--', '-', 'a,b', 'K=v', '--force', '-h', 'x y', "it's", '0', '007', '1e3', 'true', 'ü', '__proto__', '${x}']
const numerals = ['0', '3', '-1', '0x10', 'x', '']

/** A command line made from the table; about one in four has something wrong with it. */
function commandLine(below: (n: number) => number): string[] {
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!
  const option = (flags: readonly Flag[]): string[] => {
    const flag =
      below(30) === 0
        ? { name: pick(['nonsense', 'B', 'bund', 'no-force']), type: pick(['string', 'boolean'] as const), help: '' }
        : pick(flags)
    const dashed = pick(['-', '--']) + pick([flag.name, ...(flag.alias ?? [])])
    if (flag.type === 'boolean') return below(3) > 0 ? [dashed] : [`${dashed}=${pick(['true', 'false', 'T', '0', 'maybe', ''])}`]
    const value = pick(flag.type === 'number' ? numerals : texts)
    return below(2) === 0 ? [`${dashed}=${value}`] : [dashed, value]
  }
  const some = <T>(most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make)
  const quiet = globals.filter(({ name }) => name !== 'help' && name !== 'version')
  const before = some(3, () => option(below(20) === 0 ? globals : quiet)).flat()
  const name = below(40) === 0 ? 'nonsense' : pick(Object.keys(table) as CommandName[])
  const command: Command = table[name as CommandName] ?? { ...table.state }
  const { min, max } = counts(command)
  const right = min + below(Math.min(max, min + 3) - min + 1)
  const args = Array.from({ length: Math.max(0, right + (below(8) === 0 ? pick([-1, 1]) : 0)) }, () => [
    pick(['c1', 'web', ...(below(5) === 0 ? texts : [])])
  ])
  const options = command.flags.length === 0 ? [] : some(4, () => option(command.flags))
  const ends = below(10) === 0 ? [['--']] : []
  const rest = command.stops
    ? [...options, ...ends, ...args]
    : [...options, ...args, ...ends]
        .map((part) => ({ part, key: below(1000) }))
        .sort((a, b) => a.key - b.key)
        .map(({ part }) => part)
  const line = [...before, name, ...rest.flat()]
  return below(25) === 0 ? line.slice(0, -1) : line
}

t.test('yargs and the fast reader give the same answers', async (t) => {
  const below = numbers(2024)
  const tally = { call: 0, help: 0, mistake: 0 }
  for (let round = 0; round < 400; round++) {
    const argv = commandLine(below)
    const fast = read(argv)
    const slow = await answer(argv)
    tally[slow.kind]++
    const same = fast === undefined ? slow.kind !== 'call' : slow.kind === 'call' && isDeepStrictEqual(slow.call, fast)
    if (!same) t.fail(JSON.stringify({ argv, fast, slow }))
  }
  t.ok(tally.call > 100 && tally.mistake > 50 && tally.help > 0, JSON.stringify(tally))
})
