/** The hooks that run when a container is gone (config.md#poststop). */
import type { Config } from '../config/types.ts'
import { hookOutput, hookState, runHook } from './hooks.ts'
import { uninterrupted } from './interrupt.ts'
import type { ContainerRecord } from './record.ts'
import { stateDocument } from './status.ts'

/** Runs them all; a failure is a warning, and the others still run (runtime.md#lifecycle, step 13). Never throws. */
export async function runPoststop(
  record: ContainerRecord,
  config: Pick<Config, 'annotations' | 'hooks'>,
  warn: (message: string) => void
): Promise<void> {
  const state = hookState(stateDocument(record, 'stopped'), 'stopped')
  for (const [index, hook] of (config.hooks?.poststop ?? []).entries()) {
    try {
      await runHook('poststop', index, hook, state, { directory: record.bundle, output: hookOutput(config) }, uninterrupted)
    } catch (cause) {
      warn(cause instanceof Error ? cause.message : String(cause))
    }
  }
}
