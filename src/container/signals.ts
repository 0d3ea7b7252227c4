/** Signals: what the engine has changed of them, and forwarding them to a container that runs in the foreground. */
import { signalNumbers } from '../abi/signals.ts'
import { pidfdSendSignal } from '../linux/process.ts'

/** Node and Bun ignore these two. A container gets them as a program usually does; what the caller ignores stays ignored. */
export const CHANGED_BY_ENGINES: readonly number[] = [signalNumbers.SIGPIPE, signalNumbers.SIGXFSZ]

/**
 * Not forwarded: SIGCHLD is about children, SIGWINCH about our own terminal, SIGURG means nothing here (runc keeps it back for its engine's sake);
 * SIGPIPE comes from our own writes; the rest cannot be caught, or are faults of this process and its engine's own.
 */
const KEPT: ReadonlySet<string> = new Set([
  ...['SIGCHLD', 'SIGWINCH', 'SIGURG', 'SIGKILL', 'SIGSTOP', 'SIGPIPE'],
  ...['SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGPROF']
])

/**
 * Sends what this process is sent to the one that `pidfd` refers to, until it is disposed of.
 * @param pidfd must stay open until then
 */
export function forwardSignals(pidfd: number): Disposable {
  const listeners = new Map<string, () => void>()
  for (const [name, number] of Object.entries(signalNumbers)) {
    if (KEPT.has(name)) continue
    const listener = (): void => void pidfdSendSignal(pidfd, number)
    if (listen(name, listener)) listeners.set(name, listener)
  }
  return {
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) process.off(name, listener)
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
