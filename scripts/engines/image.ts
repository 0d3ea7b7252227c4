/** Makes the images that all checks use, from busybox, in the form that every engine loads. Nothing is pulled. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeRootfs } from '../../test/rootfs.ts'

/** Where the images are in an engine's machine, and the name of the usual one in every engine. */
export const IMAGE_FILE = '/run/busybox.tar'
export const IMAGE = 'localhost/busybox:latest'
/** The same files; does nothing for ever. */
export const PAUSE_IMAGE = 'localhost/pause:latest'

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** When the leader of a session ends, the kernel hangs its terminal up, and what was written in the last moment may be lost, with any runtime. */
const SAY_TTY = '#!/bin/sh\ntty; sleep 0.3; exit ${1:-0}\n'

/** Like a distribution's: engines look users up, and mount over these files. */
function makeTree(tree: string): void {
  mkdirSync(tree, { recursive: true })
  makeRootfs(tree)
  for (const name of ['run', 'var', 'home', 'usr', 'mnt']) mkdirSync(join(tree, name), { recursive: true })
  chmodSync(join(tree, 'tmp'), 0o1777)
  writeFileSync(join(tree, 'bin/say-tty'), SAY_TTY, { mode: 0o755 })
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada:/home:/bin/sh\n')
  writeFileSync(join(tree, 'etc/group'), 'root:x:0:\nada:x:1000:\nguests:x:2000:ada\n')
}

const configOf = (command: readonly string[], layer: string): unknown => ({
  architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
  os: 'linux',
  config: { Cmd: command, Env: ['PATH=/usr/local/bin:/usr/bin:/bin'], WorkingDir: '/' },
  rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
  history: [{ created: '2024-01-01T00:00:00Z', created_by: 'busybox' }]
})

/**
 * Writes a docker-archive: a layer, the images' configs, and manifest.json.
 *
 * @param work a directory that may be filled
 */
export function makeImage(work: string): void {
  const [tree, layout] = [join(work, 'tree'), join(work, 'layout')]
  makeTree(tree)
  mkdirSync(layout, { recursive: true })
  const layer = join(layout, 'layer.tar')
  execFileSync('tar', ['--numeric-owner', '--owner=0', '--group=0', '-C', tree, '-cf', layer, '.'])
  const images = [
    { tag: IMAGE, file: 'config.json', command: ['sh'] },
    { tag: PAUSE_IMAGE, file: 'pause.json', command: ['sleep', '1000000'] }
  ]
  for (const { file, command } of images) writeFileSync(join(layout, file), JSON.stringify(configOf(command, sha256(layer))))
  const manifest = images.map(({ tag, file }) => ({ Config: file, RepoTags: [tag], Layers: ['layer.tar'] }))
  writeFileSync(join(layout, 'manifest.json'), JSON.stringify(manifest))
  execFileSync('tar', ['-C', layout, '-cf', IMAGE_FILE, 'manifest.json', ...images.map(({ file }) => file), 'layer.tar'])
  rmSync(work, { recursive: true })
}
