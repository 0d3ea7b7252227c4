/** config.json as it stands in a bundle: read and parsed, not checked yet. It is apart from load.ts because the checks take a while to load. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { type Problem, TsrunError } from '../errors/error.ts'
import { noBundle, noConfig, refusedConfig, unreadable } from '../errors/wording.config.ts'
import { errnoNameOf } from '../errors/wording.ts'
import { parseDocument } from './document.ts'

/** Bytes; a config.json of some 100 KB is already large. */
export const MAX_SIZE = 16 << 20

/** A configuration that nobody has checked. */
export interface ReadConfig {
  /** Frozen. */
  readonly document: unknown
  readonly text: string
  /** Where it comes from, for messages. */
  readonly file: string
  /** True when somebody has written `text`, and wants to be told lines of it. */
  readonly isSource: boolean
}

/**
 * Reads the configuration of a bundle.
 * @param bundle a directory
 * @param file default: its config.json
 * @throws TsrunError `bundle` when there is no readable config.json, `config` when it is no JSON
 */
export function readConfig(bundle: string, file?: string): ReadConfig {
  const path = file ?? `${bundle === '/' ? '' : bundle}/config.json`
  const text = readText(path, file === undefined ? bundle : undefined)
  const parsed = parseDocument(text)
  if ('problem' in parsed) throw refusedConfig(path, 'config', [parsed.problem])
  return { document: parsed.value, text, file: path, isSource: true }
}

/**
 * The text of a file.
 * @param bundle the directory that should hold it, when it is a bundle's; without it the file is one that the caller has named, and may be a pipe
 * as well, as in `exec --process <(…)`
 * @throws TsrunError `bundle`, `config`
 */
export function readText(file: string, bundle?: string): string {
  let bytes: Uint8Array
  try {
    bytes = readBounded(file, bundle !== undefined)
  } catch (cause) {
    throw cause instanceof TsrunError ? cause : missing(file, bundle, cause)
  }
  try {
    // Without a byte order mark: that is no part of the text (RFC 8259, section 8.1).
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw refusedConfig(file, 'config', [NOT_UTF8])
  }
}

const NOT_UTF8: Problem = { pointer: '', message: 'must be UTF-8; it has other bytes' }

/**
 * Whoever has written the bundle may exchange its file: for a FIFO that nobody writes to, or a file that has no end. Of one that the caller has named
 * the end is waited for, as runc and crun do.
 */
function readBounded(file: string, ofBundle: boolean): Uint8Array {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOCTTY | (ofBundle ? constants.O_NONBLOCK : 0))
  try {
    const stat = fstatSync(fd)
    if (stat.isFile()) return readFile(file, fd, stat.size)
    if (ofBundle) throw unreadable(file, 'it is not a regular file')
    return readStream(file, fd)
  } finally {
    closeSync(fd)
  }
}

function readFile(file: string, fd: number, size: number): Uint8Array {
  if (size > MAX_SIZE) throw unreadable(file, `it has ${size} bytes, and more than ${MAX_SIZE} are refused`)
  const bytes = new Uint8Array(size)
  let length = 0
  for (let read = -1; read !== 0 && length < size; length += read) read = readSync(fd, bytes, length, size - length, length)
  return bytes.subarray(0, length)
}

function readStream(file: string, fd: number): Uint8Array {
  const chunks: Uint8Array[] = []
  let length = 0
  for (let read = -1; read !== 0; length += read) {
    if (length > MAX_SIZE) throw unreadable(file, `it has more than ${MAX_SIZE} bytes, which are refused`)
    const chunk = new Uint8Array(65536)
    read = readSync(fd, chunk, 0, chunk.length, null)
    chunks.push(chunk.subarray(0, read))
  }
  return Buffer.concat(chunks)
}

function missing(file: string, bundle: string | undefined, cause: unknown): TsrunError {
  const errno = errnoNameOf(cause)
  if (bundle !== undefined && (errno === 'ENOENT' || errno === 'ENOTDIR')) return isDirectory(bundle) ? noConfig(bundle) : noBundle(bundle)
  return unreadable(file, cause instanceof Error ? cause.message : String(cause), { cause, ...(errno === undefined ? {} : { errno }) })
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
