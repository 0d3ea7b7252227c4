/** `tsrun update` */
import { readFileSync } from 'node:fs'
import { parseDocument } from '../../config/document.ts'
import { MAX_SIZE } from '../../config/read.ts'
import type { Int64, Resources } from '../../config/types.ts'
import { update } from '../../container/update.ts'
import { fileError } from '../../errors/wording.cli.ts'
import { refusedConfig } from '../../errors/wording.config.ts'
import { invalidLimit } from '../../errors/wording.control.ts'
import { readMessage } from '../../linux/socket.ts'
import type { Main } from '../commands.ts'
import { parseInteger, parseSize } from '../size.ts'
import type { FlagsOf } from '../types.ts'

type Flags = FlagsOf<'update'>

export const main: Main<'update'> = async ({ args, flags, options }) => {
  const [id] = args
  if (flags.resources) {
    const source = flags.resources === '-' ? 'standard input' : flags.resources
    await update(id!, readResources(flags.resources, source), { ...options, source })
    return 0
  }
  const { 'l3-cache-schema': l3CacheSchema, 'mem-bw-schema': memBwSchema } = flags
  const intelRdt = { ...(l3CacheSchema ? { l3CacheSchema } : {}), ...(memBwSchema ? { memBwSchema } : {}) }
  await update(id!, resourcesOf(flags), { ...options, ...intelRdt, source: 'the options' })
  return 0
}

/** containerd writes the document to standard input, Podman names a file. */
function readResources(file: string, source: string): Resources {
  let text: string
  try {
    text = file === '-' ? standardInput() : readFileSync(file, 'utf8')
  } catch (error) {
    throw fileError(`read the resources from ${source}`, error)
  }
  const parsed =
    text.length > MAX_SIZE ? { problem: { pointer: '', message: `has more than ${MAX_SIZE} characters` } } : parseDocument(text)
  if ('problem' in parsed) throw refusedConfig(source, 'config', [parsed.problem])
  return parsed.value as Resources
}

/** To its end. node:fs fails where it is non-blocking and empty for the moment. */
function standardInput(): string {
  const chunks: Uint8Array[] = []
  for (let size = 0; size <= MAX_SIZE; ) {
    const chunk = readMessage(0, 65536)
    if (chunk.length === 0) break
    chunks.push(chunk)
    size += chunk.length
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The options as `linux.resources`. An option that is not given, or empty, changes nothing. */
function resourcesOf(flags: Flags): Resources {
  const integer = (name: keyof Flags, signed: boolean) =>
    limitOf(flags, name, (text) => parseInteger(text, signed), signed ? 'is no integer of 64 bits' : 'is no unsigned integer of 64 bits')
  const size = (name: keyof Flags) => limitOf(flags, name, parseSize, 'is no size, such as 512m or -1 for no limit')
  const document = {
    blockIO: { weight: flags['blkio-weight'] },
    cpu: {
      shares: integer('cpu-share', false),
      quota: integer('cpu-quota', true),
      burst: integer('cpu-burst', false),
      period: integer('cpu-period', false),
      realtimeRuntime: integer('cpu-rt-runtime', true),
      realtimePeriod: integer('cpu-rt-period', false),
      idle: integer('cpu-idle', true),
      cpus: flags['cpuset-cpus'],
      mems: flags['cpuset-mems']
    },
    memory: {
      limit: size('memory'),
      reservation: size('memory-reservation'),
      swap: size('memory-swap'),
      kernel: size('kernel-memory'),
      kernelTCP: size('kernel-memory-tcp')
    },
    pids: { limit: flags['pids-limit'] }
  }
  return withoutUndefined(document) as Resources
}

function limitOf(flags: Flags, name: keyof Flags, parse: (text: string) => Int64 | undefined, why: string): Int64 | undefined {
  const text = flags[name]
  if (text === undefined || text === '') return undefined
  const value = parse(String(text))
  if (value === undefined) throw invalidLimit(name, String(text), why)
  return value
}

/** Without members that are undefined, and without sections that have no others. */
function withoutUndefined(document: Readonly<Record<string, Readonly<Record<string, unknown>>>>): object {
  const sections = Object.entries(document).map(([name, section]) => [
    name,
    Object.fromEntries(Object.entries(section).filter(([, value]) => value !== undefined))
  ])
  return Object.fromEntries(sections.filter(([, section]) => Object.keys(section as object).length > 0))
}
