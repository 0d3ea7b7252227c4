/** `tsrun kill` */
import { parseSignal } from '../../abi/signals.ts'
import { kill } from '../../container/kill.ts'
import { unknownSignal } from '../../errors/wording.cli.ts'
import type { Main } from '../commands.ts'

export const main: Main<'kill'> = async ({ args, flags, options }) => {
  // As in runc, an empty one is one that was not given.
  const [id, name] = args
  const signal = parseSignal(name || 'SIGTERM')
  if (signal === undefined) throw unknownSignal(name!)
  const one = (id: string): Promise<void> => kill(id, signal, { ...options, all: flags.all })
  if (flags.regex) await (await import('./matching.ts')).forMatching(id!, options, one)
  else await one(id!)
  return 0
}
