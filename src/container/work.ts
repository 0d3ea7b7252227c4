/** What surrounds the making of a container: warnings, a way to be interrupted, a stack of what is to be undone, and what is to be closed. */
import { type Interrupt, listenForInterrupt } from './interrupt.ts'
import type { RuntimeOptions } from './types.ts'
import { type Undo, undoStack } from './undo.ts'

export interface Work {
  readonly undo: Undo
  readonly interrupt: Interrupt
  readonly warn: (message: string) => void
  /** Takes ownership: it is disposed of when the work ends, well or badly, and in the latter case after the undoing. */
  use<T extends Disposable>(resource: T): T
}

/** Does `action`; when it fails, or a signal interrupts it, undoes everything that it has put on the stack, and throws what it threw. */
export async function withUndo<T>(options: RuntimeOptions, action: (work: Work) => Promise<T>): Promise<T> {
  const warn = (message: string): void => options.log?.('warning', message)
  const undo = undoStack(warn)
  const resources: Disposable[] = []
  using interrupt = listenForInterrupt()
  const use = <R extends Disposable>(resource: R): R => {
    resources.push(resource)
    return resource
  }
  try {
    return await action({ undo, interrupt, warn, use })
  } catch (cause) {
    await undo.run()
    throw cause
  } finally {
    for (const resource of resources.reverse()) resource[Symbol.dispose]()
  }
}
