/**
 * The ordinary user that the tests run as when they do not run as root, and what makes a container's configuration one of this user's:
 * a user namespace that maps the ids that the user has.
 *
 * Which ids those are is `TSRUN_TEST_IDS`: `one` for the user's own alone, `range` for the ranges in /etc/subuid and /etc/subgid as well;
 * without it, what the machine has.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { IdMapping } from '../src/config/types.ts'

export interface OrdinaryUser {
  readonly uid: number
  readonly gid: number
  readonly uidMappings: readonly IdMapping[]
  readonly gidMappings: readonly IdMapping[]
}

const lines = (path: string): string[][] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .map((line) => line.split(':'))
    : []

/** The user's own id as 0 and, after it, the first range that was granted (subuid(5): by name or by id). */
function mappingsOf(id: number, uid: number, file: string): readonly IdMapping[] {
  const own = { containerID: 0, hostID: id, size: 1 }
  if (process.env.TSRUN_TEST_IDS === 'one' || !existsSync('/usr/bin/newuidmap')) return [own]
  const name = lines('/etc/passwd').find((fields) => fields[2] === String(uid))?.[0]
  const granted = lines(file).find(([who]) => who === String(uid) || (name !== undefined && who === name))
  return granted ? [own, { containerID: 1, hostID: Number(granted[1]), size: Number(granted[2]) }] : [own]
}

function current(): OrdinaryUser | undefined {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0]
  if (uid === 0) return undefined
  return { uid, gid, uidMappings: mappingsOf(uid, uid, '/etc/subuid'), gidMappings: mappingsOf(gid, uid, '/etc/subgid') }
}

/** Undefined for root. */
export const user = current()

const countOf = (mappings: readonly IdMapping[]): number => mappings.reduce((sum, { size }) => sum + size, 0)

/** How many uids and gids a container can have; root has all of them. */
export const idsOfUser = user ? Math.min(countOf(user.uidMappings), countOf(user.gidMappings)) : 2 ** 32 - 1

/** For `linux` of a container with a user namespace: for root `size` ids from `hostID` on, for an ordinary user those that there are. */
export const idMaps = (hostID: number, size = 65_536): { uidMappings: IdMapping[]; gidMappings: IdMapping[] } => {
  const all = [{ containerID: 0, hostID, size }]
  return { uidMappings: [...(user?.uidMappings ?? all)], gidMappings: [...(user?.gidMappings ?? all)] }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** devpts(5)'s gid must be one of the user namespace's. */
function withoutForeignGid(mount: unknown): unknown {
  if (!isRecord(mount) || mount.type !== 'devpts' || !Array.isArray(mount.options)) return mount
  return { ...mount, options: mount.options.filter((option) => Number(/^gid=(\d+)$/.exec(String(option))?.[1] ?? 0) < idsOfUser) }
}

/**
 * The configuration with what an ordinary user cannot do without; the same for root, and for what is no configuration at all.
 * A configuration that names a user namespace keeps it.
 */
export function forUser(config: unknown): unknown {
  if (!user || !isRecord(config) || !isRecord(config.linux) || !Array.isArray(config.linux.namespaces)) return config
  const { namespaces } = config.linux
  const own = namespaces.find((each) => isRecord(each) && each.type === 'user')
  const mounts = Array.isArray(config.mounts) ? { mounts: config.mounts.map(withoutForeignGid) } : {}
  const linux = own ? config.linux : { ...config.linux, ...idMaps(user.uid), namespaces: [...namespaces, { type: 'user' }] }
  return { ...config, ...mounts, linux }
}
