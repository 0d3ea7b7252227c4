/** From `linux.cgroupsPath` to directories (runtime-spec, config-linux.md#cgroups-path). */
import { cannotUseRoot } from '../errors/wording.cgroup.ts'
import { cgroupLayout } from './layout.ts'
import type { CgroupLayout, CgroupLocation, OwnHierarchy } from './types.ts'

/**
 * Where the cgroup of container `id` is, as runc places it: an absolute `cgroupsPath` below the mount of each hierarchy, a relative one
 * below the runtime's own cgroup, and without one the id itself below the runtime's own cgroup. `..` never leads out of the mount.
 *
 * Throws TsrunError `cgroup` when the path names the root of the hierarchy: to delete that container would be to kill the host.
 */
export function locate(cgroupsPath: string | undefined, id: string, options: { readonly rootless: boolean }): CgroupLocation {
  return locateIn(cgroupLayout(), cgroupsPath, id, options)
}

/** `locate` on a given layout. */
export function locateIn(
  { mode, hierarchies }: CgroupLayout,
  cgroupsPath: string | undefined,
  id: string,
  { rootless }: { readonly rootless: boolean }
): CgroupLocation {
  const absolute = cgroupsPath?.startsWith('/') === true
  const inner = cleaned(cgroupsPath ?? '') || (absolute ? '' : cleaned(id))
  if (inner === '') throw cannotUseRoot(cgroupsPath ?? id)
  const paths: Record<string, string> = {}
  for (const hierarchy of hierarchies) {
    const parent = absolute ? '' : cleaned(startOf(hierarchy, mode))
    const directory = (hierarchy.mountpoint === '/' ? '' : hierarchy.mountpoint) + parent + inner
    if (hierarchy.version === 2) paths[''] = directory
    else for (const controller of hierarchy.controllers) paths[controller] = directory
  }
  return { mode, driver: 'cgroupfs', paths, rootless }
}

/**
 * Where relative paths start. The runtime's own v2 cgroup holds processes, and so cannot hand controllers down to children
 * (cgroup-v2.rst, "No Internal Process Constraint"): its parent is taken there. On hybrid hosts v2 follows the v1 hierarchies.
 */
function startOf({ own, version }: OwnHierarchy, mode: CgroupLayout['mode']): string {
  return version === 2 && mode === 'v2' ? own.slice(0, own.lastIndexOf('/')) : own
}

/** `/a/b` from any spelling of it; '' for the root. `..` at the root stays there. */
function cleaned(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.map((part) => `/${part}`).join('')
}
