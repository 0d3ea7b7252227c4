/** Putting limits back, when a change of several is refused in the middle. */
import { existsSync } from 'node:fs'
import { tryRead, tryWrite } from './files.ts'
import type { CgroupLocation, CgroupWrite, Log } from './types.ts'

/** A file, its content, and what is to be written to have that again. */
interface OldValue {
  readonly path: string
  readonly before: string
  readonly value: string
}

/** Reads what `writes` will replace; the result puts it back, and warns of what it cannot. */
export function remember({ paths }: CgroupLocation, writes: readonly CgroupWrite[], log: Log): () => void {
  const old = writes.flatMap(({ controller, file, value, instead }) => {
    const directory = paths[controller]
    if (directory === undefined) return []
    const path = instead !== undefined && !existsSync(`${directory}/${file}`) ? `${directory}/${instead.file}` : `${directory}/${file}`
    const before = tryRead(path)
    return before === undefined ? [] : [{ path, before, value: oldValue(path, before, value) }]
  })
  return () => {
    // Backwards, the kernel sees only combinations that it has accepted before; those of the second round depend on one another.
    const refused = old.reverse().filter(isRefused)
    for (const { path, value } of refused.filter(isRefused)) log?.('warning', `cannot put ${JSON.stringify(value)} back into ${path}`)
  }
}

const isRefused = ({ path, before, value }: OldValue): boolean => tryRead(path) !== before && tryWrite(path, value) !== undefined

/**
 * What to write to undo the write of `value`. A file may hold a line for each device, `8:0 rbps=1048576`; or several of which the first is the one
 * that is written, `oom_kill_disable 0` or `default 100`.
 *
 * @param before the file's content
 */
export function oldValue(path: string, before: string, value: string): string {
  const lines = before.split('\n')
  const key = value.includes(' ') ? value.slice(0, value.indexOf(' ')) : ''
  const own = lines.find((line) => line.startsWith(`${key} `))
  if (key !== '' && own !== undefined) return own
  if (/^\d+:\d+$/.test(key)) return path.endsWith('/io.max') ? `${key} rbps=max wbps=max riops=max wiops=max` : `${key} 0`
  const [first = ''] = lines
  return lines.length === 1 ? first : first.slice(first.lastIndexOf(' ') + 1)
}
