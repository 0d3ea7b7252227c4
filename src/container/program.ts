/** The process that the plan becomes: spawning it, ending it, and telling how it ended. */
import { signalName, signalNumbers } from '../abi/signals.ts'
import { errnoNameOf } from '../errors/wording.ts'
import { encode } from '../image/encode.ts'
import type { OwnedFd } from '../linux/fd.ts'
import { type EndedChild, pidfdOpen, pidfdSendSignal, waitPid } from '../linux/process.ts'
import { poll, pollAsync } from '../linux/socket.ts'
import { spawnImage } from '../linux/spawn.ts'
import type { Plan } from '../plan/step.ts'
import { inheritedSignals } from './signals.ts'

const POLLIN = 1

/** A child of ours, held by its pidfd so that its pid cannot become somebody else's. */
export interface Child {
  readonly pid: number
  readonly pidfd: OwnedFd
}

/** Holds on to a child. */
export const hold = (pid: number): Child => ({ pid, pidfd: pidfdOpen(pid) })

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

/** Longest wait for a killed process; only an uninterruptible sleep takes longer. */
const KILL_MS = 10_000

/** Kills a child and reaps it; undefined when it has not died in time. Does not close the pidfd. */
export async function killChild(child: Child): Promise<EndedChild | undefined> {
  pidfdSendSignal(child.pidfd.fd, signalNumbers.SIGKILL)
  return (await untilGone(child.pidfd.fd, KILL_MS)) ? reap(child.pid) : undefined
}

/** Waits until the process of a pidfd has ended; false when the time is over. */
export async function untilGone(pidfd: number, timeoutMs: number): Promise<boolean> {
  const question = [{ fd: pidfd, events: POLLIN }]
  // A killed process usually ends within a millisecond or two.
  if (poll(question, Math.min(timeoutMs, 20))[0] !== 0) return true
  return (await pollAsync(question, timeoutMs))[0] !== 0
}

/** Reaps a process that has ended, if it is a child of ours: in a library program, which created the container itself, it is. */
export function reap(pid: number): EndedChild | undefined {
  try {
    return waitPid(pid, { hang: false })
  } catch (cause) {
    if (errnoNameOf(cause) === 'ECHILD') return undefined
    throw cause
  }
}

/** `exit status 1`, `killed by SIGKILL`. */
export const howItEnded = (child: EndedChild | undefined): string => {
  if (child === undefined) return 'nobody knows how'
  return child.signal === undefined ? `exit status ${child.exitCode}` : `killed by ${signalName(child.signal)}`
}
