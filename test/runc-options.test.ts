/** Our list of runc's options, beside the help of a runc that is here; one that is older has fewer. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { readRuncOption, runc } from '../src/cli/runc.ts'
import { needs } from './harness.ts'

/** Options that runc has had: `--criu` until 1.4. */
const GONE = ['criu']

/** The lines of a help page that describe an option: `   --bundle value, -b value     path to …`. */
const optionsOf = (help: string): string[] =>
  [...help.matchAll(/^ {3}(--[\w-]+(?: value)?(?:, -\w(?: value)?)?)(?: {2}|$)/gm)].map(([, spelling = '']) => spelling)

t.test('what runc shows in its help', { skip: needs({ commands: ['runc'] }) }, async (t) => {
  for (const [name, entries] of Object.entries(runc)) {
    const { stdout } = spawnSync('runc', name === 'global' ? ['--help'] : [name, '--help'], { encoding: 'utf8' })
    const shown = optionsOf(stdout).map(readRuncOption)
    if (name === 'exec') t.ok(shown.length > 8, 'the page can be read')
    for (const option of shown.filter((each) => !GONE.includes(each.name))) {
      const known = entries.map(readRuncOption).find((each) => each.name === option.name)
      t.equal(known?.spelling.replaceAll('...', ''), option.spelling, `${name} ${option.spelling}`)
    }
  }
})
