/** From an image to a process. */
import { spawnImage } from '../linux/spawn.ts'
import type { ProgramFd } from '../plan/step.ts'
import { type Child, hold } from './program.ts'
import { inheritedSignals } from './signals.ts'

/** What is started, and with what. */
export interface Start {
  readonly image: Uint8Array
  /** The descriptors that it wants. */
  readonly fds: readonly ProgramFd[]
  /** Our descriptor for each name in `fds`; they stay ours. */
  readonly named: Readonly<Record<string, number>>
  /** How many descriptors from 3 on are passed as they are. */
  readonly preserve: number
  /** Where the program is written when the kernel forbids to execute a memfd. */
  readonly fallbackDirectory: string
  /** Whether it outlives the command. */
  readonly detached: boolean
}

/** Starts the program. */
export function startImage({ image, fds, named, preserve, fallbackDirectory, detached }: Start): Child {
  const passed = fds.map(({ name, fd }) => {
    const from = named[name]
    if (from === undefined) throw new Error(`the plan wants a descriptor ${JSON.stringify(name)} that nobody provides`)
    return { from, to: fd }
  })
  const preserved: { from: number; to: number }[] = []
  for (let fd = 3; fd < 3 + preserve; fd++) preserved.push({ from: fd, to: fd })
  return hold(
    spawnImage({ image, arg0: 'tsrun-init', fds: [...preserved, ...passed], ...inheritedSignals({ detached }), fallbackDirectory })
  )
}
