/** The flags of seccomp(2) that a profile asks for, as far as the running kernel knows them. */
import { errnoName, errnoText } from '../abi/errno.ts'
import { SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_SET_MODE_FILTER } from '../abi/seccomp.ts'
import type { Seccomp, SeccompFlag } from '../config/types.ts'
import * as wording from '../errors/wording.seccomp.ts'
import { syscall } from '../linux/ffi.ts'
import { flags, SECCOMP_FILTER_FLAG_TSYNC_ESRCH } from './names.ts'

const EFAULT = 14
const EINVAL = 22

/** As in runc: with no list at all Speculative Store Bypass stays as it is; an empty list turns the mitigation on. */
const defaultFlags: readonly SeccompFlag[] = ['SECCOMP_FILTER_FLAG_SPEC_ALLOW']

/**
 * The number for seccomp(SECCOMP_SET_MODE_FILTER).
 *
 * @param listener whether the filter notifies
 * Throws TsrunError `unsupported` for a flag that the kernel does not know, and when the kernel has no filters.
 */
export function filterFlags({ flags: asked }: Pick<Seccomp, 'flags'>, listener: boolean): number {
  const wanted = asked ?? defaultFlags
  const all = combined(wanted, listener)
  if (isKnown(all)) return all
  const unknown = wanted.findIndex((flag) => !isKnown(combined([flag], listener)))
  if (asked === undefined) return combined([], listener)
  throw wording.unsupportedFlag(asked[unknown] ?? 'the combination of flags', `/linux/seccomp/flags${unknown === -1 ? '' : `/${unknown}`}`)
}

/** The spec's flags that this kernel knows, for `features`. */
export const supportedFlags = (): SeccompFlag[] => (Object.keys(flags) as SeccompFlag[]).filter((flag) => isKnown(combined([flag], true)))

function combined(wanted: readonly SeccompFlag[], listener: boolean): number {
  let bits = listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0
  for (const flag of wanted) bits |= flags[flag]
  // Without a listener there is nobody to wait for, and the kernel refuses the flag: the calls to notify of do not exist on this machine.
  if (!listener) bits &= ~flags.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
  if (listener && bits & flags.SECCOMP_FILTER_FLAG_TSYNC) bits |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH
  return bits
}

/** The kernel checks the flags before it reads the program, which is not there (seccomp(2), EFAULT). */
function isKnown(bits: number): boolean {
  const result = syscall('seccomp', SECCOMP_SET_MODE_FILTER, bits, null)
  if (result === -EFAULT) return true
  if (result === -EINVAL) return false
  throw wording.noFilters(errnoName(-result), errnoText(-result))
}
