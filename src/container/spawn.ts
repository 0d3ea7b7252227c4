/** From a plan to a process. It is apart from program.ts because most commands start none, and the encoder takes a while to load. */
import { encode } from '../image/encode.ts'
import { spawnImage } from '../linux/spawn.ts'
import type { Plan } from '../plan/step.ts'
import { type Child, hold } from './program.ts'
import { inheritedSignals } from './signals.ts'

/**
 * Starts the program.
 *
 * @param named our descriptor for each name in `plan.fds`; they stay ours
 * @param preserve how many descriptors from 3 on are passed as they are
 * @param fallbackDirectory where the program is written when the kernel forbids to execute a memfd
 * @param detached whether it outlives the command
 */
export function spawnPlan(
  plan: Plan,
  named: Readonly<Record<string, number>>,
  preserve: number,
  fallbackDirectory: string,
  detached: boolean
): Child {
  const passed = plan.fds.map(({ name, fd }) => {
    const from = named[name]
    if (from === undefined) throw new Error(`the plan wants a descriptor ${JSON.stringify(name)} that nobody provides`)
    return { from, to: fd }
  })
  const preserved: { from: number; to: number }[] = []
  for (let fd = 3; fd < 3 + preserve; fd++) preserved.push({ from: fd, to: fd })
  return hold(
    spawnImage({
      image: encode(plan),
      arg0: 'tsrun-init',
      fds: [...preserved, ...passed],
      ...inheritedSignals({ detached }),
      fallbackDirectory
    })
  )
}

/** True when the first process clones init and leaves (the container has a pid or time namespace). */
export const clonesInit = (plan: Plan): boolean => plan.steps.some(({ call }) => call === 'clone' || call === 'clone3')
