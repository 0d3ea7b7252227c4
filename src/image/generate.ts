/**
 * Writes generated.ts, so that no start of a container has to assemble anything: `bun src/image/generate.ts`.
 * A test fails when generated.ts does not hold what the assembler makes.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Line } from './assemble.ts'
import { interpreterListing } from './interpreter.ts'

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`

function formatLine({ bytes, text, labels }: Line): string[] {
  const heads = labels.filter((name) => !/^argument/.test(name)).map((name) => `  // ${name}:`)
  return bytes.length === 0 ? heads : [...heads, `  ${bytes.map((byte) => `${hex(byte)},`).join(' ')} // ${text}`]
}

const constant = (name: string, listing: readonly Line[]): string =>
  `// biome-ignore format: one instruction a line\nconst ${name} = [\n${listing.flatMap(formatLine).join('\n')}\n]\n`

/** The text of generated.ts. */
export function generatedSource(): string {
  return `/** Written by generate.ts from interpreter.x64.ts and interpreter.arm64.ts; do not edit. */
import type { Architecture } from '../abi/syscalls.ts'

${constant('x64', interpreterListing('x64'))}
${constant('arm64', interpreterListing('arm64'))}
/** The interpreter's code, with the header of the table, still empty, at its end. */
export const interpreter: Readonly<Record<Architecture, readonly number[]>> = { x64, arm64 }
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(new URL('generated.ts', import.meta.url), generatedSource())
