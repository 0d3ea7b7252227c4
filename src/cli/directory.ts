/** What cannot work when the working directory is gone. We are in `/` then, where no relative path leads to what the caller means. */
import { needsWorkingDirectory } from '../errors/wording.cli.ts'
import { globals, table } from './table.ts'
import type { Call, Command, Flag, Values } from './types.ts'

/** What stands for a value that is a path of the host. */
const PATHS: ReadonlySet<string | undefined> = new Set(['DIR', 'FILE', 'SOCKET'])

/**
 * Refuses relative paths where they lead nowhere, and the default bundle, which is the working directory.
 * @throws TsrunError `usage`
 */
export async function checkDirectory(call: Call): Promise<void> {
  // What is needed to know more takes a while to load.
  if (process.cwd() !== '/') return
  const relative = relativePath(call)
  if (relative === undefined) return
  const { workingDirectoryGone } = await import('../linux/process.ts')
  if (workingDirectoryGone()) throw needsWorkingDirectory(relative)
}

/** The first option whose path is relative: `--pid-file "pid"`. */
function relativePath({ globals: given, command, flags, args }: Call): string | undefined {
  const { flags: known, positionals }: Command = table[command!]
  const bundle = positionals[0]?.name === 'bundle' ? { bundle: args[0] ?? flags.bundle } : {}
  return relativeIn(globals, given) ?? relativeIn(known, { ...flags, ...bundle })
}

function relativeIn(known: readonly Flag[], values: Values): string | undefined {
  for (const { name, value: kind } of known) {
    const value = values[name]
    if (name === 'bundle' && !value) return 'the bundle'
    // A - is standard input.
    if (PATHS.has(kind) && typeof value === 'string' && value !== '-' && /^[^/]/.test(value)) return `--${name} ${JSON.stringify(value)}`
  }
  return undefined
}
