/** A root file system for tests: busybox, or the host's own programs with the libraries that they need. */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Fills `dir` with a root file system. */
export function makeRootfs(dir: string): void {
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root']) mkdirSync(join(dir, name), { recursive: true })
  cpSync('/bin/busybox', join(dir, 'bin/busybox'))
  for (const name of spawnSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n')) {
    if (name !== 'busybox') symlinkSync('busybox', join(dir, 'bin', name))
  }
  writeFileSync(join(dir, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(join(dir, 'etc/group'), 'root:x:0:\n')
}
