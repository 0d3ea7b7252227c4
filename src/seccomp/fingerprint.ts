/** A quick hash of bytes for names and against damage. It is no protection from people: whatever must be equal is compared. */

/** Bun's wyhash; the engines' own crypto modules take 5 to 10 ms to import. */
// biome-ignore lint/suspicious/noExplicitAny: Bun's types are no dependency
const native: ((bytes: Uint8Array) => number | bigint) | undefined = (globalThis as any).Bun?.hash

/** Sixteen characters. Differs between engines, so that one does not read what another has marked. */
export const fingerprint = (bytes: Uint8Array): string =>
  native === undefined ? portable(bytes) : BigInt(native(bytes)).toString(16).padStart(16, '0')

/** Two lanes of multiply and rotate over bytes (FNV-1a, and a variant): `n` and 15 hexadecimal digits. */
function portable(bytes: Uint8Array): string {
  let one = 0x811c_9dc5
  let two = 0x9e37_79b9
  for (let i = 0; i < bytes.length; i++) {
    one = Math.imul(one ^ bytes[i]!, 0x0100_0193)
    two = Math.imul((two << 5) ^ (two >>> 27) ^ bytes[i]!, 0x85eb_ca6b)
  }
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
  return `n${`${hex(one)}${hex(two)}`.slice(1)}`
}
