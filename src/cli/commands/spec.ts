/** `tsrun spec` */
import { statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileError, specExists } from '../../errors/wording.cli.ts'
import type { Main } from '../commands.ts'
import { exampleConfig } from '../example.ts'

/** linux/magic.h */
const CGROUP2_SUPER_MAGIC = 0x63677270

/** Writes config.json, indented with tabs, 0666 less the umask; never over one that is there. */
export const main: Main<'spec'> = async ({ flags }) => {
  const ids = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  const config = exampleConfig({ cgroup2: isCgroup2(), ...(flags.rootless ? { rootless: ids } : {}) })
  const file = join(flags.bundle ?? '', 'config.json')
  try {
    writeFileSync(file, JSON.stringify(config, null, '\t'), { flag: 'wx', mode: 0o666 })
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
