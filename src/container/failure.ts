/** Puts a step that failed in the container into words. */
import { readFileSync } from 'node:fs'
import type { CgroupLocation } from '../cgroup/index.ts'
import type { TsrunError } from '../errors/error.ts'
import { cannotExecute, commandFailure } from '../errors/wording.command.ts'
import { initDied, stepFailed, unknownStep } from '../errors/wording.ts'
import type { EndedChild } from '../linux/process.ts'
import { encodeNotice } from '../plan/protocol.ts'
import type { Plan, Step } from '../plan/step.ts'
import { howItEnded } from './program.ts'
import type { SavedStep } from './record.ts'

/** A step that failed, as the program reports it. */
export interface Failed {
  /** Index into the plan's steps. */
  readonly step: number
  readonly errno: number
}

/**
 * The error for a step that failed before `start`.
 * @param command process.args[0]
 */
export function stepFailure(step: SavedStep | undefined, failed: Failed, command: string): TsrunError {
  if (step === undefined) return unknownStep(failed.step, failed.errno)
  if (step.code === 'command-not-found' || step.code === 'command-not-executable') return commandFailure(command, step, failed.errno)
  return stepFailed(step, failed.errno)
}

/** The same after `start`, when a command that was found could not be executed after all; `cause` is what a look at its file has shown. */
export function startFailure(step: SavedStep | undefined, failed: Failed, command: string, cause: string | undefined): TsrunError {
  if (step?.code === 'command-not-executable') return cannotExecute(command, step, failed.errno, cause)
  return stepFailure(step, failed, command)
}

/** The descriptions of the steps after `ready`: the only ones whose failures another process has to put into words. */
export function stepsAfterReady({ steps }: Plan): Record<string, SavedStep> {
  const saved: Record<string, SavedStep> = {}
  for (let i = steps.length - 1; i >= 0 && !tellsReady(steps[i]!); i--) {
    const { says, pointer, code } = steps[i]!
    saved[i] = { says, pointer, ...(code === undefined ? {} : { code }) }
  }
  return saved
}

const READY = encodeNotice('ready')

const tellsReady = ({ args }: Step): boolean =>
  args.some((arg) => typeof arg === 'object' && arg.kind === 'bytes' && arg.bytes.length === 8 && arg.bytes.every((b, i) => b === READY[i]))

/** The error for an init that is gone without a word: killed by somebody, or by the kernel for the memory limit. */
export function deathOf(child: EndedChild | undefined, cgroup: CgroupLocation | undefined): TsrunError {
  if (child?.signal === 9 && cgroup !== undefined && oomKills(cgroup) > 0) {
    return initDied('container init was OOM-killed (memory limit too low?) [/linux/resources/memory/limit]')
  }
  return initDied(howItEnded(child))
}

/** How often the kernel has killed for lack of memory in this cgroup (memory.oom_control since Linux 4.13; memory.events). */
function oomKills({ paths }: CgroupLocation): number {
  const file = paths.memory === undefined ? `${paths['']}/memory.events` : `${paths.memory}/memory.oom_control`
  try {
    return Number(/^oom_kill (\d+)/m.exec(readFileSync(file, 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
