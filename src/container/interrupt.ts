/** SIGINT, SIGTERM and SIGHUP while a container is being created: the work stops at the next wait, and everything is undone. */
import { type SignalName, signalNumbers } from '../abi/signals.ts'
import { interrupted } from '../errors/wording.ts'
import { ignoredByCaller } from '../linux/process.ts'

/** The signals that do it. */
export const INTERRUPTING: readonly SignalName[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

export interface Interrupt extends Disposable {
  /** Throws TsrunError `died` once a signal has come. */
  check(): void
  /** Calls `action` when a signal comes, at once when one has come; returns how to take that back. */
  on(action: () => void): () => void
}

/** Whoever listens in this process. The signals have one listener for all: a program may create many containers at once. */
const listening = new Set<(name: string) => void>()
let signals: readonly SignalName[] = []

const tellAll = (name: string): void => {
  for (const listener of listening) listener(name)
}

function join(listener: (name: string) => void): void {
  if (listening.size === 0) {
    const ignored = ignoredByCaller() ?? []
    signals = INTERRUPTING.filter((name) => !ignored.includes(signalNumbers[name]))
    for (const name of signals) process.on(name, tellAll)
  }
  listening.add(listener)
}

function leave(listener: (name: string) => void): void {
  if (listening.delete(listener) && listening.size === 0) for (const name of signals) process.off(name, tellAll)
}

/** Listens from now on until it is disposed of, but not for what our caller ignores. The event loop must get turns for a signal to be seen. */
export function listenForInterrupt(): Interrupt {
  let signal: string | undefined
  const actions = new Set<() => void>()
  const listener = (name: string): void => {
    signal ??= name
    for (const action of actions) action()
  }
  join(listener)
  return {
    check() {
      if (signal !== undefined) throw interrupted(signal)
    },
    on(action) {
      if (signal !== undefined) action()
      actions.add(action)
      return () => actions.delete(action)
    },
    [Symbol.dispose]: () => leave(listener)
  }
}

/** For waits that nothing interrupts, such as a `delete` that has begun. */
export const uninterrupted: Interrupt = { check() {}, on: () => () => {}, [Symbol.dispose]() {} }
