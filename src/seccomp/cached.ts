/** A profile whose program is in the cache: apart from compile.ts, which takes longer to load than this takes in all. */
import { SECCOMP_FILTER_FLAG_NEW_LISTENER } from '../abi/seccomp.ts'
import type { Architecture } from '../abi/syscalls.ts'
import type { Seccomp } from '../config/types.ts'
import { type Maker, placeOf, readCached } from './cache.ts'
import type { Compiled } from './entry.ts'

/** What the container's program gives to seccomp(2). */
export interface CompiledSeccomp {
  /** `struct sock_filter[]`, at most 4096 of them. */
  readonly program: Uint8Array
  /** SECCOMP_FILTER_FLAG_* for SECCOMP_SET_MODE_FILTER. */
  readonly flags: number
  /** True when loading it gives a descriptor that must reach `listenerPath`. */
  readonly listener: boolean
  /** The libseccomp that has made it of the profile; absent without a cache. */
  readonly maker?: Maker
}

/** Undefined when `profile` has to be compiled. */
export function cachedSeccomp(profile: Seccomp, arch: Architecture, cacheDirectory: string): CompiledSeccomp | undefined {
  const known = readCached(placeOf(cacheDirectory, profile, arch))
  return known && withListener(known, known)
}

export const withListener = ({ program, flags }: Compiled, maker?: Maker): CompiledSeccomp => ({
  program,
  flags,
  listener: (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) !== 0,
  ...(maker === undefined ? {} : { maker: { library: maker.library, identity: maker.identity } })
})
