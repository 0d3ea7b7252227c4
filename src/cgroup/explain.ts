/** Why the kernel has refused a write into a cgroup, as far as it can be found out. Only called when something has failed. */
import type { ErrnoName } from '../abi/errno.ts'
import { hints } from '../errors/wording.cgroup.ts'
import { tryRead } from './files.ts'
import { processesIn } from './processes.ts'

/** Files that only some kernels have, and what brings them. */
const needs: readonly (readonly [prefix: string, what: string])[] = [
  ['memory.memsw.', 'CONFIG_SWAP and, before Linux 5.8, the boot parameter swapaccount=1'],
  ['memory.swap.', 'CONFIG_SWAP and, before Linux 5.8, the boot parameter swapaccount=1'],
  ['cpu.cfs_', 'CONFIG_CFS_BANDWIDTH'],
  ['cpu.max', 'CONFIG_CFS_BANDWIDTH'],
  ['cpu.rt_', 'CONFIG_RT_GROUP_SCHED'],
  ['cpu.idle', 'Linux 5.15'],
  ['blkio.bfq.', 'CONFIG_BFQ_GROUP_IOSCHED'],
  ['blkio.weight', 'the BFQ scheduler (CONFIG_BFQ_GROUP_IOSCHED)'],
  ['blkio.leaf_weight', 'the CFQ scheduler, which Linux 5.0 dropped'],
  ['blkio.throttle.', 'CONFIG_BLK_DEV_THROTTLING'],
  ['io.bfq.', 'CONFIG_BFQ_GROUP_IOSCHED or CONFIG_BLK_CGROUP_IOCOST'],
  ['io.max', 'CONFIG_BLK_DEV_THROTTLING'],
  ['memory.swappiness', 'cgroup v1 memory (CONFIG_MEMCG_V1)'],
  ['memory.oom_control', 'cgroup v1 memory (CONFIG_MEMCG_V1)']
]

/** What to tell about `errno` for the write to `path`; undefined when nothing is known. */
export function explainRefusal(path: string, errno: ErrnoName): string | undefined {
  const cut = path.lastIndexOf('/')
  const directory = path.slice(0, cut)
  const file = path.slice(cut + 1)
  if (errno === 'ENOENT') return missingController(directory, file) ?? missingFile(file)
  if (errno === 'EBUSY' && file.startsWith('memory.')) return inUse(directory)
  if (errno === 'EINVAL' && file === 'memory.limit_in_bytes') return belowBoth(directory)
  if (errno === 'EINVAL' && /^cpu\.(shares|weight)$/.test(file))
    return tryRead(`${directory}/cpu.idle`) === '1' ? hints.isIdle() : undefined
  const ofParent = file.startsWith('cpuset.')
    ? tryRead(`${parentOf(directory)}/${file.replace(/(cpus|mems)$/, 'effective_$1')}`)
    : undefined
  return ofParent === undefined ? undefined : hints.parentAllows(ofParent)
}

function missingFile(file: string): string | undefined {
  const need = needs.find(([prefix]) => file.startsWith(prefix))
  return need === undefined ? undefined : hints.kernelLacks(need[1])
}

/** On v2: the controller is not handed down to this cgroup. Looks for the cgroup at which it stops, and for the usual reason. */
function missingController(directory: string, file: string): string | undefined {
  const controller = file.slice(0, file.indexOf('.'))
  const available = tryRead(`${directory}/cgroup.controllers`)
  if (available === undefined || available.split(' ').includes(controller) || controller === 'cgroup') return undefined
  const because = hints.notEnabled(controller, available)
  for (let parent = parentOf(directory); ; parent = parentOf(parent)) {
    const offered = tryRead(`${parent}/cgroup.controllers`)
    if (offered === undefined) return because
    if (!offered.split(' ').includes(controller)) continue
    const pids = processesIn(parent)
    return pids.length === 0 ? because : `${because}: ${hints.internalProcesses(parent, pids)}`
  }
}

function inUse(directory: string): string | undefined {
  const usage = tryRead(`${directory}/memory.current`) ?? tryRead(`${directory}/memory.usage_in_bytes`)
  return usage === undefined ? undefined : hints.inUse(usage)
}

/** v1 keeps the limit of memory at or below that of memory and swap. */
function belowBoth(directory: string): string | undefined {
  const both = tryRead(`${directory}/memory.memsw.limit_in_bytes`)
  return both === undefined ? undefined : hints.memoryWithSwap(both)
}

const parentOf = (directory: string): string => directory.slice(0, directory.lastIndexOf('/'))
