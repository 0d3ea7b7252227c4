/** The configuration of a container that is created, not checked yet: load.ts does that, and takes longer to load. */
import { copyDocument } from '../config/document.ts'
import { type ReadConfig, readConfig } from '../config/read.ts'
import { refusedConfig } from '../errors/wording.config.ts'
import type { CreateOptions } from './types.ts'

/** What a caller's own configuration is called in messages. */
const GIVEN = 'config'

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

/** JSON of a configuration, or of a part of one, whose 64-bit integers may be bigints, which JSON.stringify refuses. */
export function configText(config: object): string {
  const marked = JSON.stringify(config, (_, value) => (typeof value === 'bigint' ? `\u0000${value}` : value))
  return marked.replace(/"\\u0000(-?\d+)"/g, '$1')
}
