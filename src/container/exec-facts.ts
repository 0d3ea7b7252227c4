/** What a plan of `exec` depends on beside the process. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/types.ts'
import { cannotExec } from '../errors/wording.exec.ts'
import { poll } from '../linux/socket.ts'
import type { ExecFacts } from '../plan/exec.ts'
import { execCgroups, type SubCgroups } from './exec-cgroup.ts'
import { readProcessFacts } from './facts.ts'
import { homeInRoot } from './home.ts'
import { foreignNamespaces } from './namespaces.ts'
import type { ContainerRecord } from './record.ts'
import { inUserNamespace, isRootless } from './root.ts'
import type { RuntimeOptions } from './types.ts'

const POLLIN = 1

export interface ExecFactsInput {
  readonly record: ContainerRecord
  /** Of init. */
  readonly pidfd: number
  /** With the process that is executed. */
  readonly config: Config
  readonly subCgroups: SubCgroups
  readonly options: RuntimeOptions
}

/**
 * Looks at the host and at init.
 * @throws TsrunError `bad-state` when init has ended meanwhile: what was read may be another process's then
 */
export async function readExecFacts({ record, pidfd, config, subCgroups, options }: ExecFactsInput): Promise<ExecFacts> {
  const pid = record.init_process_pid
  const join = foreignNamespaces(pid)
  const facts = {
    ...(await readProcessFacts({ config, rootless: isRootless(options), log: options.log })),
    join,
    cgroups: execCgroups(record.cgroup, pid, subCgroups),
    ...(movedBySystemd(record) ? { unit: true as const } : {}),
    ownRoot: !config.linux?.namespaces?.some(({ type, path }) => type === 'mount' && !path),
    home: homeInRoot(`/proc/${pid}/root`, config.process),
    setgroupsDenied: (join.includes('user') || inUserNamespace()) && setgroupsDenied(pid)
  }
  refuseEnded(pidfd)
  return Object.freeze(facts)
}

/** A user's process is moved by systemd: his own rights may not reach from where it is to the container's unit. */
export const movedBySystemd = ({ cgroup }: ContainerRecord): boolean => cgroup?.driver === 'systemd' && cgroup.rootless

/** As long as init lives, what /proc shows of its pid is its own. */
export function refuseEnded(pidfd: number): void {
  if (poll([{ fd: pidfd, events: POLLIN }], 0)[0] !== 0) throw cannotExec('stopped')
}

/** What its user namespace lets init do, it lets others do (user_namespaces(7)). */
function setgroupsDenied(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/setgroups`, 'latin1').trim() === 'deny'
  } catch {
    return false
  }
}
