/**
 * Names in which containers differ that are otherwise the same: ids that an engine makes up for each. Pure.
 *
 * A program is compiled from a configuration and facts in which such a name is nothing but text. Two containers whose configuration and facts
 * are the same but for their names, each of the same shape, therefore have programs that are the same but for the names, in the same
 * places; and when one configuration is valid, so is the other. That holds for a string that stands for itself wherever it occurs: it is too
 * long and too odd to be a word of the compiler's own or part of a number, and nothing splits it or puts it together from pieces.
 */

/** A name, and where it lies in an image. */
export interface NamePlace {
  /** Offset in the image. */
  readonly at: number
  /** Index in the list of names. */
  readonly name: number
}

/** The parts of a configuration in which engines name things of a container; nobody has checked them yet. */
interface Unchecked {
  readonly root?: { readonly path?: unknown }
  readonly mounts?: readonly { readonly source?: unknown }[]
  readonly linux?: { readonly cgroupsPath?: unknown; readonly namespaces?: readonly { readonly path?: unknown }[] }
}

/** 32 random bytes, as Docker, Podman and containerd name containers and layers, and UUIDs, in which network namespaces and pods are named. */
const IDS = /[0-9a-f]{64}|[0-9a-f]{8}([-_])[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}/g
/** How much of its id a container gets as host name. */
const SHORT = 12
/** An id that somebody has thought of. One with a dot may be a word of the configuration in another form: `eth0/100` of a sysctl is `eth0.100`. */
const PLAIN = /^[\w-]{8,}$/

/**
 * The names of a container, the longest first.
 *
 * @param id the container's
 * @param document a configuration, of any shape
 * @param text the same as it is written
 */
export function namesOf(id: string, document: unknown, text: string): readonly string[] {
  const found = new Set<string>()
  if (/^[0-9a-f]{64}$/.test(id)) found.add(id).add(id.slice(0, SHORT))
  // What a person calls a container may be a word that means something in its configuration.
  else if (PLAIN.test(id) && !text.includes(id)) found.add(id)
  for (const name of placesOfIds(document).match(IDS) ?? []) found.add(name)
  return [...found].filter(standsForItself).sort((a, b) => b.length - a.length)
}

/** With a letter that no number has: JSON knows `1e10`. */
const standsForItself = (name: string): boolean => /\d/.test(name) && /[a-df-z]/i.test(name)

/** The texts in which an engine's ids are looked for, in one. */
function placesOfIds(document: unknown): string {
  const { root, mounts, linux } = (document ?? {}) as Unchecked
  const texts: unknown[] = [root?.path, linux?.cgroupsPath]
  if (Array.isArray(linux?.namespaces)) for (const namespace of linux.namespaces) texts.push(namespace?.path)
  if (Array.isArray(mounts)) for (const mount of mounts) texts.push(mount?.source)
  return texts.filter((text) => typeof text === 'string').join('\n')
}

/** A text with the names left open: containers that differ in nothing else have the same. NUL is in no JSON and in no path. */
export function withoutNames(text: string, names: readonly string[]): string {
  let open = text
  for (let i = 0; i < names.length; i++) open = open.replaceAll(names[i]!, `\0${i}\0`)
  return open
}

/** The opposite. In one go: what stands between two names may look like the mark of a third. */
export const withNames = (text: string, names: readonly string[]): string => text.replace(/\0(\d+)\0/g, (_, i) => names[Number(i)]!)

/** Part of the key: names of other lengths would lie elsewhere, and one with other separators may mean something else (`\w`, a name of systemd). */
export const shapeOf = (names: readonly string[]): string =>
  names.map((name) => name.replace(/[a-z0-9]+/gi, ({ length }) => String(length))).join(' ')

/** Writes the names into an image. */
export function fill(image: Uint8Array, places: readonly NamePlace[], names: readonly string[]): void {
  const encoder = new TextEncoder()
  const bytes = names.map((name) => encoder.encode(name))
  for (const { at, name } of places) image.set(bytes[name]!, at)
}

/**
 * True when JSON text may hold a name that is not seen in it: behind an escape, whose last letter may also seem to be a name's first.
 * The engine's interpreter takes fifty times as long for a regular expression.
 */
export const mayHideNames = (text: string): boolean => text.includes('\\u') || text.includes('\\b') || text.includes('\\f')
