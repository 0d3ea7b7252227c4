/** Looks at the sources of bind mounts. */
import { lstatSync, readlinkSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '../config/types.ts'
import { errnoNameOf, lockedOptions, missingSource } from '../errors/wording.ts'
import { mountAttributes } from '../linux/mount.ts'
import type { SourceFact } from '../plan/facts.ts'
import { unlocked } from '../plan/locked.ts'
import { isBindMount, parseMountOptions } from '../plan/mount-options.ts'
import { inUserNamespace } from './root.ts'
import type { RuntimeOptions } from './types.ts'

/**
 * By index of the mount.
 * @throws TsrunError `config` for one that is not there
 */
export function bindSources(
  { mounts = [], linux }: Config,
  bundle: string,
  log: RuntimeOptions['log']
): Readonly<Record<number, SourceFact>> {
  const locks = linux?.namespaces?.some(({ type }) => type === 'user') === true || inUserNamespace()
  const facts: Record<number, SourceFact> = {}
  for (const [index, mount] of mounts.entries()) {
    const options = parseMountOptions(mount.options)
    if (!isBindMount(mount.type, options) || options.remount) continue
    const itself = options.extensions.some((name) => name === 'copy-symlink' || name === 'src-nofollow')
    const fact = sourceFact(resolve(bundle, mount.source ?? ''), index, itself)
    facts[index] = locks && fact.symlink === undefined ? { ...fact, attributes: mountAttributes(fact.path) } : fact
    const { kept } = unlocked(options, facts[index].attributes)
    if (kept.length > 0) log?.('warning', lockedOptions(mount.destination, kept, index))
  }
  return facts
}

/** @param itself a symlink at the end is not followed */
function sourceFact(path: string, index: number, itself: boolean): SourceFact {
  try {
    if (itself && lstatSync(path).isSymbolicLink()) return { path, kind: 'other', symlink: readlinkSync(path) }
    return { path, kind: statSync(path).isDirectory() ? 'directory' : 'other' }
  } catch (cause) {
    const errno = errnoNameOf(cause)
    const missing = errno === 'ENOENT' || errno === 'ENOTDIR'
    throw missingSource(path, index, missing ? 'no such file or directory (ENOENT)' : (cause as Error).message)
  }
}
