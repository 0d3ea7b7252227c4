/**
 * `linux.intelRdt` (config-linux.md#intelrdt): the container's processes in a group of the resctrl file system
 * (Documentation/filesystems/resctrl.rst). A group is a directory; `schemata` has its shares of caches and memory bandwidth, `tasks` its processes.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import type { Config, IntelRdt } from '../config/types.ts'
import * as wording from '../errors/wording.resctrl.ts'
import { errnoNameOf } from '../errors/wording.ts'
import { mountPoints } from './mountinfo.ts'
import type { ContainerRecord } from './record.ts'
import type { Work } from './work.ts'

const AT = '/linux/intelRdt'

/** A container's group. Plain data, stored with its state. */
export interface RdtGroup {
  /** Its directory. */
  readonly path: string
  /** The directory of the group that counts what the container uses, when that is wanted. */
  readonly monitor?: string
  /** Directories that `create` has made and `delete` removes, in this order. */
  readonly remove: readonly string[]
}

/**
 * Makes or finds the group and writes its schemata; what was made is on the undo stack. Undefined when the configuration has no `intelRdt`.
 * @throws TsrunError `unsupported` without a resctrl file system; `system` for what the kernel refuses, with the pointer
 */
export function prepareGroup({ linux }: Config, id: string, work: Work): RdtGroup | undefined {
  const rdt = linux?.intelRdt
  if (rdt === undefined) return undefined
  const [root] = mountPoints(['resctrl'])
  if (root === undefined) throw wording.noResctrl()
  const path = groupPath(root, rdt, id)
  const made = makeGroup(path, rdt, root, work)
  if (!made) refuseMismatch(path, rdt)
  for (const { text, pointer } of schemataWrites(rdt)) write(`${path}/schemata`, text, pointer, root)
  const monitor = rdt.enableMonitoring ? makeMonitor(path, id, root, work) : undefined
  const remove = [...(monitor === undefined ? [] : [monitor]), ...(made && !rdt.closID ? [path] : [])]
  return { path, ...(monitor === undefined ? {} : { monitor }), remove }
}

/** `/` is the group that every process is in that is in no other. */
const groupPath = (root: string, { closID }: IntelRdt, id: string): string => (closID === '/' ? root : `${root}/${closID || id}`)

/** Returns whether it was not there before. A group that is named, and has no schemata of ours, must be. */
function makeGroup(path: string, rdt: IntelRdt, root: string, work: Work): boolean {
  if (path === root) return false
  const mustExist = Boolean(rdt.closID) && !hasSchemata(rdt)
  if (mustExist) {
    if (!isGroup(path)) throw wording.noGroup(rdt.closID!, path)
    return false
  }
  const made = make(path, `${AT}/closID`, root)
  if (made) work.undo.add(`remove ${path}`, () => removeGroup(path))
  return made
}

const isGroup = (path: string): boolean => {
  try {
    readFileSync(`${path}/schemata`)
    return true
  } catch {
    return false
  }
}

function makeMonitor(path: string, id: string, root: string, work: Work): string {
  const monitor = `${path}/mon_groups/${id}`
  if (!make(monitor, `${AT}/enableMonitoring`, root)) throw wording.groupExists(monitor, `${AT}/enableMonitoring`)
  work.undo.add(`remove ${monitor}`, () => removeGroup(monitor))
  return monitor
}

function make(path: string, pointer: string, root: string): boolean {
  try {
    mkdirSync(path, 0o755)
    return true
  } catch (cause) {
    if (errnoNameOf(cause) === 'EEXIST') return false
    throw wording.resctrlRefused(`make the group ${JSON.stringify(path)}`, cause, pointer, lastStatus(root))
  }
}

/** Puts a process, whose children come after it, into the group. */
export function joinGroup({ path, monitor }: RdtGroup, pid: number): void {
  const [root = path] = mountPoints(['resctrl'])
  write(`${path}/tasks`, String(pid), AT, root)
  if (monitor !== undefined) write(`${monitor}/tasks`, String(pid), `${AT}/enableMonitoring`, root)
}

function write(path: string, text: string, pointer: string, root: string): void {
  try {
    writeFileSync(path, text, { flag: 'r+' })
  } catch (cause) {
    throw wording.resctrlRefused(`write ${JSON.stringify(text)} to ${JSON.stringify(path)}`, cause, pointer, lastStatus(root))
  }
}

/** What the kernel says about the last command that it has refused; it says `ok` otherwise. */
function lastStatus(root: string): string | undefined {
  try {
    const status = readFileSync(`${root}/info/last_cmd_status`, 'utf8').trim()
    return status === 'ok' || status === '' ? undefined : status
  } catch {
    return undefined
  }
}

/** At the end of a container. Its processes are gone, or fall back into the group above. */
export function removeGroups({ intelRdt }: Pick<ContainerRecord, 'intelRdt'>, warn: (message: string) => void): void {
  for (const path of intelRdt?.remove ?? []) {
    try {
      removeGroup(path)
    } catch (cause) {
      warn(`cannot remove the resctrl group ${JSON.stringify(path)}: ${(cause as Error).message}`)
    }
  }
}

function removeGroup(path: string): void {
  try {
    rmdirSync(path)
  } catch (cause) {
    if (errnoNameOf(cause) !== 'ENOENT') throw cause
  }
}

/** Other schemata for a container that is there. */
export function updateGroup({ path }: RdtGroup, rdt: Pick<IntelRdt, 'l3CacheSchema' | 'memBwSchema'>): void {
  const [root = path] = mountPoints(['resctrl'])
  for (const { text, pointer } of schemataWrites(rdt)) write(`${path}/schemata`, text, pointer, root)
}

const hasSchemata = ({ l3CacheSchema, memBwSchema, schemata }: IntelRdt): boolean =>
  Boolean(l3CacheSchema) || Boolean(memBwSchema) || (schemata?.length ?? 0) > 0

function refuseMismatch(path: string, rdt: IntelRdt): void {
  if (!rdt.l3CacheSchema && !rdt.memBwSchema) return
  const present = readFileSync(`${path}/schemata`, 'utf8')
  const missing = firstMismatch(combined(rdt), present)
  if (missing !== undefined) throw wording.otherSchemata(path, missing.line, missing.present)
}

/** The lines of both old fields; a `MB:` line in the one for the cache gives way to the other field. */
function combined({ l3CacheSchema = '', memBwSchema = '' }: IntelRdt): string[] {
  const cache = l3CacheSchema.split('\n').filter((line) => line !== '' && !(memBwSchema !== '' && /^\s*MB:/.test(line)))
  return memBwSchema === '' ? cache : [...cache, memBwSchema]
}

/** What is written to `schemata`, in this order: the old fields together, then the lines of the new one. */
export function schemataWrites(rdt: IntelRdt): readonly { readonly text: string; readonly pointer: string }[] {
  const old = combined(rdt)
  const pointer = `${AT}/${rdt.l3CacheSchema ? 'l3CacheSchema' : 'memBwSchema'}`
  return [
    ...(old.length === 0 ? [] : [{ text: `${old.join('\n')}\n`, pointer }]),
    ...((rdt.schemata?.length ?? 0) === 0 ? [] : [{ text: `${rdt.schemata!.join('\n')}\n`, pointer: `${AT}/schemata` }])
  ]
}

/** `L3:0=f;1=0x00f` as resource, then value of each domain: numbers, without leading zeros, in whatever order they were written. */
function parsed(line: string): { readonly resource: string; readonly domains: ReadonlyMap<string, string> } {
  const colon = line.indexOf(':')
  const domains = line
    .slice(colon + 1)
    .split(';')
    .map((part) => part.split('=', 2).map((side) => side.trim()))
  const plain = (text = ''): string =>
    text
      .toLowerCase()
      .replace(/^0x/, '')
      .replace(/^0+(?=.)/, '')
  return { resource: line.slice(0, colon).trim(), domains: new Map(domains.map(([domain, value]) => [plain(domain), plain(value)])) }
}

/** The first of `lines` that says something else than `present`, the contents of a schemata file; undefined when all hold. */
export function firstMismatch(
  lines: readonly string[],
  present: string
): { readonly line: string; readonly present: string | undefined } | undefined {
  const byResource = new Map(
    present
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => [parsed(line).resource, line.trim()])
  )
  for (const line of lines) {
    const { resource, domains } = parsed(line)
    const found = byResource.get(resource)
    const values = found === undefined ? undefined : parsed(found).domains
    if (values === undefined || [...domains].some(([domain, value]) => values.get(domain) !== value)) return { line, present: found }
  }
  return undefined
}
