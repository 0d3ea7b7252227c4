/** The sentences about Intel RDT. */
import { TsrunError } from './error.ts'

const pointer = '/linux/intelRdt'

export const noResctrl = (): TsrunError =>
  new TsrunError('unsupported', `cannot use Intel RDT: no resctrl file system is mounted [${pointer}]`, {
    pointer,
    hint: 'mount -t resctrl resctrl /sys/fs/resctrl; the processor and the kernel must have it (rdt_a in /proc/cpuinfo, CONFIG_X86_CPU_RESCTRL)'
  })

export const noGroup = (closID: string, path: string): TsrunError =>
  new TsrunError(
    'system',
    `cannot use the resctrl group ${JSON.stringify(closID)}: there is no ${JSON.stringify(path)}, and no schemata to make it with [${pointer}/closID]`,
    { pointer: `${pointer}/closID`, errno: 'ENOENT' }
  )

export const groupExists = (path: string, at: string): TsrunError =>
  new TsrunError('system', `cannot make the resctrl group ${JSON.stringify(path)}: file exists (EEXIST) [${at}]`, {
    pointer: at,
    errno: 'EEXIST'
  })

/** @param present the line of the group; undefined when it has none for this resource */
export const otherSchemata = (path: string, wanted: string, present: string | undefined): TsrunError => {
  const has = present === undefined ? 'nothing for it' : JSON.stringify(present)
  return new TsrunError(
    'config',
    `the resctrl group ${JSON.stringify(path)} exists and has ${has}, not ${JSON.stringify(wanted)} [${pointer}]`,
    {
      pointer
    }
  )
}

/** @param says what the kernel says beside the errno */
export function resctrlRefused(action: string, cause: unknown, at: string, says: string | undefined): TsrunError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const errno = (cause as { code?: string }).code
  const more = says === undefined ? '' : `: ${says}`
  return new TsrunError('system', `cannot ${action}: ${reason}${more} [${at}]`, {
    pointer: at,
    cause,
    ...(errno === undefined ? {} : { errno })
  })
}
