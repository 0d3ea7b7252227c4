/** Idmapped mounts of a container that is restored: CRIU binds what it finds, so it is made to find them mapped. */
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { idMapOf } from '../config/idmap.ts'
import type { Config } from '../config/types.ts'
import { isBind } from '../criu/mounts.ts'
import type { MappedTree } from '../criu/program.ts'
import { systemError } from '../errors/wording.ts'
import { parseMountOptions } from '../plan/mount-options.ts'
import { openIdMap } from './mount-idmaps.ts'
import type { Work } from './work.ts'

export interface MappedSource extends MappedTree {
  /** Of the mount in config.json. */
  readonly index: number
  /** The user namespace that maps it; belongs to `work`. */
  readonly fd: number
}

/**
 * Opens the maps, and makes places in the state directory, which goes with the container.
 * @throws TsrunError with the pointer
 */
export async function mappedSources(config: Config, bundle: string, directory: string, work: Work): Promise<readonly MappedSource[]> {
  const found: MappedSource[] = []
  for (const [index, mount] of (config.mounts ?? []).entries()) {
    const mapped = isBind(mount) ? idMapOf(mount, config.linux) : undefined
    if (mapped === undefined) continue
    const source = resolve(bundle, mount.source ?? '')
    const pointer = `/mounts/${index}`
    const { fd } = work.use(await openIdMap(config, index, directory, work.interrupt))
    const place = makePlace(join(directory, `mapped-${index}`), source, `${pointer}/source`)
    const recursive = parseMountOptions(mount.options).bind === 'rbind' || mount.type === 'rbind'
    found.push({
      index,
      fd,
      source,
      place,
      recursive,
      mapsBelow: mapped.kind !== 'problem' && mapped.recursive,
      pointer: pointer + mapped.field
    })
  }
  return found
}

function makePlace(place: string, source: string, pointer: string): string {
  try {
    if (statSync(source).isDirectory()) mkdirSync(place, { mode: 0o700 })
    else writeFileSync(place, '', { mode: 0o600 })
    return place
  } catch (cause) {
    throw systemError(`make a place for ${JSON.stringify(source)}`, cause, { pointer })
  }
}
