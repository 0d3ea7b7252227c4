/** What of a configuration its program, and what is said about it, can depend on. Pure. */

/** Keys that runtimes act on begin with these; annotations.ts lists them. */
const ACTED_ON = /^(?:run\.oci|org\.systemd|org\.criu)\./

/**
 * The configuration without the values of annotations that no runtime acts on: engines note the time in them. Their names stay, and that they are texts.
 *
 * @param document a configuration, of any shape
 */
export function significant(document: unknown): unknown {
  if (typeof document !== 'object' || document === null || !('annotations' in document)) return document
  const { annotations } = document
  if (typeof annotations !== 'object' || annotations === null || Array.isArray(annotations)) return document
  const kept: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(annotations)) kept[key] = typeof value !== 'string' || ACTED_ON.test(key) ? value : ''
  return { ...document, annotations: kept }
}
