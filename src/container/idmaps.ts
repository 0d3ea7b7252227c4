/** The id maps of a new user namespace (user_namespaces(7)): written here, or by newuidmap(1) and newgidmap(1) for an ordinary user with a range of ids. */
import { readFileSync, writeFileSync } from 'node:fs'
import type { IdMap } from '../config/idmap.ts'
import type { IdMapping } from '../config/types.ts'
import { TsrunError } from '../errors/error.ts'
import { systemError } from '../errors/wording.ts'
import { userNames } from './users.ts'

type Kind = 'uid' | 'gid'

/**
 * Writes the maps of process `pid`, which waits for them in its new user namespace.
 * @param at pointers for messages; default: those of the container's
 * @throws TsrunError `system` with a pointer; `unsupported` when /etc/subuid or /etc/subgid does not grant the ids
 */
export async function writeIdMaps(pid: number, { uids, gids }: IdMap, at: Pointers = OF_CONTAINER): Promise<void> {
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  if (own.uid === 0 || (isOnly(uids, own.uid) && isOnly(gids, own.gid))) {
    // Whoever may not set groups in the parent namespace must give the right up before the gid map is accepted (CVE-2014-8989).
    if (own.uid !== 0) write(pid, 'setgroups', 'deny', at.gid)
    write(pid, 'gid_map', lines(gids), at.gid)
    write(pid, 'uid_map', lines(uids), at.uid)
    return
  }
  await mapWithHelper('gid', pid, gids, own, at.gid)
  await mapWithHelper('uid', pid, uids, own, at.uid)
}

/** Where in config.json the maps stand. */
export type Pointers = Readonly<Record<Kind, string>>

const OF_CONTAINER: Pointers = { uid: '/linux/uidMappings', gid: '/linux/gidMappings' }

/** One id, the caller's own: what the kernel lets everyone map. */
const isOnly = (map: readonly IdMapping[], id: number): boolean => map.length === 1 && map[0]?.size === 1 && map[0].hostID === id

const lines = (map: readonly IdMapping[]): string =>
  map.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join('')

function write(pid: number, file: string, content: string, pointer: string): void {
  try {
    // The kernel wants the whole map in one write(2).
    writeFileSync(`/proc/${pid}/${file}`, content)
  } catch (cause) {
    throw systemError(`write ${JSON.stringify(content.trim())} to /proc/${pid}/${file}`, cause, { pointer })
  }
}

async function mapWithHelper(
  kind: Kind,
  pid: number,
  map: readonly IdMapping[],
  own: Readonly<Record<Kind, number>>,
  pointer: string
): Promise<void> {
  const { execFileSync } = await import('node:child_process')
  const args = [String(pid), ...map.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size].map(String))]
  try {
    execFileSync(`new${kind}map`, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: helperPath() } })
  } catch (cause) {
    throw helperFailure(kind, map, own, pointer, cause)
  }
}

/** PATH first; engines may call us without one. */
const helperPath = (): string => `${process.env.PATH ?? ''}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin`

function helperFailure(
  kind: Kind,
  map: readonly IdMapping[],
  own: Readonly<Record<Kind, number>>,
  pointer: string,
  cause: unknown
): TsrunError {
  const helper = `new${kind}map`
  const { code, stderr } = cause as { code?: string; stderr?: Buffer }
  if (code === 'ENOENT') {
    return new TsrunError('unsupported', `cannot map a range of ${kind}s: ${helper} is not installed [${pointer}]`, {
      pointer,
      hint: 'install the package uidmap (Debian, Ubuntu) or shadow-utils'
    })
  }
  const said = (stderr?.toString() ?? '').trim().replace(`${helper}: `, '')
  // subuid(5) takes a number in the place of a name.
  const user = userNames()(own.uid).replace('#', '')
  const missing = map.find(({ hostID, size }) => !(size === 1 && hostID === own[kind]) && !isGranted(kind, user, own.uid, hostID, size))
  const hint = missing === undefined ? undefined : `add the line "${user}:${missing.hostID}:${missing.size}" to /etc/sub${kind}`
  return new TsrunError('unsupported', `cannot write the ${kind} map: ${helper}: ${said} [${pointer}]`, {
    pointer,
    cause,
    ...(hint === undefined ? {} : { hint })
  })
}

/** True when a line of /etc/subuid or /etc/subgid, `user:first:count`, covers the range (subuid(5)). */
function isGranted(kind: Kind, user: string, uid: number, first: number, size: number): boolean {
  try {
    return readFileSync(`/etc/sub${kind}`, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .some(
        ([name, from, count]) =>
          (name === user || name === String(uid)) && Number(from) <= first && first + size <= Number(from) + Number(count)
      )
  } catch {
    return false
  }
}
