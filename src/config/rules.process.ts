/** Checks of a process: that of config.json and that of `exec --process`. Pointers are relative to it. */
import { capabilityNumber } from '../abi/capability.ts'
import type { Problem } from '../errors/error.ts'
import { known } from '../errors/wording.config.ts'
import { pointer } from './pointer.ts'
import type { RuleOf } from './rules.ts'
import { show } from './schema.ts'
import type { Process, Rlimit, Scheduler } from './types.ts'

/** NGROUPS_MAX of linux/limits.h. */
const GROUPS_MAX = 65536

export const processRules: readonly RuleOf<Process>[] = [
  {
    name: 'process-args',
    why: 'config.md#process: at least one entry',
    check: ({ args }) => (args === undefined || args.length === 0 ? [{ pointer: '/args', message: known.noArgs }] : [])
  },
  {
    name: 'process-cwd',
    why: 'config.md#process: absolute',
    check: ({ cwd }) => (cwd.startsWith('/') ? [] : [{ pointer: '/cwd', message: `${known.cwd}, not ${show(cwd)}` }])
  },
  {
    name: 'process-env',
    why: 'environ(7): entries are name=value',
    check: ({ env }) => (env ?? []).flatMap((entry, i) => environmentProblems(entry, pointer('env', i)))
  },
  {
    name: 'groups',
    why: 'setgroups(2): EINVAL beyond NGROUPS_MAX',
    check: ({ user }) =>
      (user?.additionalGids?.length ?? 0) > GROUPS_MAX
        ? [{ pointer: '/user/additionalGids', message: `must have at most ${GROUPS_MAX} entries` }]
        : []
  },
  {
    name: 'rlimit-duplicates',
    why: 'config.md#posix-process: duplicates must be an error',
    check: ({ rlimits }) => (rlimits ? duplicateLimits(rlimits) : [])
  },
  {
    name: 'rlimit-order',
    why: 'setrlimit(2): EINVAL when the soft limit is above the hard one',
    check: ({ rlimits }) =>
      (rlimits ?? []).flatMap(({ type, soft, hard }, i) =>
        soft > hard
          ? [
              {
                pointer: pointer('rlimits', i, 'soft'),
                message: `the soft limit of ${type} must not exceed the hard one, ${hard}; it is ${soft}`
              }
            ]
          : []
      )
  },
  {
    name: 'effective-capabilities',
    why: 'capset(2): EPERM when the effective set has what the permitted set has not',
    check: ({ capabilities }) =>
      (capabilities?.effective ?? []).flatMap((name, i) =>
        // An unknown name is warned about and left out.
        capabilityNumber(name) === undefined || capabilities?.permitted?.includes(name)
          ? []
          : [{ pointer: pointer('capabilities', 'effective', i), message: `${show(name)} must be in "permitted" as well to be effective` }]
      )
  },
  {
    name: 'scheduler',
    why: 'config.md#linux-process, sched_setattr(2): EINVAL',
    check: ({ scheduler }) => (scheduler ? schedulerProblems(scheduler) : [])
  }
]

function environmentProblems(entry: string, at: string): readonly Problem[] {
  const equals = entry.indexOf('=')
  if (equals > 0) return []
  return [{ pointer: at, message: `${equals < 0 ? known.noEquals : known.noName}: ${show(entry)}` }]
}

function duplicateLimits(rlimits: readonly Rlimit[]): readonly Problem[] {
  const first = new Map<string, number>()
  return rlimits.flatMap(({ type }, i) => {
    const other = first.get(type)
    if (other === undefined) first.set(type, i)
    return other === undefined
      ? []
      : [{ pointer: pointer('rlimits', i, 'type'), message: `must not repeat ${show(type)}, which entry ${other} limits` }]
  })
}

const REALTIME = ['SCHED_FIFO', 'SCHED_RR']

function schedulerProblems({ policy, nice, priority, runtime, deadline, period }: Scheduler): readonly Problem[] {
  const problems: Problem[] = []
  const say = (key: string, message: string) => problems.push({ pointer: `/scheduler/${key}`, message })
  if (nice && policy !== 'SCHED_OTHER' && policy !== 'SCHED_BATCH')
    say('nice', `must be 0 with ${policy}: only SCHED_OTHER and SCHED_BATCH have it`)
  if (priority && !REALTIME.includes(policy)) say('priority', `must be 0 with ${policy}: only SCHED_FIFO and SCHED_RR have it`)
  if (REALTIME.includes(policy) && !(priority && priority >= 1 && priority <= 99))
    say('priority', `must be from 1 to 99 with ${policy}, not ${priority ?? 0}`)
  for (const [key, value] of Object.entries({ runtime, deadline, period })) {
    if (value && policy !== 'SCHED_DEADLINE') say(key, `must be 0 with ${policy}: only SCHED_DEADLINE has it`)
  }
  if (policy === 'SCHED_DEADLINE' && !((runtime ?? 0) > 0 && (runtime ?? 0) <= (deadline ?? 0) && (!period || (deadline ?? 0) <= period))) {
    say('runtime', `must satisfy 0 < runtime <= deadline <= period, not ${runtime ?? 0}, ${deadline ?? 0}, ${period ?? 0}`)
  }
  return problems
}
