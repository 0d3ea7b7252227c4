/**
 * What both assemblers share: a program is a list of instructions and labels; one late pass gives every label its address.
 *
 * An instruction is a value that knows its text and, once addresses are known, its bytes. The mnemonics in x64.ts and arm64.ts make them.
 */

/** The address of a label. */
export type Resolve = (label: string) => number

/** One instruction. */
export interface Instruction {
  /** In the syntax of the architecture's manual: `movsxd rdi, [rbp+28]`. */
  readonly text: string
  /** Its bytes when it lies at address `at`; the length may grow with the distance of a label, never shrink. */
  readonly bytes: (at: number, resolve: Resolve) => readonly number[]
}

/** Names the address of the instruction that follows. */
export interface Label {
  readonly label: string
}

export type Program = readonly (Instruction | Label)[]

/** One line of a listing. */
export interface Line {
  readonly address: number
  readonly bytes: readonly number[]
  readonly text: string
  /** Labels at this address. */
  readonly labels: readonly string[]
}

/** Names the address of what follows. */
export const label = (name: string): Label => ({ label: name })

/** A NUL-terminated ASCII string. */
export const ascii = (text: string): Instruction => ({
  text: `.asciz ${JSON.stringify(text)}`,
  bytes: () => [...text].map((c) => c.charCodeAt(0)).concat(0)
})

/** `size` zero bytes for whoever uses the program to fill. */
export const reserve = (size: number): Instruction => ({ text: `reserve ${size}`, bytes: () => Array.from({ length: size }, () => 0) })

/**
 * Lays `program` out from address `origin` on; `externals` are labels that lie elsewhere.
 * Throws a RangeError for a label that is defined twice or nowhere, or is too far away for its instruction.
 */
export function assemble(program: Program, origin: number, externals: Readonly<Record<string, number>> = {}): readonly Line[] {
  // Jumps start short and only ever grow, so this ends.
  let addresses = layOut(program, origin, (at) => () => at)
  for (;;) {
    const next = layOut(program, origin, () => resolver(program, addresses, externals))
    if (next.every((address, i) => address === addresses[i])) return lines(program, addresses, resolver(program, addresses, externals))
    addresses = next
  }
}

/** The address of every item, and the end. */
function layOut(program: Program, origin: number, resolveAt: (at: number) => Resolve): number[] {
  const addresses = [origin]
  let at = origin
  for (const item of program) {
    if ('bytes' in item) at += item.bytes(at, resolveAt(at)).length
    addresses.push(at)
  }
  return addresses
}

function resolver(program: Program, addresses: readonly number[], externals: Readonly<Record<string, number>>): Resolve {
  const places = new Map<string, number>(Object.entries(externals))
  for (const [i, item] of program.entries()) {
    if ('bytes' in item) continue
    if (places.has(item.label)) throw new RangeError(`label "${item.label}" is defined twice`)
    places.set(item.label, addresses[i]!)
  }
  return (name) => {
    const place = places.get(name)
    if (place === undefined) throw new RangeError(`label "${name}" is not defined`)
    return place
  }
}

function lines(program: Program, addresses: readonly number[], resolve: Resolve): Line[] {
  const out: Line[] = []
  let labels: string[] = []
  for (const [i, item] of program.entries()) {
    if (!('bytes' in item)) {
      labels.push(item.label)
      continue
    }
    const address = addresses[i]!
    out.push({ address, bytes: item.bytes(address, resolve), text: item.text, labels })
    labels = []
  }
  if (labels.length > 0) out.push({ address: addresses.at(-1)!, bytes: [], text: '', labels })
  return out
}

/** All bytes of a listing, in order. */
export const bytesOf = (listing: readonly Line[]): Uint8Array => Uint8Array.from(listing.flatMap((line) => line.bytes))

/** A 32-bit value as four bytes, least significant first. */
export const le32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff]
