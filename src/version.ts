/** What this tsrun is. */
import { readFileSync } from 'node:fs'

/** Set when the executable is built (`bun build --define`). */
declare const TSRUN_VERSION: string
declare const TSRUN_COMMIT: string

/** The newest runtime-spec that is implemented. */
export const SPEC_VERSION = '1.3.0'

/** The version: what was set at the build, or else what package.json above this file says. */
export const version = (): string => (typeof TSRUN_VERSION === 'string' ? TSRUN_VERSION : packageVersion())

/** True in the executable, all of whose code is in one file. */
export const isBuilt = (): boolean => typeof TSRUN_VERSION === 'string'

/** The git commit, where the build knew it. */
export const commit = (): string => (typeof TSRUN_COMMIT === 'string' ? TSRUN_COMMIT : '')

/** This file is src/version.ts, or build/src/version.js. */
function packageVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'))
      if (name === 'tsrun') return version
    } catch {}
  }
  return 'unknown'
}
