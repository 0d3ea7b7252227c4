import { readlinkSync } from 'node:fs'
import t from 'tap'
import { externalFiles, inherited, parseStreams, readStreams } from './streams.ts'

t.test('streams by their names', async (t) => {
  const streams = readStreams(process.pid)
  t.equal(streams.length, 3)
  for (const [fd, name] of streams.entries())
    t.equal(name, readlinkSync(`/proc/self/fd/${fd}`), 'in our own mount namespace none is foreign')
})

t.test('what is left out, and what takes its place', async (t) => {
  const streams = ['file[1a:2b]', 'pipe:[77]', 'pipe:[77]']
  t.same(externalFiles(streams), ['file[1a:2b]'])
  t.same(inherited(streams), [
    { key: 'ile[1a:2b]', stream: 0 },
    { key: 'pipe:[77]', stream: 1 }
  ])
  t.same(inherited(['/dev/null', '', 'socket:[1]']), [])
})

t.test('names in the images', async (t) => {
  t.same(parseStreams('["/dev/null","pipe:[1]","pipe:[2]","pipe:[3]"]'), ['/dev/null', 'pipe:[1]', 'pipe:[2]'])
  t.same(parseStreams('{}'), [])
  t.throws(() => parseStreams('['), SyntaxError)
})
