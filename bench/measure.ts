/** Measuring whole processes from outside, and what is kept of the numbers. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** What a list of measurements comes to; the unit is that of the measurements. */
export interface Summary {
  readonly median: number
  readonly p10: number
  readonly p90: number
  readonly n: number
}

/**
 * Runs a command without any pipe, from fork to reaping.
 *
 * @returns its wall-clock time in ms
 * @throws Error when the exit status is not 0
 */
export function time(command: readonly string[]): number {
  const [program = '', ...args] = command
  const begun = performance.now()
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ms = performance.now() - begun
  if (status !== 0) throw new Error(`${command.join(' ')}: exit status ${status}${error ? ` (${error.message})` : ''}`)
  return ms
}

/** Median and spread. */
export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (fraction: number): number => sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? Number.NaN
  const middle = sorted.length / 2
  const median = sorted.length % 2 === 1 ? at(0.5) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
  return { median, p10: at(0.1), p90: at(0.9), n: values.length }
}

/** Proportional set size of a process in KB (proc_pid_smaps_rollup(5)); 0 when it has gone or is a kernel thread. */
export function pssKb(pid: number): number {
  try {
    return Number(/^Pss:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Processes that name `text` in their command line or environment, or live in a cgroup that does. */
export function processesNaming(text: string): number[] {
  const names = (pid: string): boolean =>
    ['cmdline', 'environ', 'cgroup'].some((file) => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(text)
      } catch {
        return false
      }
    })
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && names(name))
    .map(Number)
}

/** True when the process has ended, reaped or not. */
export function hasEnded(pid: number): boolean {
  try {
    return /^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

/** A table in text, numbers right-aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (cell: string, column: number): string => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}
