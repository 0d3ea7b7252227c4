import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import t from 'tap'
import { manualPages } from './man.ts'
import { globals, table } from './table.ts'
import type { Command } from './types.ts'

const pages = manualPages()

t.test('there is a page for tsrun and for each command, with all that is not hidden', async (t) => {
  t.same([...pages.keys()], ['tsrun.1', ...Object.keys(table).map((name) => `tsrun-${name}.1`)])
  const literal = (name: string): string => `\\fB\\-\\-${name.replaceAll('-', '\\-')}\\fR`
  for (const { name } of globals) t.match(pages.get('tsrun.1'), literal(name))
  for (const [command, { flags }] of Object.entries(table) as [string, Command][]) {
    const page = pages.get(`tsrun-${command}.1`) ?? ''
    for (const { name, hidden } of flags) t.equal(page.includes(literal(name)), hidden !== true, `${command} --${name}`)
  }
})

t.test('nothing is taken for a request, or for a typographic mark', async (t) => {
  for (const [name, page] of pages) {
    for (const line of page.split('\n')) if (/^[.']/.test(line)) t.match(line, /^\.(TH|nh|SH|PP|TP|\\")/, `${name}: ${line}`)
  }
})

/** Linters of the language: what they print must be nothing, but that there is no date. */
const linters: readonly (readonly [path: string, ...args: string[]])[] = [
  ['/usr/bin/mandoc', '-Tlint', '-Wstyle'],
  ['/usr/bin/groff', '-man', '-ww', '-z', '-Tutf8']
]

for (const [path, ...args] of linters) {
  t.test(`${path} has nothing to say`, { skip: existsSync(path) ? false : `needs ${path}` }, async (t) => {
    for (const [name, page] of pages) {
      const { stdout, stderr } = spawnSync(path, args, { input: page, encoding: 'utf8' })
      t.equal(`${stdout}${stderr}`.replace(/^.*missing date, using "".*\n/gm, ''), '', name)
    }
  })
}
