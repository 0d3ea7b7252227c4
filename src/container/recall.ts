/** The program of a container: recalled when one like it was compiled before, and compiled otherwise. */
import type { ReadConfig } from '../config/read.ts'
import type { Config } from '../config/types.ts'
import { architecture } from '../linux/ffi.ts'
import type { HostFacts, PlanOptions } from '../plan/facts.ts'
import { isUpToDate } from '../seccomp/cache.ts'
import { keep, recall } from '../template/cache.ts'
import type { Template } from '../template/entry.ts'
import { fill, mayHideNames, namesOf, placesIn, shapeOf, withNames, withoutNames } from '../template/names.ts'
import type { Compiled } from './compiled.ts'
import { compiledFilter } from './facts.ts'
import { cacheDirectory } from './root.ts'
import type { CreateOptions } from './types.ts'

/** A configuration whose program is sought. */
export interface Draft {
  readonly config: Config
  /** What is known of its seccomp filter; the filter itself is in the program. */
  readonly seccomp: HostFacts['seccomp']
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
  const seccomp = template && knownFilter(template)
  let made: Template | undefined
  return {
    config,
    seccomp,
    async program(facts, options) {
      const wants = withoutNames(textOf(facts, options), names)
      const whole = async () => (facts.seccomp === seccomp ? withFilter(facts, config, log) : facts)
      // The same input gives the same plan.
      const plan = async () => (await import('../plan/compile.ts')).compile(config, await whole(), options)
      if (template?.facts === wants) return recalled(template, names, async () => (await plan()).steps)
      const compiled = (await import('./compiled.ts')).compiledFrom(await plan())
      if (isKeepable && !isOdd) made = templateOf(compiled, { key, facts: wants, ...filterOf(facts) }, names)
      return compiled
    },
    keep() {
      if (made !== undefined) keep(made, directory, (message) => log?.('debug', message))
    }
  }
}

/** The filter of a template, unless libseccomp has been exchanged. */
function knownFilter({ seccomp }: Template): HostFacts['seccomp'] {
  if (seccomp === undefined) return undefined
  const { flags, listener, library } = seccomp
  const maker = { library, identity: Uint32Array.from(seccomp.identity) }
  return isUpToDate(maker) ? { filter: NOT_READ, flags, ...(listener === undefined ? {} : { listener }), maker } : undefined
}

const NOT_READ = new Uint8Array()

/** The facts with the filter itself, for the compiler. */
async function withFilter({ seccomp: _, ...facts }: HostFacts, config: Config, log: CreateOptions['log']): Promise<HostFacts> {
  const seccomp = await compiledFilter(config, log)
  return seccomp === undefined ? facts : { ...facts, seccomp }
}

/** What a template tells of the filter. */
function filterOf({ seccomp }: HostFacts): Pick<Template, 'seccomp'> {
  if (seccomp?.maker === undefined) return {}
  const { flags, listener, maker } = seccomp
  return { seccomp: { flags, ...(listener === undefined ? {} : { listener }), library: maker.library, identity: [...maker.identity] } }
}

/** All that a program depends on beside its configuration. A filter of which nothing else is known is text of a character for each byte. */
function textOf({ seccomp, permittedCapabilities, ...facts }: HostFacts, options: PlanOptions): string {
  const { filter, maker, ...rest } = seccomp ?? {}
  const plain = { ...facts, options, seccomp: { ...rest, maker: maker && [maker.library, ...maker.identity] } }
  const bytes = filter === undefined || maker !== undefined ? '' : new TextDecoder('latin1').decode(filter)
  return `${JSON.stringify(plain)} ${permittedCapabilities} ${bytes}`
}

function recalled({ image, places, fds, lastClone, afterReady }: Template, names: readonly string[], steps: Compiled['steps']): Compiled {
  fill(image, places, names)
  return {
    image,
    fds,
    lastClone,
    afterReady: JSON.parse(withNames(afterReady, names)),
    steps
  }
}

const templateOf = (
  { image, fds, lastClone, afterReady }: Compiled,
  found: Pick<Template, 'key' | 'facts' | 'seccomp'>,
  names: readonly string[]
): Template => ({
  ...found,
  image,
  fds,
  lastClone,
  afterReady: withoutNames(JSON.stringify(afterReady), names),
  places: placesIn(image, names)
})
