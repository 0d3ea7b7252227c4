/** Makes a template of a program that was compiled. Pure. */
import type { Architecture } from '../abi/syscalls.ts'
import { textsOf } from '../image/encode.ts'
import type { Description, Template } from './entry.ts'
import { type NamePlace, withoutNames } from './names.ts'

/** A program, and the names of its container. */
export interface Compiled extends Pick<Description, 'fds' | 'lastClone'> {
  readonly image: Uint8Array
  /** JSON has it. */
  readonly afterReady: unknown
}

/** All that a program depends on, with the names left open. */
export type Origin = Pick<Template, 'key' | 'facts' | 'seccomp'>

/** The template of a program; undefined for one in which a name may be something else as well. */
export function templateOf(compiled: Compiled, arch: Architecture, origin: Origin, names: readonly string[]): Template | undefined {
  const { image, fds, lastClone, afterReady } = compiled
  const places = placesIn(image, arch, names)
  return places && { ...origin, image, fds, lastClone, afterReady: withoutNames(JSON.stringify(afterReady), names), places }
}

/**
 * Where the names lie in an image. Undefined when one lies outside of the texts, where it is a number that looks like it, or bytes that are compared; and when
 * two overlap, as it is not told then which of them it was.
 */
export function placesIn(image: Uint8Array, arch: Architecture, names: readonly string[]): readonly NamePlace[] | undefined {
  // One character for each byte.
  const text = new TextDecoder('latin1').decode(image)
  const { start, end } = textsOf(image, arch)
  const places: NamePlace[] = []
  for (let i = 0; i < names.length; i++) {
    const { length } = names[i]!
    for (let at = text.indexOf(names[i]!); at >= 0; at = text.indexOf(names[i]!, at + 1)) {
      const other = places.find((place) => at < place.at + names[place.name]!.length && place.at < at + length)
      if (other === undefined && at >= start && at + length <= end) places.push({ at, name: i })
      // A part of a longer name, as the first characters of an id are.
      else if (other === undefined || at < other.at || at + length > other.at + names[other.name]!.length) return undefined
    }
  }
  return places
}
