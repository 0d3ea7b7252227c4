/** The suite itself: its requirements are distinct. */
import t from 'tap'
import { cases } from './chapters.ts'
import { title } from './requirement.ts'

t.test('every requirement is distinct, and names document, heading and keyword', async (t) => {
  const titles = cases.flatMap(({ requirements }) => requirements.map(title))
  t.same(
    titles.filter((each, i) => titles.indexOf(each) !== i),
    []
  )
  t.same(
    titles.filter(
      (each) => !/^(runtime|runtime-linux|config|config-linux)\.md#[a-z0-9-]+ (MUST|MUST NOT|REQUIRED|SHOULD|SHOULD NOT): ./.test(each)
    ),
    []
  )
})
