import t from 'tap'
import { isSame, readRuncOption, runc } from './runc.ts'
import { globals, table } from './table.ts'
import type { Command, Flag } from './types.ts'

const ours: Readonly<Record<string, readonly Flag[]>> = {
  global: globals,
  ...Object.fromEntries((Object.entries(table) as [string, Command][]).map(([name, { flags }]) => [name, flags]))
}

t.test('an entry is taken apart', async (t) => {
  t.same(readRuncOption('--env value..., -e value...'), {
    spelling: '--env value..., -e value...',
    name: 'env',
    alias: 'e',
    takes: 'values',
    default: undefined,
    hidden: false
  })
  t.match(readRuncOption('--interval value (default: 5s)'), { spelling: '--interval value', takes: 'value', default: '5s' })
  t.match(readRuncOption('--all, -a (hidden)'), { name: 'all', alias: 'a', takes: 'nothing', hidden: true })
})

t.test('every command and option of runc is here, and takes the same', async (t) => {
  for (const [name, options] of Object.entries(runc)) {
    t.ok(ours[name], name)
    for (const option of options.map(readRuncOption)) {
      const flag = ours[name]?.find((each) => each.name === option.name)
      t.ok(flag !== undefined && isSame(flag, option), `${name} ${option.spelling}`)
    }
  }
})

t.test('what is ours alone says so', async (t) => {
  for (const [name, flags] of Object.entries(ours)) {
    const command: Command | undefined = table[name as keyof typeof table]
    if (command !== undefined) t.equal(command.runc !== false, name in runc, name)
    if (command?.runc === false) continue
    for (const flag of flags) {
      const theirs = (runc[name] ?? []).map(readRuncOption).some((option) => option.name === flag.name)
      t.equal(flag.runc !== false, theirs, `${name} --${flag.name}`)
    }
  }
})
