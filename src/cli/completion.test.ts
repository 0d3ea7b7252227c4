import t from 'tap'
import { candidates, completionScript } from './completion.ts'

const complete = (line: string) => candidates(line.split(' '), async () => ['web', 'worker'])

t.test('commands and options are completed', async (t) => {
  t.same(await complete('st'), ['start', 'state'])
  t.same(await complete('--root /r --debug sta'), ['start', 'state'])
  t.same(await complete('--log'), ['--log', '--log-format'])
  t.same(await complete('spec --'), ['--bundle', '--rootless', '--help'])
  t.same(await complete('kill --a'), [], 'hidden')
  t.same(await complete('completion '), ['bash', 'zsh'])
})

t.test('ids are completed where a container must exist', async (t) => {
  t.same(await complete('delete --force w'), ['web', 'worker'])
  t.same(await complete('create w'), [])
  t.same(await complete('kill web '), [])
})

t.test('nothing is offered where a value is due, or after the end of the options', async (t) => {
  t.same(await complete('create --bundle w'), [])
  t.same(await complete('create --bundle=/b --pid-file '), [])
  t.same(await complete('exec web --'), [])
  t.same(await complete('nonsense --'), [])
})

t.test('there is a script for bash and one for zsh', async (t) => {
  t.match(completionScript(), 'complete -o default -F _tsrun tsrun')
  t.match(completionScript('zsh'), '#compdef tsrun')
  t.throws(() => completionScript('csh'), { code: 'usage' })
})
