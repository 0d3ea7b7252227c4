import t from 'tap'
import { commands } from './commands.ts'
import { counts } from './fast.ts'
import { globals, help, table } from './table.ts'
import type { Command, Flag } from './types.ts'

const all: [string, Command][] = Object.entries(table)

const parts: [string, readonly Flag[]][] = [
  ['global', globals],
  ...all.map(([name, { flags }]) => [name, [...flags, help]] as [string, readonly Flag[]])
]

t.test('names of options are unique within a command, and short ones have one letter', async (t) => {
  for (const [name, flags] of parts) {
    const names = flags.flatMap((flag) => [flag.name, ...(flag.alias ?? [])])
    t.equal(new Set(names).size, names.length, name)
    for (const flag of flags) {
      t.match(flag.name, /^[a-z][a-z0-9-]+$/, `${name} --${flag.name}`)
      for (const alias of flag.alias ?? []) t.match(alias, /^[a-z]$/, `${name} -${alias}`)
    }
  }
})

t.test('an option with a value says what stands for it, and its default has its type', async (t) => {
  for (const [name, flags] of parts) {
    for (const flag of flags) {
      t.equal(flag.value === undefined, flag.type === 'boolean', `${name} --${flag.name}`)
      if (flag.default !== undefined) t.equal(typeof flag.default, flag.type, `${name} --${flag.name}`)
    }
  }
})

t.test('optional positionals come last', async (t) => {
  for (const [name, { positionals }] of all) {
    const { min } = counts(table[name as keyof typeof table])
    t.ok(
      positionals.slice(min).every(({ optional }) => optional),
      name
    )
    t.ok(
      positionals.slice(0, -1).every(({ rest }) => rest !== true),
      name
    )
  }
})

t.test('every command has an example that calls it', async (t) => {
  for (const [name, { examples }] of all) {
    t.not(examples.length, 0, name)
    for (const [line] of examples) t.match(line, new RegExp(`tsrun .*${name}`), name)
  }
})

t.test('every command can be loaded, and nothing else is listed', async (t) => {
  t.same(Object.keys(commands).sort(), all.map(([name]) => name).sort())
  for (const load of Object.values(commands)) t.type((await load()).main, 'function')
})
