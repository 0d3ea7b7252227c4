/**
 * Makes `dist/tsrun`, one executable with Bun's engine in it, and `dist/koffi.node`, which it loads from beside itself.
 *
 * Run it with `npm run build`. `--outdir DIR` puts both elsewhere, `--entry FILE` compiles another program than tsrun's: the tests of the executable do.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addEntryStub } from '../src/image/stub.ts'
import { bundle } from './bundle.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where Bun shows an embedded file: below the folder of the entry point, by its name. */
const EMBEDDED = '/$bunfs/root/koffi.node'

/** Switches off all that Bun's engine would otherwise read from the working directory, which may be a bundle that somebody else wrote. */
const NOTHING_FROM_THE_WORKING_DIRECTORY = [
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
  '--no-compile-autoload-tsconfig',
  '--no-compile-autoload-package-json'
]

/**
 * Parsed when building, and cut where the source imports lazily, so that a command loads its own part only. Measured for `--version`,
 * above an empty program: 1.3 ms; 2.6 ms as one CommonJS file; 6.2 ms as one module; over 30 ms without bytecode.
 * No command lives long enough to earn back what it would spend on compiling to machine code: a third of all CPU time of `run`.
 */
const FAST_START = ['--bytecode', '--format=esm', '--splitting', '--compile-jit-policy=100000']

await build(resolve(root, option('--outdir') ?? 'dist'))

async function build(outdir: string): Promise<void> {
  mkdirSync(outdir, { recursive: true })
  const work = mkdtempSync(join(outdir, '.build-'))
  try {
    const addon = join(work, 'koffi.node')
    copyFileSync(addonOfThisMachine(), addon)
    const executable = join(work, 'tsrun')
    const entry = await bundle(resolve(option('--entry') ?? join(root, 'src/cli/main.ts')), join(work, 'bundle'))
    compile(entry, addon, executable)
    writeFileSync(executable, addEntryStub(readFileSync(executable)))
    install(addon, join(outdir, 'koffi.node'), 0o644)
    install(executable, join(outdir, 'tsrun'), 0o755)
    // The executable trusts a koffi.node only where its owner alone can put one.
    chmodSync(outdir, 0o755)
  } finally {
    rmSync(work, { recursive: true })
  }
  console.log(`${join(outdir, 'tsrun')}\n${join(outdir, 'koffi.node')}`)
}

/** Renames, since a file that is being executed cannot be written. */
function install(from: string, to: string, mode: number): void {
  chmodSync(from, mode)
  renameSync(from, to)
}

function compile(entry: string, addon: string, outfile: string): void {
  const defines = {
    TSRUN_EMBEDDED_ADDON: EMBEDDED,
    TSRUN_VERSION: packageVersion(),
    TSRUN_COMMIT: commit(),
    'process.env.NODE_ENV': 'production'
  }
  run(process.execPath, [
    'build',
    '--compile',
    ...FAST_START,
    '--minify',
    ...NOTHING_FROM_THE_WORKING_DIRECTORY,
    ...Object.entries(defines).flatMap(([name, value]) => ['--define', `${name}=${JSON.stringify(value)}`]),
    '--asset',
    addon,
    '--outfile',
    outfile,
    entry
  ])
}

/** The addon that npm installed for this architecture and for the libc of the Bun that runs this. */
function addonOfThisMachine(): string {
  const libc = glibcOrMusl()
  const path = join(root, `node_modules/@koromix/koffi-linux-${process.arch}/${libc}_${process.arch}/koffi.node`)
  if (!existsSync(path)) throw new Error(`${path} is not there: run "npm install" with optional dependencies`)
  return path
}

function glibcOrMusl(): 'linux' | 'musl' {
  return readFileSync('/proc/self/maps', 'utf8').includes('/ld-musl-') ? 'musl' : 'linux'
}

function packageVersion(): string {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
}

/** Empty outside a git work tree. */
function commit(): string {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : ''
}

function run(command: string, args: readonly string[]): void {
  const { status, error, stderr, stdout } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (error) throw error
  if (status !== 0) throw new Error(`bun ${args[0]} failed:\n${stdout}${stderr}`)
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
