/**
 * The test machines' kernel and root file systems, built once and kept outside the repository.
 *
 * They lie in $XDG_CACHE_HOME/tsrun/vm (or ~/.cache/tsrun/vm), in a directory named by the hash of the recipe. Nothing in there is ever
 * written to: machines run on a snapshot.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { progress } from '../../src/cli/progress.ts'
import { machine, type Recipe } from './recipe.ts'

/** A kernel and a disk that a machine can be started from. */
export interface Image {
  readonly kernel: string
  readonly disk: string
}

/** Why there is no machine here; its message is a reason to skip. */
export class NoMachine extends Error {}

/** Programs that are needed here, with the Debian packages that have them. */
const HOST = { debootstrap: 'debootstrap', 'qemu-system-x86_64': 'qemu-system-x86', mke2fs: 'e2fsprogs', setpriv: 'util-linux' } as const
const PATH = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`
const HOUR_MS = 3_600_000
const UNUSED_MS = 30 * 24 * HOUR_MS
const BUILD_TIMEOUT_MS = 900_000
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tsrun/vm')

/**
 * The image of a recipe; it is built when it is not there, which takes about two minutes.
 *
 * @throws NoMachine where none can be built; Error, with the log, where building fails
 */
export async function machineImage(recipe: Recipe = machine): Promise<Image> {
  if (process.arch !== 'x64') throw new NoMachine('the test machine is for x86-64')
  const directory = join(cache, createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16))
  const image = { kernel: join(directory, 'vmlinuz'), disk: join(directory, 'root.img') }
  const built = existsSync(image.disk)
  await installHostPrograms(built ? ['qemu-system-x86_64', 'mke2fs'] : Object.keys(HOST))
  if (!built) await build(recipe, directory)
  utimesSync(directory, new Date(), new Date())
  removeUnused()
  return image
}

const inPath = (command: string): boolean => PATH.split(':').some((directory) => directory && existsSync(join(directory, command)))

async function installHostPrograms(needed: readonly string[]): Promise<void> {
  const missing = Object.entries(HOST).filter(([command]) => needed.includes(command) && !inPath(command))
  if (missing.length === 0) return
  const packages = missing.map(([, name]) => name)
  const root = process.getuid?.() === 0 && inPath('apt-get') && !process.env.TSRUN_NO_APT
  if (!root) throw new NoMachine(`the test machine needs ${missing.map(([command]) => command).join(', ')}`)
  using _ = stage(`installing for the test machine: ${packages.join(' ')}`)
  const install = ['apt-get', 'install', '-q', '-y', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0', ...packages] as const
  const succeeds = async (command: Command): Promise<boolean> => (await run(command)).status === 0
  const ready = (await succeeds(install)) || ((await succeeds(['apt-get', 'update', '-q'])) && (await succeeds(install)))
  if (!ready) throw new NoMachine(`the test machine needs packages that cannot be installed: ${packages.join(' ')}`)
}

interface Finished {
  readonly status: number
  readonly output: string
}

type Command = readonly [string, ...string[]]

/** The event loop goes on, for the line that shows how long it takes. */
function run([command, ...args]: Command): Promise<Finished> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: BUILD_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    env: { ...process.env, PATH, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: 1, output: `${output}${error.message}\n` }))
    child.once('close', (status) => resolve({ status: status ?? 1, output }))
  })
}

async function must(command: Command): Promise<void> {
  const { status, output } = await run(command)
  if (status !== 0) throw new Error(`${command[0]} failed with status ${status}:\n${output.split('\n').slice(-40).join('\n')}`)
}

/** Says what begins: on a terminal with the time that it takes, and gone when it is done; elsewhere as a line. */
function stage(what: string): Disposable {
  if (!process.stderr.isTTY) console.log(what)
  return progress(what)
}

/** Builds beside the place, and renames: two builds at the same time do not see each other. */
async function build(recipe: Recipe, directory: string): Promise<void> {
  if (process.getuid?.() !== 0) throw new NoMachine('the test machine is built by root')
  mkdirSync(cache, { recursive: true })
  console.log(`building a test machine, once, in about two minutes: ${directory}`)
  const work = mkdtempSync(join(cache, '.build-'))
  try {
    const tree = join(work, 'tree')
    await staged('Debian and its packages', () => bootstrap(recipe, tree))
    const boot = join(tree, 'boot')
    const kernel = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'))
    copyFileSync(join(boot, kernel ?? 'vmlinuz'), join(work, 'vmlinuz'))
    await staged('what is laid over them', () => arrange(recipe, tree))
    await staged('its disk', () => makeDisk(tree, join(work, 'root.img'), recipe.diskMib))
    rmSync(tree, { recursive: true })
    if (!existsSync(join(directory, 'root.img'))) renameSync(work, directory)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function staged(what: string, act: () => Promise<void>): Promise<void> {
  using _ = stage(`building the test machine: ${what}`)
  await act()
}

/** In namespaces of its own, so that no mount and no process of a package's script stays. */
const ISOLATED = ['setpriv', '--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child'] as const

async function bootstrap({ suite, packages }: Recipe, tree: string): Promise<void> {
  const options = ['--variant=minbase', `--include=${packages.join(',')}`]
  const mirror = await debianMirror()
  const { status, output } = await run([...ISOLATED, 'debootstrap', ...options, suite, tree, ...(mirror ? [mirror] : [])])
  if (status === 0) return
  const tail = output.split('\n').slice(-15).join('\n')
  if (/Failed getting release|Couldn't download|Invalid Release/.test(output)) throw new NoMachine(`no packages of Debian:\n${tail}`)
  if (/unshare(?: failed)?: Operation not permitted/.test(output))
    throw new NoMachine('the test machine is built by root with the right to make namespaces')
  throw new Error(`debootstrap failed with status ${status}:\n${tail}\n${debootstrapLog(tree)}`)
}

function debootstrapLog(tree: string): string {
  const path = join(tree, 'debootstrap/debootstrap.log')
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(-40).join('\n') : ''
}

/** Where this machine gets Debian's packages from; undefined on another distribution: debootstrap knows its own. */
async function debianMirror(): Promise<string | undefined> {
  const { output } = await run(['apt-get', 'indextargets', '--format', '$(ORIGIN)/$(LABEL) $(REPO_URI)'])
  return /^Debian\/Debian (\S+)$/m.exec(output)?.[1]
}

async function arrange({ removed, files, finish }: Recipe, tree: string): Promise<void> {
  await must(['sh', '-ec', `cd "$1"; rm -rf -- ${removed.join(' ')}`, 'sh', tree])
  for (const { path, content } of files) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), content)
  }
  await must([...ISOLATED, 'chroot', tree, '/bin/sh', '-ec', finish])
}

/**
 * Makes an ext4 file system out of a directory, without mounting anything.
 *
 * @param disk path of the new image
 * @param mib its size; the file is sparse
 */
export async function makeDisk(directory: string, disk: string, mib: number): Promise<void> {
  const quick = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-E', 'lazy_itable_init=1'] as const
  await must(['mke2fs', ...quick, '-d', directory, disk, `${mib}M`])
}

/** Images of recipes that nobody has used for a month, and what killed builds have left. */
function removeUnused(): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name)
    const age = Date.now() - statSync(path).mtimeMs
    if (age > (name.startsWith('.build-') ? HOUR_MS : UNUSED_MS)) rmSync(path, { recursive: true, force: true })
  }
}
