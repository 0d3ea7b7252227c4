/** Writes the configuration of engines, keeps what was there before, and takes it back. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cannotWriteConfig, notInstalled } from '../errors/wording.install.ts'
import { type EngineName, engineFiles } from './files.ts'

/** What is asked for. */
export interface Installation {
  readonly engine: EngineName
  /** Absolute path that the engine is to call. */
  readonly executable: string
  /** Where the configuration is: /etc. */
  readonly directory: string
}

/** What changes, or would. */
export interface Change {
  readonly path: string
  /** Undefined: the file goes. */
  readonly text: string | undefined
  /** Where the former file is kept; undefined when there was none. */
  readonly backup: string | undefined
  /** True when everything is as wanted already. */
  readonly unchanged: boolean
}

const BACKUP = '.before-tsrun'

const read = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined)

/** What `install` would do. Throws TsrunError `config` for a file that cannot be added to. */
export function planInstall({ engine, executable, directory }: Installation): Change {
  const { path: name, add } = engineFiles[engine]
  const path = join(directory, name)
  const now = read(path)
  const text = add(now, executable)
  return { path, text, backup: now === undefined || existsSync(path + BACKUP) ? undefined : path + BACKUP, unchanged: text === now }
}

/**
 * What `uninstall` would do: exactly the former file when ours is as we wrote it, and otherwise the file of today without tsrun.
 * Throws TsrunError `not-found` when there is nothing to take back.
 */
export function planUninstall({ engine, executable, directory }: Installation): Change {
  const { path: name, add, remove } = engineFiles[engine]
  const path = join(directory, name)
  const now = read(path)
  const before = read(path + BACKUP)
  if (now === undefined || !now.includes('tsrun')) throw notInstalled(path)
  const text = before !== undefined && now === add(before, executable) ? before : remove(now, before)
  return { path, text, backup: undefined, unchanged: false }
}

/** Writes `text` beside the file and renames it, so that an engine never reads half of it; the mode stays. */
function replace(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  const mode = existsSync(path) ? statSync(path).mode & 0o777 : 0o644
  const next = `${path}.next-tsrun`
  writeFileSync(next, text, { mode, flag: 'w' })
  chmodSync(next, mode)
  renameSync(next, path)
}

/** Does what a plan says. Throws TsrunError `system`. */
export function perform({ path, text, backup, unchanged }: Change, uninstall: boolean): void {
  if (unchanged) return
  try {
    if (backup !== undefined) replace(backup, readFileSync(path, 'utf8'))
    if (text === undefined) rmSync(path)
    else replace(path, text)
    if (uninstall) rmSync(path + BACKUP, { force: true })
  } catch (cause) {
    throw cannotWriteConfig(path, cause)
  }
}
