/** `tsrun events` */
import { formatStatistics } from '../../cgroup/stats.ts'
import { events, stats } from '../../container/events.ts'
import type { ContainerEvent } from '../../container/types.ts'
import { invalidDuration } from '../../errors/wording.cli.ts'
import type { Main } from '../commands.ts'
import { parseDuration } from '../duration.ts'
import { print } from '../print.ts'

/** Prints until the container ends, or somebody ends us. */
export const main: Main<'events'> = async ({ args, flags, options }) => {
  const intervalMs = parseDuration(flags.interval)
  if (intervalMs === undefined) throw invalidDuration('interval', flags.interval)
  const [id] = args
  if (flags.stats) {
    print(lineOf(await stats(id!, options)))
    return 0
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  for await (const event of events(id!, { ...options, intervalMs, signal: stop.signal })) print(lineOf(event))
  return 0
}

const lineOf = (event: ContainerEvent): string => `${formatStatistics(event)}\n`
