/** Quick hashes for file names and against damage. They are no protection from people: whatever must be equal is compared. */

/** Bun's wyhash; the engines' own crypto modules take 5 to 10 ms to import. */
// biome-ignore lint/suspicious/noExplicitAny: Bun's types are no dependency
const bun: ((data: string | Uint8Array) => number | bigint) | undefined = (globalThis as any).Bun?.hash

/** A name for `text`: up to 17 characters. Differs between engines, so that none reads what another has marked. */
export const fingerprint = (text: string): string => (bun === undefined ? portable(text) : bun(text).toString(16))

/** 32 bits. */
export const checksum = (bytes: Uint8Array): number => (bun === undefined ? fnv(bytes) : Number(BigInt(bun(bytes)) & 0xffff_ffffn))

const FNV_BASIS = 0x811c_9dc5
const FNV_PRIME = 0x0100_0193

function fnv(bytes: Uint8Array): number {
  let sum = FNV_BASIS
  for (let i = 0; i < bytes.length; i++) sum = Math.imul(sum ^ bytes[i]!, FNV_PRIME)
  return sum >>> 0
}

/** Two lanes, FNV-1a and a variant with a rotation. */
function portable(text: string): string {
  let one = FNV_BASIS
  let two = 0x9e37_79b9
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    one = Math.imul(one ^ code, FNV_PRIME)
    two = Math.imul(((two << 5) | (two >>> 27)) ^ code, 0x85eb_ca6b)
  }
  return `n${(one >>> 0).toString(16)}${(two >>> 0).toString(16)}`
}
