import t from 'tap'
import { cases } from '../../conformance/chapters.ts'
import { title } from '../../conformance/requirement.ts'
import { PARTS } from './parts.ts'

t.test('every requirement is in one part, so that npm test holds tsrun to all', async (t) => {
  const wanted = Object.values(PARTS).flat()
  const titles = cases.flatMap(({ requirements }) => requirements.map(title))
  t.same(
    titles.filter((each) => wanted.filter((prefix) => each.startsWith(prefix)).length !== 1),
    []
  )
  t.ok(titles.length > 700)
})
