/** What the tests of attacks share: hostile images and bundles, programs that race, a place on the host that nobody may touch. */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, Mount } from '../../src/config/types.ts'
import { encode } from '../../src/image/encode.ts'
import { architecture } from '../../src/linux/ffi.ts'
import { bytes, text, to } from '../../src/plan/step.ts'
import { DEFAULT_CONFIG, merge, type Overrides } from '../config.ts'
import type { Result, Sandbox } from '../harness.ts'
import { planOf, step } from '../run-image.ts'
import { forUser } from '../user.ts'

/** A bundle that an attacker has made. */
export interface Hostile {
  readonly bundle: string
  readonly rootfs: string
  readonly id: string
}

export interface Attack {
  /** For the container's shell. */
  readonly script?: string
  /** Laid over the usual configuration. */
  readonly config?: Overrides<Config>
  /** Mounts beside the usual ones. */
  readonly mounts?: readonly Mount[]
  /** Mount points that are left out. */
  readonly without?: readonly string[]
  /** Changes the image. */
  readonly image?: (rootfs: string) => void
}

const APPLETS = [
  'cat',
  'chmod',
  'echo',
  'env',
  'grep',
  'hostname',
  'id',
  'ls',
  'mount',
  'mv',
  'readlink',
  'sh',
  'sleep',
  'stat',
  'touch',
  'true',
  'umount'
]

/** There are many, so they share the file of the shell. */
function makeImage(box: Sandbox, rootfs: string): void {
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root']) mkdirSync(join(rootfs, name), { recursive: true })
  const shell = join(box.directory, 'busybox')
  if (!existsSync(shell)) copyFileSync('/bin/busybox', shell)
  linkSync(shell, join(rootfs, 'bin/busybox'))
  for (const name of APPLETS) symlinkSync('busybox', join(rootfs, 'bin', name))
  writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
}

/** Makes the bundle. The root file system is writable for the container. */
export function prepare(box: Sandbox, { script = 'true', config = {}, mounts = [], without = [], image }: Attack): Hostile {
  const id = box.id()
  const bundle = join(box.directory, `bundle-of-${id}`)
  const rootfs = join(bundle, 'rootfs')
  makeImage(box, rootfs)
  const own = merge(DEFAULT_CONFIG, { root: { readonly: false }, process: { args: ['/bin/sh', '-c', script] } })
  const kept = (DEFAULT_CONFIG.mounts ?? []).filter(({ destination }) => !without.includes(destination))
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(forUser(merge({ ...own, mounts: [...kept, ...mounts] }, config))))
  image?.(rootfs)
  return { bundle, rootfs, id }
}

/** Runs the container to its end. */
export function attack(box: Sandbox, what: Attack): Result & Hostile {
  const hostile = prepare(box, what)
  return { ...box.tsrun('run', '--bundle', hostile.bundle, hostile.id), ...hostile }
}

/** A bind mount. */
export const volume = (source: string, destination: string, ...options: readonly string[]): Mount => ({
  type: 'bind',
  source,
  destination,
  options: ['bind', ...options]
})

/** Something of the host's, outside of everything that a container may change. */
export interface Outside {
  readonly path: string
  /** All that is there: names, kinds, owners, modes, contents. */
  readonly look: () => readonly string[]
}

/** Makes a directory with a file, a directory and a file that may be written to by everyone. */
export function outside(box: Sandbox): Outside {
  const path = join(box.directory, 'outside')
  mkdirSync(join(path, 'directory'), { recursive: true })
  writeFileSync(join(path, 'file'), 'of the host\n')
  writeFileSync(join(path, 'writable'), 'of the host\n', { mode: 0o666 })
  return { path, look: () => treeOf(path) }
}

function treeOf(path: string): string[] {
  const { mode, uid, gid, rdev } = lstatSync(path)
  const content = (mode & 0o170000) === 0o100000 ? readFileSync(path, 'latin1') : ''
  const inside = (mode & 0o170000) === 0o040000 ? readdirSync(path).sort() : []
  return [`${path} ${mode.toString(8)} ${uid}:${gid} ${rdev} ${content}`, ...inside.flatMap((name) => treeOf(join(path, name)))]
}

/** From any depth in an image to a path of the host. */
export const upTo = (path: string): string => `${'../'.repeat(30)}${path.slice(1)}`

const RENAME_EXCHANGE = 2

/**
 * Exchanges two names for each other as fast as the kernel can, until it is disposed of: the program is one of ours, a loop around renameat2(2).
 * @param pauseNs between two exchanges
 */
export function exchanging(box: Sandbox, a: string, b: string, pauseNs = 0): Disposable {
  const pause = new Uint8Array(16)
  new DataView(pause.buffer).setBigInt64(8, BigInt(pauseNs), true)
  const again = { then: to('again'), zero: to('again') } as const
  const plan = planOf(architecture, [
    step('renameat2', [-100, text(a), -100, text(b), RENAME_EXCHANGE], { label: 'again', on: { any: 'next' } }),
    pauseNs === 0
      ? step('sched_yield', [], again)
      : step('nanosleep', [bytes('{pause}', pause), 0], { on: { any: to('again') }, ...again }),
    step('exit_group', [0])
  ])
  const program = join(box.directory, `exchange-${box.id()}`)
  writeFileSync(program, encode(plan), { mode: 0o755 })
  const child = spawn(program, { stdio: 'ignore' })
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

/** Does `round` again and again for `ms`, at least `least` times; returns how often. */
export function during(ms: number, least: number, round: (i: number) => void): number {
  const end = performance.now() + ms
  let i = 0
  while (performance.now() < end || i < least) round(i++)
  return i
}

/** What a record of /proc/PID/status says. */
export const statusField = (status: string, name: string): string | undefined => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]
