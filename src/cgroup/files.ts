/** Reading and writing the kernel's small files, with errnos as values. */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import type { ErrnoName } from '../abi/errno.ts'

const O_WRONLY = 1

/** The name of the errno of an error of node:fs; rethrows what is none. */
export function errnoOf(cause: unknown): ErrnoName {
  const code = (cause as { code?: unknown } | null)?.code
  if (typeof code !== 'string') throw cause
  // libuv's name for the same number.
  return code === 'ENOTSUP' ? 'EOPNOTSUPP' : (code as ErrnoName)
}

/**
 * Writes `value` with one write(2) into an existing file; returns the errno's name when that is refused. The file is not created or truncated.
 * An empty value is written as a newline: the kernel would not see a write of no bytes.
 */
export function tryWrite(path: string, value: string): ErrnoName | undefined {
  return tryWrites(path, [value])?.errno
}

/** The same for several writes into one file, each of them one write(2); returns the first that is refused. */
export function tryWrites(path: string, values: readonly string[]): { readonly value: string; readonly errno: ErrnoName } | undefined {
  let fd = -1
  let value = values[0] ?? ''
  try {
    fd = openSync(path, O_WRONLY)
    for (value of values) writeSync(fd, value === '' ? '\n' : value)
    return undefined
  } catch (cause) {
    return { value, errno: errnoOf(cause) }
  } finally {
    if (fd !== -1) closeSync(fd)
  }
}

/** The content of `path` without its last newline; undefined when it cannot be read. */
export function tryRead(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    return text.endsWith('\n') ? text.slice(0, -1) : text
  } catch (cause) {
    errnoOf(cause)
    return undefined
  }
}

/** Names of the directories in `path`; none when it cannot be read. In a cgroup these are its children. */
export function childDirectories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch (cause) {
    errnoOf(cause)
    return []
  }
}

/** Names in the directory `path`; none when it cannot be read. */
export function childNames(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (cause) {
    errnoOf(cause)
    return []
  }
}
