/** The options that `checkpoint` and `restore` share. */
import type { CriuSettings } from '../../container/types.ts'
import type { FlagsOf } from '../types.ts'

/** What the library is told of them. An empty path is one that was not given. */
export function criuSettings(flags: FlagsOf<'checkpoint'> | FlagsOf<'restore'>): CriuSettings {
  const mode = flags['manage-cgroups-mode']
  return {
    tcpEstablished: flags['tcp-established'],
    extUnixSk: flags['ext-unix-sk'],
    shellJob: flags['shell-job'],
    fileLocks: flags['file-locks'],
    autoDedup: flags['auto-dedup'],
    lazyPages: flags['lazy-pages'],
    emptyNs: flags['empty-ns'],
    ...(flags['image-path'] ? { imagePath: flags['image-path'] } : {}),
    ...(flags['work-path'] ? { workPath: flags['work-path'] } : {}),
    ...(mode ? { manageCgroupsMode: mode as NonNullable<CriuSettings['manageCgroupsMode']> } : {})
  }
}
