/**
 * Paths in a root file system that lead through a symlink to nothing, such as the /etc/resolv.conf of an image whose files under /run are made when
 * a system boots. open(2) makes nothing at the end of such a link, so the program in the container is told where it leads. There it makes what is
 * missing inside the root, step by step as for any path: what the image changes meanwhile leads nowhere else.
 */
import { lstatSync, readlinkSync } from 'node:fs'
import { components } from '../plan/paths.ts'

/** As many as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40

/** By path: where each of `paths` that is such a one leads. */
export function danglingPaths(rootfs: string, paths: readonly string[]): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const path of paths) {
    const end = endOf(rootfs, path)
    if (end !== undefined) found[path] = end
  }
  return found
}

/** Undefined when the path has no symlink, when it leads to something, and when it cannot be followed. */
function endOf(rootfs: string, path: string): string | undefined {
  const ahead = components(path).reverse()
  let done: string[] = []
  let links = 0
  let missing = false
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    if (name === '..') {
      done.pop()
      continue
    }
    const target: string | undefined = missing ? name : targetOf(`${rootfs}/${[...done, name].join('/')}`)
    missing ||= target === undefined
    if (missing || target === '') done.push(name)
    else if (++links > MAX_LINKS) return undefined
    else {
      if (target!.startsWith('/')) done = []
      ahead.push(...components(target!).reverse())
    }
  }
  return missing && links > 0 ? `/${done.join('/')}` : undefined
}

/** Of a symlink; '' for what is none, undefined when nothing is there that we can see. */
function targetOf(path: string): string | undefined {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    return stat === undefined ? undefined : stat.isSymbolicLink() ? readlinkSync(path) : ''
  } catch {
    return undefined
  }
}
