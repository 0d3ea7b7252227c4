/** `tsrun spec` */
import { statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { specText } from '../../config/spec.ts'
import { fileError, specExists } from '../../errors/wording.cli.ts'
import type { Main } from '../commands.ts'

/** linux/magic.h */
const CGROUP2_SUPER_MAGIC = 0x63677270

/** Writes config.json, indented with tabs, 0666 less the umask; never over one that is there. */
export const main: Main<'spec'> = async ({ flags }) => {
  const text = specText({ rootless: flags.rootless, euid: process.geteuid?.() ?? 0, egid: process.getegid?.() ?? 0, cgroupV2: isCgroup2() })
  const file = join(flags.bundle ?? '', 'config.json')
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o666 })
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? specExists(file) : fileError(`write ${JSON.stringify(file)}`, error)
  }
  return 0
}

function isCgroup2(): boolean {
  try {
    return statfsSync('/sys/fs/cgroup').type === CGROUP2_SUPER_MAGIC
  } catch {
    return false
  }
}
