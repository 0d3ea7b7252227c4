/** The configuration of a container that is created, not checked yet: load.ts does that, and takes longer to load. */
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { copyDocument } from '../config/document.ts'
import { type ReadConfig, readConfig } from '../config/read.ts'
import { refusedConfig } from '../errors/wording.config.ts'
import type { CreateOptions } from './types.ts'

/** What a caller's own configuration is called in messages. */
const GIVEN = 'config'

/**
 * Where the bundle is, without symlinks, as runc and crun see it from inside: one that leads to another bundle later (`current -> release-2`) changes nothing
 * for a container that is there, its state and its hooks.
 * @param path default: the working directory
 */
export function bundleDirectory(path = '.'): string {
  try {
    return realpathSync.native(path || '.')
  } catch {
    // Whoever reads it says what is wrong with it.
    return resolve(path)
  }
}

/**
 * Reads `config.json` of the bundle, or takes the configuration that the caller has given.
 * @throws TsrunError `bundle`, `config`
 */
export const readBundle = ({ config, configFile }: Pick<CreateOptions, 'config' | 'configFile'>, bundle: string): ReadConfig =>
  config === undefined ? readConfig(bundle, configFile) : copied(config)

function copied(config: object): ReadConfig {
  const copy = copyDocument(config)
  if ('problem' in copy) throw refusedConfig(GIVEN, 'config', [copy.problem])
  return { document: copy.value, text: configText(copy.value as object), file: GIVEN, isSource: false }
}

/**
 * JSON of a configuration, or of a part of one, whose 64-bit integers may be bigints, which JSON.stringify refuses. They are marked with a NUL, and a
 * string that starts with one gets another, so that none becomes a number.
 */
export function configText(config: object): string {
  const marked = JSON.stringify(config, (_, value) => (typeof value === 'bigint' || isMarked(value) ? `\u0000${value}` : value))
  // Neither in a string, where a backslash is before each quote, nor in a name, with a colon behind it.
  return marked.replace(/(?<!\\)"\\u0000(?:(-?\d+)"(?!:)|(?=\\u0000(?:[^"\\]|\\.)*"(?!:)))/g, (_, integer?: string) => integer ?? '"')
}

const isMarked = (value: unknown): boolean => typeof value === 'string' && value.startsWith('\0')
