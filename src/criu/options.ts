/** The options that a checkpoint and a restore have in common, as CRIU has them. */
import { existsSync } from 'node:fs'
import { CLONE_NEWNET } from '../abi/sched.ts'
import { CRIU_CONFIG } from '../config/annotations.ts'
import type { CriuSettings } from '../container/types.ts'
import { badCgroupsMode, badEmptyNs } from '../errors/wording.criu.ts'
import { CGROUP_MODES, type CriuOptions } from './messages.ts'

/** Debug lines as well: what CRIU complains of is told by those before. */
const LOG_LEVEL = 4
/** The file that runc names to it, too, when the host has one. */
const CONFIG_FILE = '/etc/criu/runc.conf'

export function commonOptions(
  settings: CriuSettings,
  annotations: Readonly<Record<string, string>>,
  places: Pick<CriuOptions, 'images_dir_fd' | 'work_dir_fd' | 'log_file' | 'root'>
): CriuOptions {
  // With strict, CRIU refuses cgroups that are there, and the container's own one is: the runtime has made it, and seen to that it was not there before.
  const manageCgroupsMode = settings.manageCgroupsMode === 'strict' ? 'full' : settings.manageCgroupsMode
  const configFile = annotations[CRIU_CONFIG] ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : '')
  return {
    ...places,
    log_level: LOG_LEVEL,
    notify_scripts: true,
    orphan_pts_master: true,
    shell_job: settings.shellJob === true,
    ext_unix_sk: settings.extUnixSk === true,
    tcp_established: settings.tcpEstablished === true,
    file_locks: settings.fileLocks === true,
    auto_dedup: settings.autoDedup === true,
    lazy_pages: settings.lazyPages === true,
    // Without a mode CRIU takes that of its configuration file, or else soft.
    manage_cgroups: true,
    ...(manageCgroupsMode === undefined ? {} : { manage_cgroups_mode: CGROUP_MODES[manageCgroupsMode] }),
    ...((settings.emptyNs ?? []).length > 0 ? { empty_ns: CLONE_NEWNET } : {}),
    ...(configFile === '' ? {} : { config_file: configFile })
  }
}

/** What can be said of them before anything is made. Throws TsrunError `usage`. */
export function checkSettings({ emptyNs = [], manageCgroupsMode: mode }: CriuSettings): void {
  if (mode !== undefined && !Object.hasOwn(CGROUP_MODES, mode)) throw badCgroupsMode(mode, Object.keys(CGROUP_MODES))
  for (const name of emptyNs) if (name !== 'network') throw badEmptyNs(name)
}
