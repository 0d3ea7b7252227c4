/**
 * Programs that were compiled before, so that a container of the same kind needs its names filled in and nothing else.
 *
 * They are kept in the memory of this process and, by the executable, in a directory as well: validator, compiler and encoder, which are a third of what a
 * start costs, are then not even loaded. What is kept depends on the configuration, the facts, the way of starting, and the executable
 * itself; whatever of it differs leads to a new compilation.
 */
import { keepOwn, readOwn, unsafe } from '../cache/files.ts'
import { checksum, fingerprint } from '../cache/fingerprint.ts'
import { statusOfTarget } from '../cache/statx.ts'
import { isBuilt } from '../version.ts'
import { HEADER_SIZE, MAX_SIZE, packTemplate, type Template, unpackTemplate } from './entry.ts'

/** In a directory; of some 20 KB each. Podman orders the mounts of its own at random, so that one shape of a container is 24. */
const MAX_ENTRIES = 256
/** In the memory of one process. */
const MAX_REMEMBERED = 32

const remembered = new Map<string, Template>()

/**
 * The template of this key, if there is one.
 * @param directory undefined: in memory only
 */
export function recall(key: string, directory: string | undefined): Template | undefined {
  const known = remembered.get(key)
  if (known !== undefined) return { ...known, image: known.image.slice() }
  const identity = directory === undefined ? undefined : executable()
  if (identity === undefined) return undefined
  const bytes = readOwn(pathOf(key, identity, directory!), HEADER_SIZE, MAX_SIZE)
  return bytes && unpackTemplate(bytes, key, identity, checksum)
}

/** Keeps a template, in place of another one with its key. A cache that cannot be written is none: what goes wrong is told to `debug`. */
export function keep(template: Template, directory: string | undefined, debug: (message: string) => void): void {
  if (remembered.size >= MAX_REMEMBERED) remembered.clear()
  remembered.set(template.key, template)
  const identity = directory === undefined ? undefined : executable()
  if (identity === undefined) return
  try {
    const bytes = packTemplate(template, identity, checksum)
    const why = bytes.length > MAX_SIZE ? `it has ${bytes.length} bytes` : unsafe(directory!)
    if (why === undefined) keepOwn(directory!, pathOf(template.key, identity, directory!), bytes, MAX_ENTRIES)
    else debug(`not keeping a program in "${directory}": ${why}`)
  } catch (error) {
    debug(`not keeping a program in "${directory}": ${String(error)}`)
  }
}

/** Two executables do not take their places from each other. */
const pathOf = (key: string, identity: Uint32Array, directory: string): string =>
  `${directory}/${fingerprint(`${identity.join()} ${key}`)}.image`

/** What tells this executable from any other; undefined where the code does not lie in one file. */
const executable = (): Uint32Array | undefined => (isBuilt() ? statusOfTarget('/proc/self/exe')?.identity() : undefined)
