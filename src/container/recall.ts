/** The program of a container: recalled when one like it was compiled before, and compiled otherwise. */
import type { ReadConfig } from '../config/read.ts'
import type { Config } from '../config/types.ts'
import { architecture } from '../linux/ffi.ts'
import type { HostFacts, PlanOptions } from '../plan/facts.ts'
import { keep, recall } from '../template/cache.ts'
import type { Template } from '../template/entry.ts'
import { fill, mayHideNames, namesOf, placesIn, shapeOf, withNames, withoutNames } from '../template/names.ts'
import type { Compiled } from './compiled.ts'
import { cacheDirectory } from './root.ts'
import type { CreateOptions } from './types.ts'

/** A configuration whose program is sought. */
export interface Draft {
  readonly config: Config
  /**
   * The program, once all is known that it depends on. What the runtime has no use for when it is recalled is imported when it is not.
   * @throws TsrunError `config` for what only the compiler sees
   */
  program(facts: HostFacts, options: PlanOptions): Promise<Compiled>
  /** Keeps what was compiled. To be called when there is time. */
  keep(): void
}

/** Longer texts are not kept: reading them again would take as long as compiling them. */
const MAX_TEXT = 1 << 18

/**
 * Checks a configuration, unless it is known to be right and nothing to be said about it.
 * @throws TsrunError `config`, `unsupported`
 */
export async function draftOf(read: ReadConfig, { id, log }: CreateOptions, release: PlanOptions['release']): Promise<Draft> {
  const names = namesOf(id, read.document, read.text)
  const key = `${architecture} ${release} ${shapeOf(names)}\n${withoutNames(read.text, names)}`
  const directory = cacheDirectory()
  const isKeepable = read.text.length <= MAX_TEXT && !mayHideNames(read.text)
  const template = isKeepable ? recall(key, directory) : undefined
  const { config, isOdd } =
    template === undefined ? (await import('./load.ts')).checkBundle(read, log) : { config: read.document as Config, isOdd: false }
  let made: Template | undefined
  return {
    config,
    async program(facts, options) {
      const wants = withoutNames(textOf(facts, options), names)
      if (template?.facts === wants) return recalled(template, names, config, facts, options)
      const [{ compile }, { compiledFrom }] = await Promise.all([import('../plan/compile.ts'), import('./compiled.ts')])
      const compiled = compiledFrom(compile(config, facts, options))
      if (isKeepable && !isOdd) made = templateOf(compiled, key, wants, names)
      return compiled
    },
    keep() {
      if (made !== undefined) keep(made, directory, (message) => log?.('debug', message))
    }
  }
}

/** All that a program depends on beside its configuration, and all of it. A filter is text of a character for each byte. */
function textOf({ seccomp, permittedCapabilities, ...facts }: HostFacts, options: PlanOptions): string {
  const { filter, ...rest } = seccomp ?? {}
  const plain = { ...facts, options, seccomp: rest, permittedCapabilities: String(permittedCapabilities) }
  return JSON.stringify(plain) + (filter === undefined ? '' : new TextDecoder('latin1').decode(filter))
}

function recalled(
  { image, places, fds, lastClone, afterReady }: Template,
  names: readonly string[],
  config: Config,
  facts: HostFacts,
  options: PlanOptions
): Compiled {
  fill(image, places, names)
  return {
    image,
    fds,
    lastClone,
    afterReady: JSON.parse(withNames(afterReady, names)),
    // The same input gives the same plan.
    steps: async () => (await import('../plan/compile.ts')).compile(config, facts, options).steps
  }
}

const templateOf = ({ image, fds, lastClone, afterReady }: Compiled, key: string, facts: string, names: readonly string[]): Template => ({
  key,
  facts,
  image,
  fds,
  lastClone,
  afterReady: withoutNames(JSON.stringify(afterReady), names),
  places: placesIn(image, names)
})
