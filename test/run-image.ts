/** Runs a plan's image for real, to see that a program does what its plan says: natively, or under qemu's user emulation. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Architecture } from '../src/abi/syscalls.ts'
import { encode } from '../src/image/encode.ts'
import { type Arg, type Plan, type Step, slot } from '../src/plan/step.ts'

/** The descriptor that reports go to. */
export const REPORT_FD = 3

/** What is seen of a program when it has ended. */
export interface Outcome {
  readonly status: number | null
  readonly signal: string | null
  /** Byte for byte, as latin1. */
  readonly stdout: string
  /** What was written to the report descriptor. */
  readonly report: Uint8Array
}

const EMULATORS: Readonly<Record<Architecture, string>> = { x64: '/usr/bin/qemu-x86_64-static', arm64: '/usr/bin/qemu-aarch64-static' }

/** Why programs of `arch` cannot run here, or false. */
export const cannotRun = (arch: Architecture): string | false =>
  process.arch !== arch && !existsSync(EMULATORS[arch]) && `${EMULATORS[arch]} is not installed`

/** The command that runs the program at `path`, which is for `arch`. */
export const emulate = (arch: Architecture, path: string): string[] => (process.arch === arch ? [path] : [EMULATORS[arch], path])

/** A step that comes from no field. */
export const step = (call: Step['call'], args: readonly Arg[], more: Partial<Step> = {}): Step => ({
  call,
  args,
  pointer: '',
  says: call,
  ...more
})

/** A plan whose errors go to REPORT_FD. */
export const planOf = (arch: Architecture, steps: readonly Step[]): Plan => ({
  arch,
  steps,
  fds: [],
  report: slot('report'),
  reportFd: REPORT_FD
})

/** Runs the plan's image to its end. */
export function runPlan(plan: Plan): Outcome {
  const directory = mkdtempSync(join(tmpdir(), 'image-'))
  try {
    const path = join(directory, 'image')
    writeFileSync(path, encode(plan), { mode: 0o755 })
    const [command, ...args] = emulate(plan.arch, path)
    const { status, signal, output, error } = spawnSync(command!, args, { stdio: ['ignore', 'pipe', 'inherit', 'pipe'], timeout: 20_000 })
    if (error) throw error
    return {
      status,
      signal,
      stdout: (output[1] as unknown as Buffer).toString('latin1'),
      report: new Uint8Array(output[REPORT_FD] as unknown as Buffer)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
