/**
 * What config.json can ask for and this version does not do yet. Such a request is refused: a container that runs with less than
 * its configuration says is worse than none.
 */
import type { Problem } from '../errors/error.ts'
import { pointer as join } from './pointer.ts'

/** One thing that is refused. */
export interface Unsupported {
  /** Pointer; `*` stands for every entry of a list or member of an object. */
  readonly at: string
  /** What this version does not do, as a whole sentence without its end. */
  readonly says: string
  /** True for a value that asks for it; default: anything but '', false, [] and {}. */
  readonly when?: (value: unknown) => boolean
  /** Where the row counts; default both. `exec` means a process of its own document. */
  readonly only?: 'config' | 'exec'
}

/** True for a value that asks for nothing. */
const asksForNothing = (value: unknown): boolean =>
  value === undefined || value === '' || value === false || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)

/** Shrinks as tsrun grows. Rows about a process hold for the document of `exec --process` as well. */
export const unsupported: readonly Unsupported[] = Object.freeze([
  { at: '/process/scheduler', says: 'setting the scheduler is not supported yet' },
  { at: '/process/ioPriority', says: 'setting the I/O priority is not supported yet' },
  // In a config it is for later processes only, and may stand there.
  { at: '/process/execCPUAffinity', says: 'setting the CPU affinity is not supported yet', only: 'exec' },
  { at: '/process/apparmorProfile', says: 'AppArmor profiles are not supported yet' },
  { at: '/process/selinuxLabel', says: 'SELinux labels are not supported yet' },
  { at: '/linux/mountLabel', says: 'SELinux labels of mounts are not supported yet' },
  { at: '/linux/seccomp', says: 'seccomp filters are not supported yet' },
  { at: '/linux/intelRdt', says: 'Intel RDT is not supported yet', when: (value) => value !== undefined },
  { at: '/linux/netDevices', says: 'moving network devices is not supported yet' },
  { at: '/linux/memoryPolicy', says: 'setting the NUMA memory policy is not supported yet' },
  { at: '/linux/personality/domain', says: 'personalities other than LINUX are not supported yet', when: (value) => value !== 'LINUX' },
  { at: '/linux/personality/flags', says: 'flags of the personality are not supported' },
  { at: '/mounts/*/uidMappings', says: 'idmapped mounts are not supported yet' },
  { at: '/mounts/*/gidMappings', says: 'idmapped mounts are not supported yet' },
  { at: '/mounts/*/options/*', says: 'idmapped mounts are not supported yet', when: (value) => /^r?idmap(?:=|$)/.test(String(value)) },
  { at: '/mounts/*/options/*', says: 'the mount option "tmpcopyup" is not supported yet', when: (value) => value === 'tmpcopyup' }
])

/** What `document` asks for in vain. A process of its own is given as `{ process }`, with `exec`. */
export const unsupportedProblems = (document: unknown, where: 'config' | 'exec'): readonly Problem[] =>
  unsupported
    .filter(({ only }) => only === undefined || only === where)
    .flatMap(({ at, says, when = (value: unknown) => !asksForNothing(value) }) =>
      matches(document, at.split('/').slice(1), '').flatMap(({ value, pointer }) => (when(value) ? [{ pointer, message: says }] : []))
    )

interface Match {
  readonly pointer: string
  readonly value: unknown
}

function matches(value: unknown, path: readonly string[], pointer: string): readonly Match[] {
  const [name, ...rest] = path
  if (name === undefined) return [{ pointer, value }]
  if (typeof value !== 'object' || value === null) return []
  const names = name === '*' ? Object.keys(value) : Object.hasOwn(value, name) ? [name] : []
  return names.flatMap((key) => matches((value as Readonly<Record<string, unknown>>)[key], rest, pointer + join(key)))
}
