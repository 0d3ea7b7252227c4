/** How much of the machine the process gets beside its cgroup: CPU scheduler, I/O priority, NUMA nodes. All of it survives execve(2). */
import { IOPRIO_CLASS_SHIFT, IOPRIO_CLASSES, IOPRIO_WHO_PROCESS } from '../../abi/ioprio.ts'
import { MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES } from '../../abi/mempolicy.ts'
import { SCHEDULER_FLAGS, SCHEDULER_POLICIES } from '../../abi/sched.ts'
import type { MemoryPolicy, Scheduler } from '../../config/types.ts'
import { TsrunError } from '../../errors/error.ts'
import { badNodeList, memoryPolicyRefusals, schedulerRefusals } from '../../errors/wording.plan.ts'
import { bitSet } from '../bit-set.ts'
import type { ProcessPass } from '../input.ts'
import { bytes, type Step } from '../step.ts'
import { schedAttr } from '../structs.ts'

const sum = (names: readonly string[], numbers: Readonly<Record<string, number>>): number =>
  names.reduce((all, name) => all | (numbers[name] ?? 0), 0)

/** sched_setattr(2). While CAP_SYS_NICE is there, which everything but lower priority takes. */
export const scheduler: ProcessPass = ({ config }) => {
  const wanted = config.process?.scheduler
  if (wanted === undefined) return []
  const pointer = '/process/scheduler'
  return [
    { call: 'sched_setattr', args: [0, attributes(wanted), 0], pointer, says: `set the scheduler ${wanted.policy}`, why: schedulerRefusals }
  ]
}

const attributes = ({ policy, flags = [], nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0 }: Scheduler) =>
  schedAttr(
    {
      policy: SCHEDULER_POLICIES[policy],
      flags: sum(flags, SCHEDULER_FLAGS),
      nice,
      priority,
      times: [BigInt(runtime), BigInt(deadline), BigInt(period)]
    },
    `{${[policy, ...flags].join('|')}, nice=${nice}, priority=${priority}, runtime=${runtime}, deadline=${deadline}, period=${period}}`
  )

/** ioprio_set(2). */
export const ioPriority: ProcessPass = ({ config }) => {
  const wanted = config.process?.ioPriority
  if (wanted === undefined) return []
  const { class: name, priority = 0 } = wanted
  const value = (IOPRIO_CLASSES[name] << IOPRIO_CLASS_SHIFT) | priority
  const says = `set the I/O priority ${name} ${priority}`
  return [{ call: 'ioprio_set', args: [IOPRIO_WHO_PROCESS, 0, value], pointer: '/process/ioPriority', says }]
}

/** set_mempolicy(2), when the process is in its cpuset, whose nodes are the ones that it may name. */
export const memoryPolicy: ProcessPass = ({ config }) => {
  const wanted = config.linux?.memoryPolicy
  return wanted === undefined ? [] : [setPolicy(wanted)]
}

function setPolicy({ mode, nodes = '', flags = [] }: MemoryPolicy): Step {
  const at = '/linux/memoryPolicy'
  const number = MEMORY_POLICY_MODES[mode] | sum(flags, MEMORY_POLICY_FLAGS)
  const list = nodes.trim()
  const call = {
    call: 'set_mempolicy',
    pointer: at,
    says: `set the memory policy ${[mode, ...flags].join('|')} ${list}`.trim(),
    why: memoryPolicyRefusals
  } as const
  if (list === '') return { ...call, args: [number, 0, 0] }
  const mask = bitSet(list)
  if (mask === undefined) throw new TsrunError('config', `${badNodeList(list)} [${at}/nodes]`, { pointer: `${at}/nodes` })
  // The kernel takes one off what it calls maxnode (mm/mempolicy.c, get_nodes).
  return { ...call, args: [number, bytes(`{${list}}`, mask), mask.length * 8 + 1] }
}
