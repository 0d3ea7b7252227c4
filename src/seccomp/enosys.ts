/**
 * System calls that are newer than the profile. Whoever wrote it could not judge them, so they must look as on a kernel that does not have
 * them: programs fall back on ENOSYS, and break on EPERM (`clone3`, `faccessat2` and `openat2` each did). Pure.
 *
 * As in runc, "newer" is every number above the highest that the profile names, for each architecture.
 */
import { actions, RET_ENOSYS } from './names.ts'
import type { Range } from './prologue.ts'
import { highestNamed, type Table } from './table.ts'

/** x32's numbers carry this bit (__X32_SYSCALL_BIT). */
const X32 = 0x4000_0000
/** Calls with an x32 variant of their own; the usual numbers go on below them. */
const X32_OWN = { from: X32 + 512, to: X32 + 547 }
/** ARM's private calls, such as set_tls, begin here (__ARM_NR_BASE). */
const ARM_PRIVATE = 0x0f_0000

interface Span {
  readonly from: number
  readonly to: number
}

/** Where an architecture's numbers go on, private ones left out; x32 has a second span. */
function usual(architecture: string): readonly [Span, Span?] {
  switch (architecture) {
    case 'x32':
      return [
        { from: X32, to: X32_OWN.from - 1 },
        { from: X32_OWN.to + 1, to: 0x7fff_ffff }
      ]
    case 'x86_64':
      // Beyond are x32's; libseccomp's part refuses them when the profile does not list x32.
      return [{ from: 0, to: X32 - 1 }]
    case 'arm':
      return [{ from: 0, to: ARM_PRIVATE - 1 }]
    default:
      return [{ from: 0, to: 0x7fff_ffff }]
  }
}

/**
 * The ranges of numbers that get ENOSYS: none when the profile names no call of `architecture`.
 *
 * @param architecture a libseccomp name such as `x86_64`
 */
export function newerThan(table: Table, architecture: string): Range[] {
  const [first, second] = usual(architecture)
  const highest = highestNamed(table, first.from, first.to)
  if (highest === -1) return []
  const ranges = highest < first.to ? [{ from: highest + 1, to: first.to, answer: RET_ENOSYS }] : []
  return second === undefined ? ranges : [...ranges, { ...second, answer: RET_ENOSYS }]
}

/**
 * True when calls that the profile does not name are refused with something else than ENOSYS. TRACE counts as permissive: the tracer decides.
 *
 * @param defaultAction SECCOMP_RET_* with data
 */
export function refusesUnknown(defaultAction: number): boolean {
  const permissive: readonly number[] = [actions.SCMP_ACT_ALLOW, actions.SCMP_ACT_LOG, actions.SCMP_ACT_TRACE]
  return defaultAction !== RET_ENOSYS && !permissive.includes(withoutData(defaultAction))
}

const withoutData = (action: number): number => (action & 0xffff_0000) >>> 0
