/** From a plan to a process. It is apart from spawn.ts because the encoder takes a while to load. */
import { encode } from '../image/encode.ts'
import type { Plan } from '../plan/step.ts'
import type { Child } from './program.ts'
import { type Start, startImage } from './spawn.ts'

/** Encodes a plan and starts it. */
export const spawnPlan = (plan: Plan, start: Omit<Start, 'image' | 'fds'>): Child =>
  startImage({ image: encode(plan), fds: plan.fds, ...start })
