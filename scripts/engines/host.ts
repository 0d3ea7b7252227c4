/** Engines of this host, each in a machine of namespaces. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CheckResult } from '../../test/engines/check.ts'
import { isMachineRoot, obstacle } from '../permission.ts'
import { type Debian, debian } from './debian.ts'
import { broken, features, type Job, type Orders, resultOf } from './jobs.ts'
import { startMachine } from './machine.ts'
import { installEngines } from './packages.ts'
import { versions } from './versions.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Time that one engine has with one runtime. */
const SESSION_TIMEOUT_MS = 600_000

const newest = (directory: string): number =>
  Math.max(
    ...readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => statSync(join(directory, path)).mtimeMs)
  )

/** The executable under test: $TSRUN_RUNTIME, or dist/tsrun, built when a source is newer. */
export function executable(): string {
  if (process.env.TSRUN_RUNTIME) return process.env.TSRUN_RUNTIME
  const built = join(root, 'dist/tsrun')
  if (!existsSync(built) || statSync(built).mtimeMs < newest(join(root, 'src'))) {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { cwd: root, encoding: 'utf8' })
    if (status !== 0) throw new Error(`the build failed:\n${stderr}`)
  }
  return built
}

/** One job, in a machine of its own. */
async function session(job: Job, tsrun: string, image: Debian): Promise<CheckResult[]> {
  const { engine, runtime } = job
  const results: CheckResult[] = []
  const lines: string[] = []
  const machine = startMachine({
    name: `tsrun-e${process.pid}-${engine.name.slice(0, 3)}-${runtime.slice(0, 1)}`,
    pureV1: runtime === 'crun',
    executables: dirname(tsrun),
    command: [process.execPath, join(root, 'scripts/engines/session.ts'), engine.name, runtime, features(job)],
    env: { PATH: process.env.PATH, DEBIAN: image.archive, WHY_NO_DEBIAN: image.why }
  })
  const timer = setTimeout(() => machine.process.kill('SIGKILL'), SESSION_TIMEOUT_MS)
  createInterface(machine.process.stdout!).on('line', (line) => {
    const result = resultOf(line)
    if (result) results.push(result)
    else lines.push(line)
  })
  const why = await new Promise<string>((resolve) => {
    machine.process.on('close', (status, signal) => resolve(status === 0 ? '' : `its machine ended with ${signal ?? `status ${status}`}`))
  })
  clearTimeout(timer)
  machine.remove()
  return why ? [...results, broken(job, [why, ...lines].join('\n'))] : results
}

/** Without these there is no machine for any engine. */
const NEEDED = ['/usr/bin/catatonit', '/usr/bin/unshare', '/usr/sbin/ip', '/bin/busybox']

/** Installs the engines; returns why none of them can run here. */
export function prepareHost(): string | undefined {
  if (!isMachineRoot()) return 'engines as they are installed need root'
  const found = obstacle()
  if (found) return `${found.why}; ${found.fix}`
  installEngines()
  const missing = NEEDED.find((path) => !existsSync(path))
  return missing && `needs ${missing}`
}

/**
 * Runs all jobs, two at a time.
 *
 * @returns the versions of the programs
 */
export async function runOnHost({ jobs, deadline, done }: Orders): Promise<string> {
  const tsrun = executable()
  const image = debian()
  const queue = [...jobs]
  const worker = async (): Promise<void> => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      const late = performance.now() > deadline
      done(job, late ? [broken(job, 'not run: no time was left')] : await session(job, tsrun, image))
    }
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))
  return versions()
}
