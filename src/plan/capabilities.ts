/** Sets of capabilities as bit sets. */
import { _LINUX_CAPABILITY_VERSION_3, capabilityNumber } from '../abi/capability.ts'

export const CAP_HEADER_VERSION = _LINUX_CAPABILITY_VERSION_3

/** The bit set of `names`; names that no header knows are left out (config/rules.ts has warned about them). */
export function capabilitySet(names: readonly string[] | undefined): bigint {
  let set = 0n
  for (const name of names ?? []) {
    const number = capabilityNumber(name)
    if (number !== undefined) set |= 1n << BigInt(number)
  }
  return set
}

/** Numbers in a set, ascending. */
export function members(set: bigint): number[] {
  const out: number[] = []
  // By halves of 32 bits: arithmetic of bigints allocates.
  for (let half = 0; half < 2; half++) {
    let rest = Number((set >> BigInt(32 * half)) & 0xffff_ffffn)
    for (let i = 32 * half; rest !== 0; i++, rest >>>= 1) if (rest & 1) out.push(i)
  }
  return out
}
