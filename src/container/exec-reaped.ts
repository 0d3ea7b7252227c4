/** `exec` for a program that lives on: it is the parent of what it has started, and nobody else can reap that. */
import { reapInBackground } from '../linux/process.ts'
import { exec as execute } from './exec.ts'
import type { ExecOptions, RunResult } from './types.ts'

/** As `exec` of exec.ts; a detached process is reaped when it ends, and how it ended is not told. */
export async function exec(options: ExecOptions): Promise<RunResult> {
  const result = await execute(options)
  if (options.detach === true) reapInBackground(result.pid)
  return result
}
