/** `tsrun completion` */
import type { RuntimeOptions } from '../../container/types.ts'
import type { Main } from '../commands.ts'
import { type Candidate, candidates, completionScript } from '../completion.ts'
import { print } from '../print.ts'

export const main: Main<'completion'> = async ({ flags, args, options }) => {
  if (flags.words) {
    const found = await candidates(args, (root) => containers({ ...options, ...(root === undefined ? {} : { root }) }))
    print(found.map(({ word, what }) => (flags.describe && what !== '' ? `${word}\t${what}\n` : `${word}\n`)).join(''))
  } else print(completionScript(args[0]))
  return 0
}

/** All containers; none where they cannot be read, because there is nobody to tell. */
async function containers(options: RuntimeOptions): Promise<readonly Candidate[]> {
  try {
    const { list } = await import('../../container/list.ts')
    return (await list(options)).map(({ id, status }) => ({ word: id, what: status }))
  } catch {
    return []
  }
}
