/** The program of a container: recalled when one like it was compiled before, and compiled otherwise. */
import type { ReadConfig } from '../config/read.ts'
import type { Config } from '../config/types.ts'
import { architecture } from '../linux/ffi.ts'
import type { HostFacts, PlanOptions } from '../plan/facts.ts'
import { isUpToDate } from '../seccomp/cache.ts'
import { keep, recall } from '../template/cache.ts'
import type { Template } from '../template/entry.ts'
import { fill, mayHideNames, namesOf, shapeOf, withNames, withoutNames } from '../template/names.ts'
import { significant } from '../template/significant.ts'
import { configText } from './bundle.ts'
import type { Compiled } from './compiled.ts'
import { compiledFilter } from './facts.ts'
import { programDirectory } from './root.ts'
import type { CreateOptions } from './types.ts'

type Filter = HostFacts['seccomp']

/** A configuration whose program is sought. */
export interface Draft {
  readonly config: Config
  /** What is known of its seccomp filter; the filter itself is in the program. */
  readonly seccomp: Filter
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
/** Each is looked for in all texts. */
const MAX_NAMES = 64

/**
 * Checks a configuration, unless it is known to be right and nothing to be said about it.
 * @throws TsrunError `config`, `unsupported`
 */
export async function draftOf(read: ReadConfig, { id, log }: CreateOptions, release: PlanOptions['release']): Promise<Draft> {
  const { names, key } = read.text.length > MAX_TEXT ? NOT_KEPT : keyOf(id, read, release)
  const directory = programDirectory()
  const template = key === undefined ? undefined : recall(key, directory)
  const checked = template === undefined ? (await import('./load.ts')).checkBundle(read, log) : undefined
  const config = checked?.config ?? (read.document as Config)
  const seccomp = template && knownFilter(template)
  let made: (() => Template | undefined) | undefined
  return {
    config,
    seccomp,
    async program(facts, options) {
      const wants = textOf(facts, options, names)
      const whole = async () => (seccomp !== undefined && facts.seccomp === seccomp ? withFilter(facts, config, log) : facts)
      // The same input gives the same plan.
      const plan = async () => (await import('../plan/compile.ts')).compile(config, await whole(), options)
      if (template !== undefined && template.facts === wants) return recalled(template, names, async () => (await plan()).steps)
      const [{ compiledFrom }, { templateOf }] = await Promise.all([import('./compiled.ts'), import('../template/make.ts')])
      const compiled = compiledFrom(await plan())
      if (key !== undefined && wants !== undefined && checked?.isOdd !== true)
        made = () => templateOf(compiled, architecture, { key, facts: wants, ...filterOf(facts) }, names)
      return compiled
    },
    keep() {
      const kept = made?.()
      if (kept !== undefined) keep(kept, directory, (message) => log?.('debug', message))
    }
  }
}

const NOT_KEPT = { names: [], key: undefined }

/** By what a template is found, and the names that are left open in it. No key: there may be names that are not seen. */
function keyOf(id: string, { document }: ReadConfig, release: PlanOptions['release']) {
  const text = jsonOf(significant(document))
  const names = namesOf(id, document, text)
  if (names.length > MAX_NAMES || mayHideNames(text)) return NOT_KEPT
  return { names, key: `${architecture} ${release} ${shapeOf(names)}\n${withoutNames(text, names)}` }
}

/** Only integers over 2^53 are bigints; a replacer takes ten times as long, so it is not used for all. */
function jsonOf(document: unknown): string {
  try {
    return JSON.stringify(document)
  } catch {
    return configText(document as object)
  }
}

/** The filter of a template, unless libseccomp has been exchanged. */
function knownFilter({ seccomp }: Template): Filter {
  if (seccomp === undefined) return undefined
  const { flags, listener, library } = seccomp
  const maker = { library, identity: new Uint32Array(seccomp.identity) }
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

/**
 * All that a program depends on beside its configuration, with the names left open; undefined when there may be names that are not seen.
 * A filter of which nothing else is known is text of a character for each byte, and holds no names: in it they would be instructions.
 */
function textOf(
  { seccomp, permittedCapabilities, ...facts }: HostFacts,
  options: PlanOptions,
  names: readonly string[]
): string | undefined {
  const { filter, maker, ...rest } = seccomp ?? {}
  const known = { ...rest, maker: maker && [maker.library, ...maker.identity] }
  const plain = JSON.stringify({ ...facts, options, seccomp: known, permittedCapabilities: String(permittedCapabilities) })
  const bytes = filter === undefined || maker !== undefined ? '' : new TextDecoder('latin1').decode(filter)
  return mayHideNames(plain) || names.some((name) => bytes.includes(name)) ? undefined : withoutNames(plain, names) + bytes
}

function recalled({ image, places, fds, lastClone, afterReady }: Template, names: readonly string[], steps: Compiled['steps']): Compiled {
  fill(image, places, names)
  return { image, fds, lastClone, afterReady: JSON.parse(withNames(afterReady, names)), steps }
}
