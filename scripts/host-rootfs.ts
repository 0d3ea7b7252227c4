/** A small root file system made of what the host has: nothing is downloaded. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Programs that shells scripts need first. */
const PROGRAMS = ['sh', 'cat', 'ls', 'readlink', 'touch', 'id', 'tr', 'sleep'] as const
const DIRECTORIES = ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root'] as const
const SEARCH = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'] as const

/**
 * Fills a directory with a root file system.
 *
 * @param dir an existing, empty directory
 * @returns what it was made of, in words
 */
export function makeHostRootfs(dir: string): string {
  for (const name of DIRECTORIES) mkdirSync(join(dir, name), { recursive: true })
  writeFileSync(join(dir, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(join(dir, 'etc/group'), 'root:x:0:\n')
  const busybox = find('busybox')
  const usable = busybox && librariesOf(busybox).length === 0 && spawnSync(busybox, ['true']).status === 0
  return usable ? fromBusybox(dir, busybox) : fromPrograms(dir)
}

const find = (name: string): string | undefined => SEARCH.map((directory) => join(directory, name)).find((path) => existsSync(path))

function fromBusybox(dir: string, busybox: string): string {
  copyFileSync(realpathSync(busybox), join(dir, 'bin/busybox'))
  const applets = spawnSync(busybox, ['--list'], { encoding: 'utf8' }).stdout.split('\n')
  for (const name of applets) if (name && name !== 'busybox') symlinkSync('busybox', join(dir, 'bin', name))
  return busybox
}

function fromPrograms(dir: string): string {
  const found = PROGRAMS.flatMap((name) => find(name) ?? [])
  for (const path of found) copyFileSync(realpathSync(path), join(dir, 'bin', path.slice(path.lastIndexOf('/') + 1)))
  for (const library of new Set(found.flatMap(librariesOf))) {
    mkdirSync(join(dir, dirname(library)), { recursive: true })
    copyFileSync(realpathSync(library), join(dir, library))
  }
  return `the host's ${found.map((path) => path.slice(path.lastIndexOf('/') + 1)).join(', ')} and their libraries`
}

/** Shared libraries and the ELF interpreter that a program needs, as ldd(1) finds them; none for a static one. */
function librariesOf(program: string): string[] {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' })
  return (stdout ?? '').split('\n').flatMap((line) => /(?:=>\s*|^\s*)(\/\S+) \(0x/.exec(line)?.[1] ?? [])
}
