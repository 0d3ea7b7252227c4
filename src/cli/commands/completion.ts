/** `tsrun completion` */
import type { RuntimeOptions } from '../../container/types.ts'
import type { Main } from '../commands.ts'
import { candidates, completionScript } from '../completion.ts'
import { print } from '../print.ts'

export const main: Main<'completion'> = async ({ flags, args, options }) => {
  if (!flags.words) print(completionScript(args[0]))
  else print((await candidates(args, () => ids(options))).map((line) => `${line}\n`).join(''))
  return 0
}

/** The ids of all containers; none where they cannot be read, because there is nobody to tell. */
async function ids(options: RuntimeOptions): Promise<string[]> {
  try {
    const { list } = await import('../../container/list.ts')
    return (await list(options)).map(({ id }) => id)
  } catch {
    return []
  }
}
