/** Where the state of all containers is kept, and whether the caller counts as rootless. */
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { TsrunError } from '../errors/error.ts'
import { badRoot, errnoNameOf, rootHints, rootRefused } from '../errors/wording.ts'
import type { RuntimeOptions } from './types.ts'

export interface Root {
  readonly path: string
  /** True when the caller named it; a default one that is missing only means that there are no containers yet. */
  readonly explicit: boolean
}

const DEFAULT_ROOT = '/run/tsrun'

let initial: boolean | undefined

/** True when this process is not in the initial user namespace (user_namespaces(7)): that one maps every id onto itself. */
export function inUserNamespace(): boolean {
  initial ??= /^\s*0\s+0\s+4294967295\s*$/.test(readIdMap())
  return !initial
}

function readIdMap(): string {
  try {
    return readFileSync('/proc/self/uid_map', 'latin1')
  } catch {
    // A kernel without user namespaces has no such file.
    return '0 0 4294967295'
  }
}

/** True when the caller lacks the rights of the host's root; `auto` finds out. */
export function isRootless(options: RuntimeOptions): boolean {
  if (options.rootless === true || options.rootless === false) return options.rootless
  return euid() !== 0 || inUserNamespace()
}

const euid = (): number => process.geteuid?.() ?? 0

/**
 * The root directory: the caller's, or /run/tsrun, or $XDG_RUNTIME_DIR/tsrun for an ordinary user and for root in a user namespace who did not log in as root.
 * @throws TsrunError `usage` for '' and '/'
 */
export function rootDirectory(options: RuntimeOptions): Root {
  if (options.root !== undefined) {
    const path = resolve(options.root)
    if (options.root === '' || path === '/') throw badRoot(options.root)
    return { path, explicit: true }
  }
  return { path: usesRuntimeDirectory() ? `${process.env.XDG_RUNTIME_DIR}/tsrun` : DEFAULT_ROOT, explicit: false }
}

/** Where compiled seccomp filters and programs are kept from one container to the next (file-hierarchy(7)); undefined when the user has no such place. */
export function cacheDirectory(): string | undefined {
  if (!usesRuntimeDirectory()) return euid() === 0 ? '/var/cache/tsrun' : undefined
  return `${process.env.XDG_RUNTIME_DIR}/tsrun.cache`
}

/**
 * Where compiled programs are kept, beside the state, which is in memory: they hold the environment of processes, and what is secret there must
 * not stay on a disk when the container is gone. Undefined when the user has no such place.
 */
export const programDirectory = (): string | undefined =>
  euid() === 0 || usesRuntimeDirectory() ? `${rootDirectory({}).path}.cache` : undefined

function usesRuntimeDirectory(): boolean {
  if (!process.env.XDG_RUNTIME_DIR) return false
  return euid() !== 0 || (process.env.USER !== 'root' && inUserNamespace())
}

/** Makes the root directory. The sticky bit keeps systemd-tmpfiles from ageing $XDG_RUNTIME_DIR (XDG Base Directory Specification). */
export function makeRootDirectory(root: Root): void {
  try {
    if (mkdirSync(root.path, { recursive: true, mode: 0o700 }) === undefined) return
  } catch (cause) {
    throw refusedRoot(root.path, cause)
  }
  if (!root.explicit && usesRuntimeDirectory()) chmodSync(root.path, 0o1700)
}

/** The error for a root directory that we may not use, with what to do about it. */
export function refusedRoot(path: string, cause: unknown): TsrunError {
  const unset = euid() !== 0 && !process.env.XDG_RUNTIME_DIR && path === DEFAULT_ROOT
  return rootRefused(path, cause, unset ? rootHints.unset(euid(), existsSync(`/run/user/${euid()}`)) : rootHints.other())
}

/** Whether a call failed because the root directory is somebody else's. */
export const isRefusal = (cause: unknown): boolean => ['EACCES', 'EPERM', 'EROFS'].includes(errnoNameOf(cause) ?? '')
