/** Our schema against the specification's own, where a Debian package has installed it. */
import { existsSync } from 'node:fs'
import t from 'tap'
import { DIFFERENCES, INSTALLED, official, paths, replaced } from '../../scripts/official-schemas.ts'
import { pointer, type Segment } from './pointer.ts'
import { everything, minimal, rootless, usual } from './samples.ts'
import { schemaProblems } from './schema.ts'

const REPLACEMENTS: readonly unknown[] = ['x', '', 5, 0, -1, 1.5, true, [], {}, ['x'], [5], 512, 4294967295, 4294967296, 1e30]

const skip = existsSync(INSTALLED) ? false : 'golang-github-opencontainers-specs-dev is not installed'

t.test('agrees with the official schema', { skip }, async (t) => {
  const validate = official(INSTALLED, 'config-schema.json')!
  const accepts = (document: object): boolean => schemaProblems(document, 'Config').length === 0
  // Time namespaces came with 1.1.
  const base = {
    ...everything,
    linux: { ...everything.linux, namespaces: everything.linux?.namespaces?.filter(({ type }) => type !== 'time') }
  }
  for (const document of [minimal, usual, rootless, base]) t.ok(validate(document) && accepts(document))

  /** True when the installed version does not know the field, and so takes anything there. */
  const isUnknown = (path: readonly Segment[]): boolean =>
    path.some((_, i) => [5, 'x', {}, [[]], true].every((value) => validate(replaced(base, path.slice(0, i + 1), value))))

  const used = new Set<string>()
  let compared = 0
  for (const path of paths(base)) {
    if (isUnknown(path)) continue
    for (const value of [undefined, ...REPLACEMENTS]) {
      const document = replaced(base, path, value)
      const [theirs, ours] = [validate(document), accepts(document)]
      compared++
      if (theirs === ours) continue
      const way = theirs ? 'stricter' : 'looser'
      const known = DIFFERENCES.find(([pattern, direction]) => direction === way && pattern.test(pointer(...path)))
      if (known) used.add(known[2])
      else t.fail(`${way} than the official schema at ${pointer(...path)} with ${JSON.stringify(value)}`)
    }
  }
  t.ok(compared > 2000, `${compared} documents compared, ${used.size} kinds of difference, all known`)
})
