/** What has been created is taken back, in reverse order, when something later fails. */

/** One thing to take back. It must not assume that the steps after it were done. */
export type UndoStep = () => void | Promise<void>

/** A stack of undo steps. Every step runs, also when one of them fails; failures go to `warn`. */
export interface Undo {
  /** Adds a step; it runs before all that were added earlier. */
  add(says: string, step: UndoStep): void
  /** Runs and forgets all steps, the last one first. */
  run(): Promise<void>
  /** Forgets all steps: what has been created stays. */
  keep(): void
}

/** @param warn told about each step that failed: `cannot <says>: <reason>` */
export function undoStack(warn: (message: string) => void): Undo {
  let steps: { says: string; step: UndoStep }[] = []
  return {
    add(says, step) {
      steps.push({ says, step })
    },
    async run() {
      for (let entry = steps.pop(); entry !== undefined; entry = steps.pop()) await attempt(entry, warn)
    },
    keep() {
      steps = []
    }
  }
}

async function attempt({ says, step }: { says: string; step: UndoStep }, warn: (message: string) => void): Promise<void> {
  try {
    await step()
  } catch (cause) {
    warn(`cannot ${says}: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
