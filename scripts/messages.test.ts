/** What is said about a configuration with one mistake: where it is, what is there, what could be, and what was probably meant. */
import t from 'tap'
import { pointer, type Segment } from '../src/config/pointer.ts'
import { everything } from '../src/config/samples.ts'
import { schemaProblems } from '../src/config/schema.ts'
import type { Config } from '../src/config/types.ts'
import { warnings } from '../src/config/warnings.ts'
import { paths, replaced } from './official-schemas.ts'

/** Maps whose keys are the user's own, so that none is misspelt. */
const OWN_KEYS = /^\/(annotations|linux\/(sysctl|netDevices|timeOffsets|resources\/(rdma|unified)))\/[^/]+$/

const valueAt = (path: readonly Segment[]): unknown =>
  path.reduce<unknown>((value, segment) => (value as Record<Segment, unknown>)[segment], everything)

/** Without one letter of its second half: names are told apart by how they begin. */
const misspelt = (name: string): string => name.slice(0, -2) + name.slice(-1)

t.test('a misspelt property: the name that was meant, and where', async (t) => {
  let tried = 0
  for (const path of paths(everything)) {
    const name = path.at(-1)!
    if (typeof name === 'number' || name.length < 4 || OWN_KEYS.test(pointer(...path))) continue
    const wrong = [...path.slice(0, -1), misspelt(name)]
    const document = replaced(replaced(everything, path, undefined), wrong, valueAt(path))
    const problems = schemaProblems(document, 'Config')
    const said = problems.length > 0 ? problems : warnings(document as Config)
    const about = said.filter(({ pointer: place }) => place === pointer(...wrong) || place === pointer(...path))
    tried++
    if (!about.some(({ message }) => message.includes(`"${name}"`))) t.fail(`${pointer(...wrong)}: ${JSON.stringify(said)}`)
  }
  t.ok(tried > 150, `${tried} properties`)
})

t.test('a misspelt value of a list of values: the value, all that are allowed, the one that was meant, and where', async (t) => {
  let tried = 0
  for (const path of paths(everything)) {
    const value = valueAt(path)
    if (typeof value !== 'string' || value.length < 4) continue
    const place = pointer(...path)
    const problem = schemaProblems(replaced(everything, path, `${value}q`), 'Config').find((each) => each.pointer === place)
    if (!problem?.message.startsWith('must be one of')) continue
    tried++
    t.ok(
      problem.message.includes(`not "${value}q"`) && problem.message.includes(`did you mean "${value}"?`),
      `${place}: ${problem.message}`
    )
  }
  t.ok(tried > 15, `${tried} values`)
})
