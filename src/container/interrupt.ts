/** SIGINT, SIGTERM and SIGHUP while a container is being created: the work stops at the next wait, and everything is undone. */
import { type SignalName, signalNumbers } from '../abi/signals.ts'
import { interrupted } from '../errors/wording.ts'
import { ignoredByCaller } from '../linux/process.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const satisfies readonly SignalName[]

export interface Interrupt extends Disposable {
  /** Throws TsrunError `died` once a signal has come. */
  check(): void
  /** Calls `action` when a signal comes, at once when one has come; returns how to take that back. */
  on(action: () => void): () => void
}

/** Listens from now on until it is disposed of, but not for what our caller ignores. The event loop must get turns for a signal to be seen. */
export function listenForInterrupt(): Interrupt {
  let signal: string | undefined
  const actions = new Set<() => void>()
  const listener = (name: string): void => {
    signal ??= name
    for (const action of actions) action()
  }
  const ignored = ignoredByCaller() ?? []
  const signals = SIGNALS.filter((name) => !ignored.includes(signalNumbers[name]))
  for (const name of signals) process.on(name, listener)
  return {
    check() {
      if (signal !== undefined) throw interrupted(signal)
    },
    on(action) {
      if (signal !== undefined) action()
      actions.add(action)
      return () => actions.delete(action)
    },
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, listener)
    }
  }
}

/** For waits that nothing interrupts, such as a `delete` that has begun. */
export const uninterrupted: Interrupt = { check() {}, on: () => () => {}, [Symbol.dispose]() {} }
