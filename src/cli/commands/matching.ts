/** `--regex` of kill and delete: one call for many containers, as in crun. */
import type { RuntimeOptions } from '../../container/types.ts'
import { invalidPattern } from '../../errors/wording.cli.ts'

/**
 * Does `action` for each container whose id `pattern` matches anywhere. One that fails does not keep the others from it; the first failure is thrown at the end.
 * @throws TsrunError `usage` for what is no regular expression
 */
export async function forMatching(pattern: string, options: RuntimeOptions, action: (id: string) => Promise<void>): Promise<void> {
  const matches = expression(pattern)
  const { list } = await import('../../container/list.ts')
  const failures: unknown[] = []
  for (const { id } of await list(options)) if (matches.test(id)) await action(id).catch((cause: unknown) => failures.push(cause))
  if (failures.length > 0) throw failures[0]
}

function expression(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (cause) {
    throw invalidPattern(pattern, cause)
  }
}
