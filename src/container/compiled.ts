/** A plan as it is started: the image, and what the runtime has to know of the steps while it runs. */
import { encode } from '../image/encode.ts'
import type { Plan, ProgramFd, Step } from '../plan/step.ts'
import { stepsAfterReady } from './failure.ts'
import type { SavedStep } from './record.ts'

/** A program that can be started, whether its plan was compiled just now or long ago (src/template). */
export interface Compiled {
  /** The executable. */
  readonly image: Uint8Array
  /** Descriptors that it is started with. */
  readonly fds: readonly ProgramFd[]
  /** Index of the last step that clones, -1 when none does; the first process then is the container's. */
  readonly lastClone: number
  /** What its steps do after it was ready, by index: their failures are told by other processes. */
  readonly afterReady: Readonly<Record<number, SavedStep>>
  /** All its steps; asked for only when one has failed. */
  readonly steps: () => Promise<readonly Step[]>
}

/** Encodes a plan. */
export const compiledFrom = (plan: Plan): Compiled => ({
  image: encode(plan),
  fds: plan.fds,
  lastClone: lastClone(plan),
  afterReady: stepsAfterReady(plan),
  steps: async () => plan.steps
})

const lastClone = ({ steps }: Plan): number => steps.findLastIndex(({ call }) => call === 'clone' || call === 'clone3')
