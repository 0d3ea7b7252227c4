/** The configuration of a container that is created, checked. copy.ts has it for every later command. */
import { acceptConfig } from '../config/load.ts'
import type { ReadConfig } from '../config/read.ts'
import type { Config } from '../config/types.ts'
import { warnings } from '../config/warnings.ts'
import { readBundle } from './bundle.ts'
import type { CreateOptions } from './types.ts'

export interface LoadedBundle {
  readonly config: Config
  readonly text: string
}

/**
 * Reads and checks the configuration of a bundle; one that a program made is checked as one in a file is.
 * @throws TsrunError `bundle`, `config`, `unsupported`
 */
export function loadBundle(options: Pick<CreateOptions, 'config' | 'configFile' | 'log'>, bundle: string): LoadedBundle {
  const read = readBundle(options, bundle)
  return { config: checkBundle(read, options.log).config, text: read.text }
}

/**
 * Checks a configuration, and logs what is odd in it.
 * @returns it, and whether there is anything to log
 * @throws TsrunError `config`, `unsupported`
 */
export function checkBundle(read: ReadConfig, log: CreateOptions['log']): { readonly config: Config; readonly isOdd: boolean } {
  const config = acceptConfig(read)
  const found = warnings(config)
  for (const { pointer, message } of found) log?.('warning', `${message} [${pointer}]`)
  return { config, isOdd: found.length > 0 }
}
