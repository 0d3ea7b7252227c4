import t from 'tap'
import { candidates, completionScript } from './completion.ts'

const CONTAINERS = [
  { word: 'web', what: 'running' },
  { word: 'worker', what: 'stopped' }
]

const complete = async (line: string) => (await candidates(line.split(' '), async () => CONTAINERS)).map(({ word }) => word)

t.test('commands and options are completed', async (t) => {
  t.same(await complete('st'), ['start', 'state'])
  t.same(await complete('--root /r --debug sta'), ['start', 'state'])
  t.same(await complete('--log'), ['--log', '--log-format'])
  t.same(await complete('spec --'), ['--bundle', '--rootless', '--help'])
  t.same(await complete('kill --a'), [], 'hidden')
  t.same(await complete('completion '), ['bash', 'zsh', 'fish'])
  t.same(await complete('help re'), ['resume', 'restore'])
  t.same(await complete('help resume '), [])
})

t.test('what they mean is told', async (t) => {
  t.match(await candidates(['kil'], async () => []), [{ word: 'kill', what: /^send a signal/ }])
  t.match(await candidates(['run', '--ke'], async () => []), [{ word: '--keep', what: /^keep/ }])
})

t.test('ids are completed where a container must exist', async (t) => {
  t.same(await complete('delete --force w'), ['web', 'worker'])
  t.same(await complete('create w'), [])
  t.same(await complete('exec web '), [])
  const roots: unknown[] = []
  const containers = async (root: string | undefined) => [{ word: String(roots.push(root)), what: '' }]
  for (const line of ['state ', '--root /r state ', '--root=/r --debug state ', '--root = /r state '])
    await candidates(line.split(' '), containers)
  t.same(roots, [undefined, '/r', '/r', '/r'])
})

t.test('values are completed where there are few', async (t) => {
  t.same(await complete('--log-format '), ['text', 'json'])
  t.same(await complete('--log-format=j'), ['--log-format=json'])
  t.same(await complete('list -f='), ['-f=table', '-f=json'])
  t.same(await complete('--log-format = j'), ['json'], 'three words, as bash takes it')
  t.same(await complete('--log-format ='), ['text', 'json'])
  t.same(await complete('kill web TE'), ['TERM'])
})

t.test('nothing is offered where a value is due, or after the end of the options', async (t) => {
  t.same(await complete('create --bundle w'), [])
  t.same(await complete('create --bundle=/b --pid-file '), [])
  t.same(await complete('create --bundle=/'), [])
  t.same(await complete('exec web --'), [])
  t.same(await complete('nonsense --'), [])
})

t.test('there is a script for each shell', async (t) => {
  t.match(completionScript(), 'complete -o default -F _tsrun tsrun')
  t.match(completionScript('zsh'), '#compdef tsrun')
  t.match(completionScript('fish'), 'complete -c tsrun')
  for (const name of ['csh', 'toString']) t.throws(() => completionScript(name), { code: 'usage', hint: 'use bash, zsh or fish' })
})
