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
