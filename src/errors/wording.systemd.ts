/** The sentences about systemd as the manager of cgroups. */
import { TsrunError } from './error.ts'

/** @param why what was looked for and not found */
export const noSystemd = (why: string): TsrunError =>
  new TsrunError('unsupported', `systemd cgroup flag passed, but systemd support for managing cgroups is not available: ${why}`, {
    hint: 'leave --systemd-cgroup away, and give linux.cgroupsPath as a path'
  })
