/** The CPUs of a process that joins a container (config.md#linux-process, execCPUAffinity). */
import { TsrunError } from '../../errors/error.ts'
import { badCpuList } from '../../errors/wording.plan.ts'
import type { ProcessPass } from '../input.ts'
import { bytes, type Step } from '../step.ts'

/** CONFIG_NR_CPUS is at most 8192. */
const MOST_CPUS = 8192
const AT = '/process/execCPUAffinity'

/**
 * Bit set of a list such as `0-3,7` (cpuset(7), List format); undefined for one that is none. CPUs that no kernel can have are left out:
 * a mask without any other is refused by sched_setaffinity(2).
 */
export function cpuMask(list: string): Uint8Array | undefined {
  const mask = new Uint8Array(MOST_CPUS / 8)
  for (const part of list.split(',')) {
    const [, first, last = first] = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part) ?? []
    if (first === undefined || Number(first) > Number(last)) return undefined
    for (let cpu = Number(first); cpu <= Math.min(Number(last), MOST_CPUS - 1); cpu++) mask[cpu >> 3]! |= 1 << (cpu & 7)
  }
  return mask
}

function setAffinity(list: string, pointer: string): Step {
  const mask = cpuMask(list)
  if (mask === undefined) throw new TsrunError('config', `${badCpuList(list)} [${pointer}]`, { pointer })
  const says = `set the CPU affinity to ${JSON.stringify(list)}`
  return { call: 'sched_setaffinity', args: [0, mask.length, bytes(`{${list}}`, mask)], pointer, says }
}

/** While the process is still in the runtime's cgroup. */
export const initialAffinity: ProcessPass = ({ config }) => {
  const initial = config.process?.execCPUAffinity?.initial
  return initial ? [setAffinity(initial, `${AT}/initial`)] : []
}

/**
 * In the container's cgroup. Without a wish of its own the process gets all CPUs of the cpuset: the affinity of whoever called the runtime, which
 * the kernel would keep within it (Linux 6.2), is not the container's.
 */
export const finalAffinity: ProcessPass = ({ config }) => {
  const final = config.process?.execCPUAffinity?.final
  if (final) return [setAffinity(final, `${AT}/final`)]
  const all = new Uint8Array(MOST_CPUS / 8).fill(0xff)
  return [
    {
      call: 'sched_setaffinity',
      args: [0, all.length, bytes('{all}', all)],
      // No container is worse off for it.
      on: { any: 'next' },
      pointer: AT,
      says: "set the CPU affinity to all CPUs of the container's cpuset"
    }
  ]
}
