/**
 * Variables of the environment that tell the engine to do something else than to run the program in it: they are meant for other
 * programs that the caller runs with the same engine. The entry stub empties them.
 */

/** The first four bytes of each name. Tried with Bun 1.4.5; others that it asks for (FORCE_COLOR, LANG, Malloc…, WebKitMalloc…) change nothing here. */
export const ENGINE_VARIABLES = [
  // BUN_BE_BUN: becomes the bun command. BUN_OPTIONS, BUN_INSPECT_PRELOAD: runs files before ours. BUN_INSPECT: waits for a debugger.
  // BUN_JSC_…: all options of the JavaScript engine.
  'BUN_',
  // NODE_CHANNEL_FD: takes a descriptor, which may be one that the container was to get, for messages of a parent on Node.
  'NODE',
  // JSC_SIGNAL_FOR_GC: crashes with a number that cannot be caught.
  'JSC_',
  // WTF_numberOfProcessorCores: prints a warning.
  'WTF_',
  // SIMDUTF_FORCE_IMPLEMENTATION: refuses to start.
  'SIMD',
  // MIMALLOC_…: what its allocator prints and how it takes memory; MIMALLOC_ALLOW_THP=0 also takes huge pages from the container (PR_SET_THP_DISABLE).
  'MIMA',
  'mima'
] as const

/**
 * Added to what the engine sees, and nobody else: whoever is started from it gets an environment of its own. Two, as the stack is aligned to two words.
 *
 * No command lives long enough to earn back what machine code costs. Without the compilers the engine starts faster as well: it has no memory to
 * reserve for code, and none of its own to generate.
 */
export const ADDED_VARIABLES = ['BUN_JSC_useJIT=0', 'BUN_JSC_useConcurrentJIT=0'] as const

/**
 * Added on x86-64 where a page fault takes longer than SLOW_FAULT_NS. Most of a start is the first use of memory: 900 faults of `run` become ten.
 * Where they are fast, clearing whole huge pages takes as long as they do, and a host whose memory is in pieces would have to move some
 * first; so it is not asked for there. Hosts that give huge pages unasked do so in any case.
 */
export const HUGE_PAGES = 'MIMALLOC_ALLOW_THP=1'

/** ns. Usual are 250 to 1000, and 2000 in a machine in a machine; where a hypervisor shadows the page tables, 11,000 were measured. */
export const SLOW_FAULT_NS = 4000

/** Four characters as the little-endian word that a load of them gives. */
export const wordOf = (name: string): number => new DataView(new TextEncoder().encode(name).buffer).getUint32(0, true)
