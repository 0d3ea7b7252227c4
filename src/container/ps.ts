/** `ps`: the processes of a container. It takes no lock, for it only looks. */
import { readdirSync, readlinkSync } from 'node:fs'
import { processes } from '../cgroup/index.ts'
import { noPidColumn, psFailed } from '../errors/wording.control.ts'
import { checkId } from './ids.ts'
import type { ContainerRecord } from './record.ts'
import { rootDirectory } from './root.ts'
import { initIsAlive } from './status.ts'
import { readRecord, stateDirectory } from './store.ts'
import type { RuntimeOptions } from './types.ts'

/** Podman runs the runtime with next to no environment. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Bytes; a listing of a hundred thousand processes. */
const MAX_LISTING = 64 << 20

/**
 * Pids of all processes of a container, as the runtime's pid namespace sees them; none when it has stopped.
 * @throws TsrunError `not-found`
 */
export async function ps(id: string, options: RuntimeOptions = {}): Promise<readonly number[]> {
  checkId(id)
  const record = readRecord(stateDirectory(rootDirectory(options).path, id))
  if (record.cgroup !== undefined && Object.keys(record.cgroup.paths).length > 0) return processes(record.cgroup)
  return initIsAlive(record) ? processesByNamespace(record) : []
}

/** A rootless container may have no cgroup of its own; what shares its pid namespace is its. */
function processesByNamespace({ init_process_pid, ownPidNamespace }: ContainerRecord): number[] {
  if (!ownPidNamespace) return [init_process_pid]
  const namespace = pidNamespace(init_process_pid)
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => namespace !== undefined && pidNamespace(pid) === namespace)
}

function pidNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return undefined
  }
}

/**
 * What the host's ps(1) says of the container's processes: its header and their lines.
 * @param psOptions for ps; none stands for `-ef`
 * @throws TsrunError `not-found`; `system` when ps fails, `usage` when its output has no column PID
 */
export async function psTable(id: string, psOptions: readonly string[], options: RuntimeOptions = {}): Promise<string> {
  const pids = await ps(id, options)
  return linesOf(await listing(psOptions.length === 0 ? ['-ef'] : psOptions), new Set(pids))
}

async function listing(args: readonly string[]): Promise<string> {
  const { spawnSync } = await import('node:child_process')
  const { status, signal, error, stdout, stderr } = spawnSync('ps', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: MAX_LISTING,
    env: { ...process.env, PATH: process.env.PATH || DEFAULT_PATH }
  })
  if (error !== undefined)
    throw psFailed((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'executable file not found in $PATH' : error.message)
  if (status === 0) return stdout
  // A mistake in the options brings a page of help behind it.
  const [reason] = (stderr || stdout).trim().split('\n', 1)
  throw psFailed(`${status === null ? `ended by ${signal}` : `exit status ${status}`}: ${reason}`)
}

/**
 * The header of a listing, and its lines about `pids`.
 * @throws TsrunError `usage` when there is no column PID
 */
export function linesOf(output: string, pids: ReadonlySet<number>): string {
  const [header = '', ...rest] = output.split('\n')
  const column = columnOf(header)
  return [header, ...rest.filter((line) => pids.has(pidIn(line, column)))].map((line) => `${line}\n`).join('')
}

interface Column {
  /** Where the heading ends; numbers are aligned to it. */
  readonly end: number
  /** Among the words of the line. */
  readonly index: number
}

function columnOf(header: string): Column {
  const at = /(?<!\S)PID(?!\S)/.exec(header)?.index
  if (at === undefined) throw noPidColumn()
  return { end: at + 'PID'.length, index: header.slice(0, at).split(/\s+/).filter(Boolean).length }
}

/** An earlier column may hold blanks, such as a command; or be wider than its heading, such as a user's name. */
function pidIn(line: string, { end, index }: Column): number {
  const aligned = /(?:^|\s)(\d+)$/.exec(line.slice(0, end))?.[1]
  if (aligned !== undefined && !/\S/.test(line.charAt(end))) return Number(aligned)
  const word = line.trim().split(/\s+/)[index] ?? ''
  return /^\d+$/.test(word) ? Number(word) : Number.NaN
}
