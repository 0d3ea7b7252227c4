/** All cases, in the order of the specification's documents. */
import { documentCases } from './chapters/document.ts'
import { hookCases } from './chapters/hooks.ts'
import { lifecycleCases } from './chapters/lifecycle.ts'
import { mountCases } from './chapters/mounts.ts'
import { processCases } from './chapters/process.ts'
import type { Case } from './requirement.ts'

export const cases: readonly Case[] = [...lifecycleCases, ...documentCases, ...mountCases, ...processCases, ...hookCases]
