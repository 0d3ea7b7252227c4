/** Attributes and propagation of mounts (mount_setattr(2)). */
import { AT_EMPTY_PATH, AT_RECURSIVE } from '../../abi/fcntl.ts'
import { MS_REC, MS_SHARED } from '../../abi/mount.ts'
import { attributeRefusals, notMounted } from '../../errors/wording.plan.ts'
import type { Input, MountEntry } from '../input.ts'
import { type Slot, type Step, text } from '../step.ts'
import { mountAttr } from '../structs.ts'
import { quoted } from './mount-target.ts'

/** One call. @param what the beginning of its sentence */
export const setattr = (on: Slot, recursive: boolean, attr: ReturnType<typeof mountAttr>, entry: MountEntry, what: string): Step => ({
  call: 'mount_setattr',
  args: [on, text(''), AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), attr, 32],
  pointer: `${entry.pointer}/options`,
  says: `${what} of ${quoted(entry.mount.destination)}`,
  why: { ...attributeRefusals, ...(entry.options.remount ? { EINVAL: notMounted } : {}) }
})

/**
 * A root that is `rshared` passes that on to mounts without a propagation of their own. Private ones and slaves they are without a word, as their
 * sources are; unbindable ones would keep read-only paths from being made of them.
 */
const propagationOf = ({ config }: Input, { options }: MountEntry): readonly number[] =>
  config.linux?.rootfsPropagation === 'rshared' && !options.remount && options.propagation.length === 0
    ? [MS_SHARED | MS_REC]
    : options.propagation

/**
 * Attributes that fsmount(2) could not take, and propagation: on the mount while it is still detached.
 * @param later recursive ones that are set later
 */
export function attributes(input: Input, entry: MountEntry, on: Slot, plain: { set: number; clear: number }, later = 0): Step[] {
  const { options } = entry
  const steps: Step[] = []
  const show = (set: number, clear: number): string => `{attr_set=0x${set.toString(16)}, attr_clr=0x${clear.toString(16)}}`
  const change = (set: number, clear: number, recursive: boolean, what: string): void => {
    if ((set | clear) === 0) return
    steps.push(setattr(on, recursive, mountAttr(set, clear, 0, show(set, clear)), entry, what))
  }
  change(plain.set, plain.clear, false, 'set the options')
  change(options.recursiveSet & ~later, options.recursiveClear, true, 'set the recursive options')
  for (const flags of propagationOf(input, entry)) {
    const attr = mountAttr(0, 0, flags & ~MS_REC, `{propagation=0x${(flags & ~MS_REC).toString(16)}}`)
    steps.push(setattr(on, (flags & MS_REC) !== 0, attr, entry, 'set the propagation'))
  }
  return steps
}
