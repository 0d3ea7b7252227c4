/** The CPUs of a process that joins a container (config.md#linux-process, execCPUAffinity). */
import { TsrunError } from '../../errors/error.ts'
import { badCpuList } from '../../errors/wording.plan.ts'
import { bitSet, MOST_CPUS } from '../bit-set.ts'
import type { ProcessPass } from '../input.ts'
import { bytes, type Step } from '../step.ts'

const AT = '/process/execCPUAffinity'

function setAffinity(list: string, pointer: string): Step {
  const mask = bitSet(list)
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
 * All CPUs of the cpuset, when the process is in it: the affinity of whoever has called the runtime, which the kernel would keep within the cpuset
 * (Linux 6.2), is not the container's. As in runc.
 */
export const wholeCpuset = (): Step[] => {
  const all = new Uint8Array(MOST_CPUS / 8).fill(0xff)
  return [
    {
      call: 'sched_setaffinity',
      args: [0, all.length, bytes('{all}', all)],
      // No container is worse off for it.
      on: { any: 'next' },
      pointer: '',
      says: "set the CPU affinity to all CPUs of the container's cpuset"
    }
  ]
}

/** In the container's cgroup. */
export const finalAffinity: ProcessPass = ({ config }) => {
  const final = config.process?.execCPUAffinity?.final
  return final ? [setAffinity(final, `${AT}/final`)] : wholeCpuset()
}
