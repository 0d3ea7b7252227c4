/** The root file system of all containers: one static busybox under all its names. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BUSYBOX } from './machine.ts'

const DIRECTORIES = ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root', 'mnt', 'there', 'data'] as const

/** Makes root file systems that share one copy of busybox, in `directory`. */
export function rootfsMaker(directory: string): (path: string) => void {
  const original = join(directory, 'busybox')
  copyFileSync(BUSYBOX, original)
  const applets = spawnSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n')
  return (path) => {
    for (const name of DIRECTORIES) mkdirSync(join(path, name), { recursive: true })
    linkSync(original, join(path, 'bin/busybox'))
    for (const name of applets) if (name !== 'busybox') symlinkSync('busybox', join(path, 'bin', name))
    writeFileSync(join(path, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
    writeFileSync(join(path, 'etc/group'), 'root:x:0:\n')
    writeFileSync(join(path, 'data/file'), 'data\n')
    writeFileSync(join(path, 'data/other'), 'other\n')
  }
}
