/** What a machine gets on its second disk: the build, the tests, Bun to run them, and a command. Mounted there on /tsrun. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeDisk } from './image.ts'
import { PRINT_END, STARTED } from './machine.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Parts of the repository that are carried in, where they exist. */
const PARTS = ['package.json', 'bin', 'build', 'dist', 'schemas', 'examples', 'scripts', 'src', 'test', 'conformance', 'docs'] as const
/** What the library imports when it does not run from the executable. */
const MODULES = [
  'koffi',
  '@koromix',
  'ajv',
  'ajv-formats',
  'fast-deep-equal',
  'fast-uri',
  'json-schema-traverse',
  'require-from-string'
] as const
const DISK_MIB = 1024

/** Started by the machine's unit. The time-out of the machine bounds it. */
const START = `stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
[ "$(stat -c %u /tsrun/dist)" = 0 ] || chown -R 0:0 /tsrun
export PATH=/tsrun/guest/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export CI=true TSRUN_SLOWNESS=4 TSRUN_RUNTIME=/tsrun/dist/tsrun CONFORMANCE_PATIENCE=4 CONFORMANCE_TIMEOUT_MS=60000
cd /tsrun
echo '${STARTED}'
sh /tsrun/guest/command
${PRINT_END}
# The machine is ended from outside; ending by itself, it would lose what has not left the serial port yet.
sleep 10
`

function bun(...args: string[]): void {
  const { status, stderr, error } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  if (error) throw error
  if (status !== 0) throw new Error(`bun ${args[0]} failed:\n${stderr}`)
}

/** node-tap does not run on Bun, and takes seconds to load under emulation: what imports it gets guest/tap.ts. */
function bundleGuest(directory: string): void {
  const bundle = (source: string, target: string): void =>
    bun('build', join(root, 'scripts/vm/guest', source), '--target=bun', '--outfile', join(directory, target))
  bundle('run-jobs.ts', 'guest/run-jobs.js')
  bundle('as-user.ts', 'guest/as-user.js')
  bundle('tap.ts', 'node_modules/tap/index.js')
  writeFileSync(join(directory, 'node_modules/tap/package.json'), '{"name":"tap","type":"module","exports":"./index.js"}\n')
  // tcompare loads it for React's elements, which no test compares.
  mkdirSync(join(directory, 'node_modules/react-element-to-jsx-string'))
  writeFileSync(join(directory, 'node_modules/react-element-to-jsx-string/index.js'), 'exports.default = String\n')
}

function programs(directory: string): void {
  const bin = join(directory, 'guest/bin')
  mkdirSync(bin, { recursive: true })
  cpSync(process.execPath, join(bin, 'bun'))
  // Programs that say "node" get it all the same: it understands them, and starts ten times as fast.
  symlinkSync('bun', join(bin, 'node'))
  symlinkSync('../../dist/tsrun', join(bin, 'tsrun'))
}

/** Makes what is carried. tsc writes its output whatever it finds; that the types are right, `npm test` says. */
export function compile(): void {
  spawnSync(join(root, 'node_modules/.bin/tsc'), { cwd: root, stdio: 'ignore' })
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the build failed:\n${stderr}`)
}

/** A directory that lives as long as its machine. */
export interface Carried {
  readonly disk: string
  /** Where the machine's console can be written to. */
  readonly console: string
  readonly [Symbol.dispose]: () => void
}

/**
 * Makes the second disk.
 *
 * @param command a script for the machine's /bin/sh, run as root in /tsrun
 */
export async function carry(command: string): Promise<Carried> {
  const work = mkdtempSync(join(tmpdir(), 'tsrun-vm-'))
  const remove = (): void => rmSync(work, { recursive: true, force: true })
  process.once('exit', remove)
  const directory = join(work, 'carried')
  const copy = (from: string): void => {
    if (existsSync(join(root, from))) cpSync(join(root, from), join(directory, from), { recursive: true, filter: isWanted })
  }
  for (const part of PARTS) copy(part)
  for (const name of MODULES) copy(join('node_modules', name))
  programs(directory)
  bundleGuest(directory)
  writeFileSync(join(directory, 'guest/start'), START)
  writeFileSync(join(directory, 'guest/command'), `${command}\n`)
  const disk = join(work, 'carried.img')
  await makeDisk(directory, disk, DISK_MIB)
  rmSync(directory, { recursive: true })
  return { disk, console: join(work, 'console.log'), [Symbol.dispose]: remove }
}

const isWanted = (path: string): boolean => !/\.d\.ts$|\/(musl_\w+|vm|doc|vendor)$|\/\.build-/.test(path)
