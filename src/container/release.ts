/** From a ready init to the user's process: startContainer hooks, the word to go, execve, poststart hooks. What `start` and `run` have in common. */
import { closeSync, constants, openSync } from 'node:fs'
import type { Config } from '../config/types.ts'
import { startFailure } from './failure.ts'
import type { Interrupt } from './interrupt.ts'
import { reap, untilGone } from './program.ts'
import { outcome } from './protocol.ts'
import type { ContainerRecord } from './record.ts'
import { stateDocument } from './status.ts'

const O_PATH = 0o10000000

export interface Release {
  readonly record: ContainerRecord
  readonly config: Config
  /** Of init. */
  readonly pidfd: number
  readonly interrupt: Interrupt
}

/** A process that waits for the word to go: init, or one of `exec`. */
export interface Going extends Omit<Release, 'record'> {
  readonly record: Pick<ContainerRecord, 'init_process_pid' | 'steps'>
  /** A process of the container that has its root; default: the one that waits. */
  readonly rootOf?: number
}

/**
 * They run in the container's namespaces, where the container's own files are the ones that are found; whatever these do, they do it with the rights
 * of the container's process (runc and crun execute them in init, after it has given up the others).
 */
export async function runStartContainerHooks({ record, config, pidfd, interrupt }: Release): Promise<void> {
  const hooks = config.hooks?.startContainer
  if (hooks === undefined) return
  const [{ hookOutput, hookState, runHooks }, { readExecFacts }] = await Promise.all([import('./hooks.ts'), import('./exec-facts.ts')])
  const state = hookState(stateDocument(record, 'created'), 'created')
  const facts = await readExecFacts({ record, pidfd, config, subCgroups: new Map(), options: { rootless: record.rootless } })
  const place = {
    directory: '/',
    init: { pid: record.init_process_pid, pidfd },
    defaultEnv: config.process?.env ?? [],
    output: hookOutput(config),
    as: { config, facts, options: { id: record.id, noNewKeyring: record.noNewKeyring === true } }
  }
  await runHooks('startContainer', hooks, state, place, interrupt)
}

/** After the user's process was executed, before the command returns. */
export async function runPoststartHooks({ record, config, interrupt }: Release): Promise<void> {
  const hooks = config.hooks?.poststart
  if (hooks === undefined) return
  const { hookOutput, hookState, runHooks } = await import('./hooks.ts')
  const state = hookState(stateDocument(record, 'running'), 'running')
  await runHooks('poststart', hooks, state, { directory: record.bundle, output: hookOutput(config) }, interrupt)
}

/**
 * Lets init go, and waits until it has become the user's process.
 * @param go gives the word, and returns the descriptor on which init reports
 * @throws TsrunError for the step that failed; for a command that could not be executed, with the cause
 */
export async function letGo(
  { record, config, pidfd, interrupt, rootOf = record.init_process_pid }: Going,
  go: () => number
): Promise<void> {
  const root = openRoot(rootOf)
  try {
    const failed = await outcome(go(), interrupt)
    if (failed === undefined) return
    // It ends by itself; the next look at the container must find it stopped.
    await untilGone(pidfd, 1000)
    reap(record.init_process_pid)
    const step = record.steps[failed.step]
    const command = config.process?.args?.[0] ?? ''
    const cause = step?.code === 'command-not-executable' && root !== undefined ? await causeOf(step.says, root, config) : undefined
    throw startFailure(step, failed, command, cause)
  } finally {
    if (root !== undefined) closeSync(root)
  }
}

/** The container's root, kept to look at the command if it cannot be executed: by then init is gone, and its mounts with it. */
function openRoot(pid: number): number | undefined {
  try {
    return openSync(`/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY)
  } catch {
    return undefined
  }
}

/** `execute "/bin/x"` names the path that was tried, which a search in PATH has found. */
async function causeOf(says: string, root: number, config: Config): Promise<string | undefined> {
  const path = /^execute ("(?:[^"\\]|\\.)*")/.exec(says)?.[1]
  if (path === undefined) return undefined
  const { diagnose } = await import('./diagnose.ts')
  return diagnose(root, JSON.parse(path), config)
}
