/** The root file system of all containers: one static busybox under the names that the probes use. */
import { copyFileSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BUSYBOX } from './machine.ts'

/** A few, not all: every container has its own root file system. */
const APPLETS = [
  ...[
    '[',
    'awk',
    'cat',
    'chmod',
    'cp',
    'cut',
    'echo',
    'env',
    'false',
    'grep',
    'head',
    'hostname',
    'id',
    'ionice',
    'ip',
    'kill',
    'ls',
    'mkdir'
  ],
  ...[
    'mkfifo',
    'mknod',
    'mount',
    'mv',
    'od',
    'printf',
    'pwd',
    'readlink',
    'renice',
    'rm',
    'rmdir',
    'sed',
    'seq',
    'sh',
    'sleep',
    'sort',
    'stat'
  ],
  ...['stty', 'tail', 'test', 'touch', 'tr', 'true', 'tty', 'umount', 'uname', 'usleep', 'wc', 'xargs']
] as const

const DIRECTORIES = ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root', 'mnt', 'there', 'data'] as const

/** Makes root file systems that share one copy of busybox, in `directory`. */
export function rootfsMaker(directory: string): (path: string) => void {
  const original = join(directory, 'busybox')
  copyFileSync(BUSYBOX, original)
  return (path) => {
    for (const name of DIRECTORIES) mkdirSync(join(path, name), { recursive: true })
    linkSync(original, join(path, 'bin/busybox'))
    for (const name of APPLETS) symlinkSync('busybox', join(path, 'bin', name))
    writeFileSync(join(path, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
    writeFileSync(join(path, 'etc/group'), 'root:x:0:\n')
    writeFileSync(join(path, 'data/file'), 'data\n')
    writeFileSync(join(path, 'data/other'), 'other\n')
  }
}
