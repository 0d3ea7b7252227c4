/** All cases, in the order of the specification's documents. */
import { lifecycleCases } from './chapters/lifecycle.ts'
import { processCases } from './chapters/process.ts'
import type { Case } from './requirement.ts'

export const cases: readonly Case[] = [...lifecycleCases, ...processCases]
