/** Signals: what the engine has changed of them, and forwarding them to a container that runs in the foreground. */
import { signalNumbers } from '../abi/signals.ts'
import { ignoredByCaller, pidfdSendSignal } from '../linux/process.ts'
import type { Dispositions } from '../linux/spawn.ts'
import { INTERRUPTING } from './interrupt.ts'
import type { Work } from './work.ts'

const { SIGCHLD, SIGKILL, SIGPIPE, SIGPWR, SIGSTOP, SIGXFSZ } = signalNumbers

/**
 * How a process that we start takes signals: what the caller ignored is ignored, the rest is at its default, the mask is the caller's.
 * (`nohup` and `trap ''` work through a runtime as through any other program; runc and crun set all to the default.) Except:
 *
 * - SIGPIPE, for a process that is `detached` or a hook. conmon and services of systemd ignore it for the sake of their own pipes, and the
 *   `yes | head` of a container would complain. In the foreground the standard streams are the caller's, and so is the choice.
 * - SIGCHLD: a program that begins with it ignored cannot wait for its children (wait(2)).
 * - SIGPWR: JavaScriptCore stops its threads with it, so that it cannot be ignored for a moment, and unblocks it.
 *
 * In a program that nobody has recorded the caller of, such as one that uses the library, the caller is that program itself.
 */
export function inheritedSignals({ detached }: { readonly detached: boolean }): Dispositions {
  const ignored = ignoredByCaller()
  if (ignored === undefined) return { resetSignals: [SIGPIPE, SIGXFSZ], mask: 'inherit' }
  const ignoreSignals = ignored.filter((signal) => signal !== SIGCHLD && signal !== SIGPWR && !(detached && signal === SIGPIPE))
  // An engine ignores two, handles faults, and handles what its program listens to.
  const others = Object.values(signalNumbers).filter(
    (signal) => signal !== SIGKILL && signal !== SIGSTOP && !ignoreSignals.includes(signal)
  )
  return { ignoreSignals, resetSignals: others, mask: 'inherit' }
}

/**
 * Not forwarded: SIGCHLD is about children, SIGWINCH about our own terminal, SIGURG means nothing here (runc keeps it back for its engine's sake);
 * SIGPIPE comes from our own writes; the rest cannot be caught, or are faults of this process and its engine's own.
 */
const KEPT: ReadonlySet<string> = new Set([
  ...['SIGCHLD', 'SIGWINCH', 'SIGURG', 'SIGKILL', 'SIGSTOP', 'SIGPIPE'],
  ...['SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGPROF']
])

/** Calls `heard` for each signal with one of these names, until it is disposed of. */
function hear(names: readonly string[], heard: (number: number) => void): Disposable {
  const listeners = new Map<string, () => void>()
  for (const name of names) {
    const number = signalNumbers[name as keyof typeof signalNumbers]
    const listener = (): void => heard(number)
    if (listen(name, listener)) listeners.set(name, listener)
  }
  return {
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) process.off(name, listener)
    }
  }
}

const FORWARDED = Object.keys(signalNumbers).filter((name) => !KEPT.has(name))
const INTERRUPT = FORWARDED.filter((name) => INTERRUPTING.some((each) => each === name))
const OTHERS = FORWARDED.filter((name) => !INTERRUPT.includes(name))

/**
 * Sends what this process is sent to the one that `pidfd` refers to, until it is disposed of.
 * @param pidfd must stay open until then
 */
export const forwardSignals = (pidfd: number): Disposable => hear(FORWARDED, (number) => void pidfdSendSignal(pidfd, number))

/** Signals that wait for the process that they are meant for. */
export interface HeldSignals {
  /**
   * Sends them, and forwards from now on what comes; to be called while the work still listens for what interrupts it.
   * @param pidfd must stay open until the forwarding is disposed of
   */
  forward(pidfd: number): Disposable
}

/**
 * Holds back what comes while a process is made: at its default a signal would end this process, and leave behind what is half made, or the process
 * that has just begun. What interrupts the work is not among them.
 */
export function holdSignals(work: Work): HeldSignals {
  const held = new Set<number>()
  let take = (number: number): void => void held.add(number)
  const others = hear(OTHERS, (number) => take(number))
  work.undo.add('listen for no more signals', () => others[Symbol.dispose]())
  return {
    forward(pidfd) {
      take = (number) => void pidfdSendSignal(pidfd, number)
      const interrupt = hear(INTERRUPT, take)
      for (const number of held) take(number)
      return {
        [Symbol.dispose]() {
          interrupt[Symbol.dispose]()
          others[Symbol.dispose]()
        }
      }
    }
  }
}

/** False when this engine cannot listen for the signal. */
function listen(name: string, listener: () => void): boolean {
  try {
    process.on(name, listener)
    return true
  } catch {
    return false
  }
}
