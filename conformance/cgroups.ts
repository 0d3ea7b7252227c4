/** Cgroups that a container may have left behind. */
import { type Dirent, existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './machine.ts'

const DEPTH = 3

function subdirectories(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  } catch {
    // A cgroup of somebody else's that has gone meanwhile.
    return []
  }
}

function find(directory: string, name: string, depth: number): string[] {
  if (depth === 0) return []
  return subdirectories(directory).flatMap((entry) => {
    const path = join(directory, entry.name)
    return [...find(path, name, depth - 1), ...(entry.name.includes(name) ? [path] : [])]
  })
}

/** The cgroups, in all hierarchies, whose names contain `name`; children before their parents. */
export function cgroupsNamed(name: string, { controllers }: Machine): readonly string[] {
  const mounts = new Set([...controllers.values()].map(({ mount }) => mount))
  return [...mounts].flatMap((mount) => (existsSync(mount) ? find(mount, name, DEPTH) : []))
}

/** Ends what is in the cgroups whose names contain `name`, and removes them. */
export function removeCgroups(name: string, machine: Machine): void {
  for (let tries = 0; tries < 50; tries++) {
    const left = cgroupsNamed(name, machine)
    if (left.length === 0) return
    for (const path of left) {
      quietly(() => endAll(path))
      quietly(() => rmdirSync(path))
    }
    if (tries > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  }
}

function endAll(path: string): void {
  for (const pid of readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n')) if (pid) process.kill(Number(pid), 'SIGKILL')
}

function quietly(act: () => void): void {
  try {
    act()
  } catch {
    // It has gone by itself.
  }
}
