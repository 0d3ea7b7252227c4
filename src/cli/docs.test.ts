import t from 'tap'
import { cliPage } from './docs.ts'
import { globals, table } from './table.ts'
import type { Command } from './types.ts'

t.test('docs/cli.md names every command and option', async (t) => {
  const page = cliPage()
  for (const [name, { flags }] of Object.entries(table) as [string, Command][]) {
    const from = page.indexOf(`\n## ${name}\n`)
    t.ok(from > 0, name)
    const section = page.slice(from, page.indexOf('\n## ', from + 1) >>> 0)
    for (const flag of flags) t.match(section, `--${flag.name}`, `${name} --${flag.name}`)
  }
  for (const flag of globals) t.match(page, `--${flag.name}`)
  t.notMatch(page, '| missing |')
})
