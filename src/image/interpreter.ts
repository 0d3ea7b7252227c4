/** The assembled interpreters. Only the generator, listings and tests come here; images are made from generated.ts. */
import type { Architecture } from '../abi/syscalls.ts'
import { assemble, type Line, type Program } from './assemble.ts'
import { program as arm64 } from './interpreter.arm64.ts'
import { program as x64 } from './interpreter.x64.ts'
import { BASE, CODE_OFFSET } from './record.ts'

const programs: Readonly<Record<Architecture, Program>> = { x64, arm64 }

/** The interpreter of `arch` line by line, at the address where every image has it. */
export const interpreterListing = (arch: Architecture): readonly Line[] => assemble(programs[arch], BASE + CODE_OFFSET)
