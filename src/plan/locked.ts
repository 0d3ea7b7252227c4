/**
 * What a user namespace cannot change: a mount that came from outside keeps `ro`, `nosuid`, `nodev` and `noexec`, and its kind of access time
 * (mount_namespaces(7), "Restrictions on mount namespaces").
 */
import * as M from '../abi/mount.ts'
import type { MountOptions } from './mount-options.ts'

const NAMED: readonly (readonly [number, string])[] = [
  [M.MOUNT_ATTR_RDONLY, 'ro'],
  [M.MOUNT_ATTR_NOSUID, 'nosuid'],
  [M.MOUNT_ATTR_NODEV, 'nodev'],
  [M.MOUNT_ATTR_NOEXEC, 'noexec']
]

const ATIME = M.MOUNT_ATTR__ATIME | M.MOUNT_ATTR_NODIRATIME

/** What is left of the options, and what the source keeps against them, in words. */
export interface Unlocked {
  readonly set: number
  readonly clear: number
  readonly kept: readonly string[]
}

/** @param locked attributes of the source's mount; undefined when nothing is locked */
export function unlocked({ set, clear }: Pick<MountOptions, 'set' | 'clear'>, locked: number | undefined): Unlocked {
  if (locked === undefined) return { set, clear, kept: [] }
  const kept = NAMED.filter(([attribute]) => (clear & locked & attribute) !== 0)
  const left = kept.reduce((bits, [attribute]) => bits & ~attribute, clear)
  const wanted = (locked & ATIME & ~clear) | (set & ATIME)
  const changesTime = wanted !== (locked & ATIME)
  return {
    set: changesTime ? set & ~ATIME : set,
    clear: changesTime ? left & ~ATIME : left,
    kept: [...kept.map(([, name]) => name), ...(changesTime ? ['its access times'] : [])]
  }
}
