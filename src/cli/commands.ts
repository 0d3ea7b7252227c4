/** Where the code of each command is. A file is imported when its command is called, and exports `main`. */
import type { RuntimeOptions } from '../container/types.ts'
import type { CommandName, FlagsOf, Globals } from './types.ts'

/** What a command is called with. */
export interface Invocation<C extends CommandName> {
  readonly flags: FlagsOf<C>
  /** The arguments that are no options; their count has been checked. */
  readonly args: readonly string[]
  /** For the library's functions: the global options. */
  readonly options: RuntimeOptions
  readonly globals: Globals
}

/** Runs a command and returns the exit status. Throws TsrunError. */
export type Main<C extends CommandName> = (invocation: Invocation<C>) => Promise<number>

type Load<C extends CommandName> = () => Promise<{ readonly main: Main<C> }>

export const commands: { readonly [C in CommandName]: Load<C> } = {
  create: () => import('./commands/create.ts'),
  start: () => import('./commands/start.ts'),
  run: () => import('./commands/run.ts'),
  state: () => import('./commands/state.ts'),
  kill: () => import('./commands/kill.ts'),
  delete: () => import('./commands/delete.ts'),
  list: () => import('./commands/list.ts'),
  spec: () => import('./commands/spec.ts'),
  explain: () => import('./commands/explain.ts'),
  exec: () => import('./commands/exec.ts'),
  ps: () => import('./commands/ps.ts'),
  pause: () => import('./commands/pause.ts'),
  resume: () => import('./commands/resume.ts'),
  features: () => import('./commands/features.ts'),
  events: () => import('./commands/events.ts'),
  update: () => import('./commands/update.ts'),
  checkpoint: () => import('./commands/checkpoint.ts'),
  restore: () => import('./commands/restore.ts'),
  install: () => import('./commands/install.ts'),
  completion: () => import('./commands/completion.ts')
}
