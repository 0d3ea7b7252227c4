/** All cases, in the order of the specification's documents. */

import { deviceCases } from './chapters/devices.ts'
import { documentCases } from './chapters/document.ts'
import { hookCases } from './chapters/hooks.ts'
import { kernelCases } from './chapters/kernel.ts'
import { lifecycleCases } from './chapters/lifecycle.ts'
import { mountCases } from './chapters/mounts.ts'
import { namespaceCases } from './chapters/namespaces.ts'
import { processCases } from './chapters/process.ts'
import { resourceCases } from './chapters/resources.ts'
import { seccompCases } from './chapters/seccomp.ts'
import type { Case } from './requirement.ts'

export const cases: readonly Case[] = [
  ...lifecycleCases,
  ...documentCases,
  ...mountCases,
  ...processCases,
  ...hookCases,
  ...namespaceCases,
  ...deviceCases,
  ...resourceCases,
  ...kernelCases,
  ...seccompCases
]
