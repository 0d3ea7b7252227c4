/** Lists of CPUs and of NUMA nodes as bit sets. */

/** CONFIG_NR_CPUS is at most 8192, and there are fewer nodes than CPUs. */
export const MOST_CPUS = 8192

/**
 * Bit set of a list such as `0-3,7` (cpuset(7), List format); undefined for one that is none. Numbers that no kernel can have are left out:
 * the kernel refuses a mask without any other.
 */
export function bitSet(list: string): Uint8Array | undefined {
  const mask = new Uint8Array(MOST_CPUS / 8)
  for (const part of list.split(',')) {
    const [, first, last = first] = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part) ?? []
    if (first === undefined || Number(first) > Number(last)) return undefined
    for (let bit = Number(first); bit <= Math.min(Number(last), MOST_CPUS - 1); bit++) mask[bit >> 3]! |= 1 << (bit & 7)
  }
  return mask
}
