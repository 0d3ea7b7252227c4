/** JSON pointers (RFC 6901): names of places in a document. */

/** One step of a pointer: the name of a member or the index of an entry. */
export type Segment = string | number

/** `/linux/sysctl/net~1ipv4` for `pointer('linux', 'sysctl', 'net/ipv4')`. */
export function pointer(...segments: readonly Segment[]): string {
  let text = ''
  for (const segment of segments) text += `/${escapeSegment(segment)}`
  return text
}

/** One segment as it stands in a pointer. */
export const escapeSegment = (segment: Segment): string =>
  typeof segment === 'number' ? String(segment) : segment.replaceAll('~', '~0').replaceAll('/', '~1')

/** The segments of a pointer, names unescaped. */
export const segments = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))

/** The pointer of what holds `pointer`; '' for a member of the document itself. */
export const parent = (pointer: string): string => pointer.slice(0, Math.max(0, pointer.lastIndexOf('/')))

/** True when `pointer` names `above` or something inside it. */
export const isWithin = (pointer: string, above: string): boolean => pointer === above || pointer.startsWith(`${above}/`)

/** The value at `pointer`; undefined when there is none. Own members only, so that no name leads to a prototype. */
export function valueAt(document: unknown, pointer: string): unknown {
  let value = document
  for (const segment of segments(pointer)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[segment]
  }
  return value
}
