/** The configuration of a container that is created, checked. copy.ts has it for every later command. */
import { checkConfig, loadConfig } from '../config/load.ts'
import type { Config } from '../config/types.ts'
import { warnings } from '../config/warnings.ts'
import type { CreateOptions } from './types.ts'

export interface LoadedBundle {
  readonly config: Config
  readonly text: string
}

/**
 * Reads `config.json` of the bundle, or takes the configuration that the caller has given; one that a program made is checked as one in a file is.
 * @throws TsrunError `bundle`, `config`, `unsupported`
 */
export function loadBundle(
  { config, configFile, log }: Pick<CreateOptions, 'config' | 'configFile' | 'log'>,
  bundle: string
): LoadedBundle {
  const loaded = config === undefined ? loadConfig(bundle, configFile) : checked(config)
  if (log !== undefined) for (const { pointer, message } of warnings(loaded.config)) log('warning', `${message} [${pointer}]`)
  return loaded
}

function checked(given: Config): LoadedBundle {
  const config = checkConfig(given)
  return { config, text: configText(config) }
}

/** JSON of a configuration, or of a part of one, whose 64-bit integers may be bigints, which JSON.stringify refuses. */
export function configText(config: object): string {
  const marked = JSON.stringify(config, (_, value) => (typeof value === 'bigint' ? `\u0000${value}` : value))
  return marked.replace(/"\\u0000(-?\d+)"/g, '$1')
}
