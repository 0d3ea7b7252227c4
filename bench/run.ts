/**
 * `npm run bench`: tsrun beside runc and crun, whole processes, medians.
 *
 * All runtimes run the same bundle (the default spec, without a terminal, `/bin/true`) in turn, A B C B C A C A B, so that whatever else
 * the machine does falls on all of them. Each is started the same way by the same program, which adds about 1 ms to each. Writes
 * bench/results.json. Needs root.
 *
 *     bench/run.ts [--n 100] [--runtime NAME=PATH]… [--output FILE]
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { prepare } from '../scripts/prepare.ts'
import { DEFAULT_CONFIG } from '../test/config.ts'
import { makeRootfs } from '../test/rootfs.ts'
import { hasEnded, processesNaming, pssKb, type Summary, summarize, table, time } from './measure.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '100' },
    runtime: { type: 'string', multiple: true, default: [] },
    output: { type: 'string', default: join(repository, 'bench/results.json') },
    inside: { type: 'boolean', default: false }
  }
})
const runs = Number(values.n)
const WARM_UP = 5
const MEMORY_RUNS = 11

interface Runtime {
  readonly name: string
  readonly path: string
  readonly version: string
}

/** One scratch directory for everything. */
interface Bench {
  readonly directory: string
  readonly bundle: string
  /** Its config.json is another one each time. */
  readonly changing: string
}

/** `run` of a bundle like others before it, as engines start containers; `new run` of a configuration that nobody has seen. */
const METRICS = ['run', 'new run', 'create', 'start', 'delete', 'create+start+delete', 'state', '--version', 'waiting KB'] as const
type Metric = (typeof METRICS)[number]
type Samples = Record<Metric, number[]>

const output = (command: string, ...args: string[]): string => spawnSync(command, args, { encoding: 'utf8' }).stdout?.trim() ?? ''

function findRuntimes(): Runtime[] {
  const given = values.runtime.map((each): [string, string] => [each.split('=')[0] ?? '', each.split('=').slice(1).join('=')])
  const usual: [string, string][] = [
    ['tsrun', join(repository, 'dist/tsrun')],
    ['runc', '/usr/sbin/runc'],
    ['crun', '/usr/bin/crun']
  ]
  const paths = new Map([...usual, ...given])
  const found = [...paths].filter(([, path]) => existsSync(path))
  for (const [name, path] of paths) if (!existsSync(path)) console.log(`without ${name}: ${path} does not exist`)
  return found.map(([name, path]) => ({ name, path, version: output(path, '--version').split('\n')[0] ?? '' }))
}

/** crun refuses the hybrid layout of cgroups: all runtimes run where its v2 part is not mounted. */
function enterMountNamespace(): never {
  const script = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
  const again = [process.execPath, ...process.argv.slice(1), '--inside']
  const { status } = spawnSync('unshare', ['--mount', 'sh', '-c', script, 'sh', ...again], { stdio: 'inherit' })
  process.exit(status ?? 1)
}

function makeBench(): Bench {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-bench-'))
  const bundle = join(directory, 'bundle')
  mkdirSync(join(bundle, 'rootfs'), { recursive: true })
  makeRootfs(join(bundle, 'rootfs'))
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(DEFAULT_CONFIG))
  const changing = join(directory, 'changing')
  mkdirSync(changing)
  return { directory, bundle, changing }
}

let ids = 0

/** One container through its life, with the time of each command; adds to `samples`. */
function life({ path, name }: Runtime, { directory, bundle }: Bench, samples: Samples, withMemory: boolean): void {
  const id = `bench-${process.pid}-${++ids}`
  const pidFile = join(directory, 'pid')
  const command = (...args: string[]): number => time([path, '--root', join(directory, name), ...args])
  const create = command('create', '--bundle', bundle, '--pid-file', pidFile, id)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  if (withMemory) samples['waiting KB'].push([...new Set([pid, ...processesNaming(id)])].reduce((sum, each) => sum + pssKb(each), 0))
  samples.state.push(command('state', id))
  const start = command('start', id)
  while (!hasEnded(pid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  const remove = command('delete', id)
  samples.create.push(create)
  samples.start.push(start)
  samples.delete.push(remove)
  samples['create+start+delete'].push(create + start + remove)
}

function writeNewConfig({ bundle, changing }: Bench): void {
  const root = { ...DEFAULT_CONFIG.root, path: join(bundle, 'rootfs') }
  const process = { ...DEFAULT_CONFIG.process, env: [...(DEFAULT_CONFIG.process?.env ?? []), `NUMBER=${++ids}`] }
  const config = { ...DEFAULT_CONFIG, root, process }
  writeFileSync(join(changing, 'config.json'), JSON.stringify(config))
}

function once(runtime: Runtime, bench: Bench, samples: Samples, round: number): void {
  samples['--version'].push(time([runtime.path, '--version']))
  const run = (bundle: string): number =>
    time([runtime.path, '--root', join(bench.directory, runtime.name), 'run', '--bundle', bundle, `bench-${process.pid}-${++ids}`])
  samples.run.push(run(bench.bundle))
  writeNewConfig(bench)
  samples['new run'].push(run(bench.changing))
  life(runtime, bench, samples, round < MEMORY_RUNS)
}

const noSamples = (): Samples => Object.fromEntries(METRICS.map((metric) => [metric, []])) as unknown as Samples

/** All rounds; each begins with another runtime. */
function measure(runtimes: readonly Runtime[], bench: Bench): Map<string, Samples> {
  const samples = new Map(runtimes.map(({ name }) => [name, noSamples()]))
  for (let round = -WARM_UP; round < runs; round++) {
    for (let turn = 0; turn < runtimes.length; turn++) {
      const runtime = runtimes[(round + WARM_UP + turn) % runtimes.length]!
      once(runtime, bench, round < 0 ? noSamples() : samples.get(runtime.name)!, round)
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${Math.max(0, round + 1)}/${runs} `)
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  return samples
}

type Results = Record<string, Record<string, Summary>>

function print(names: readonly string[], results: Results): void {
  const others = names.filter((name) => name !== 'tsrun')
  const head = ['median (ms; KB)', ...names, ...others.map((name) => `tsrun/${name}`)]
  const rows = METRICS.map((metric) => {
    const median = (name: string): number => results[name]?.[metric]?.median ?? Number.NaN
    return [metric, ...names.map((name) => median(name).toFixed(1)), ...others.map((name) => (median('tsrun') / median(name)).toFixed(2))]
  })
  console.log(table([head, ...rows]))
}

function ratios(results: Results): Record<string, Record<string, number>> {
  const others = Object.keys(results).filter((name) => name !== 'tsrun')
  const ratio = (metric: string, other: string): number =>
    Number(((results.tsrun?.[metric]?.median ?? Number.NaN) / (results[other]?.[metric]?.median ?? Number.NaN)).toFixed(3))
  return Object.fromEntries(others.map((other) => [other, Object.fromEntries(METRICS.map((metric) => [metric, ratio(metric, other)]))]))
}

function main(): void {
  const runtimes = findRuntimes()
  const bench = makeBench()
  try {
    const samples = measure(runtimes, bench)
    const results: Results = Object.fromEntries(
      [...samples].map(([name, each]) => [name, Object.fromEntries(METRICS.map((metric) => [metric, rounded(summarize(each[metric]))]))])
    )
    print(
      runtimes.map(({ name }) => name),
      results
    )
    const machine = {
      cpu: cpus()[0]?.model,
      cpus: cpus().length,
      memoryMb: Math.round(totalmem() / 2 ** 20),
      kernel: output('uname', '-sr'),
      arch: process.arch
    }
    // Where the repository lies is nobody's business.
    const told = runtimes.map((runtime) => ({ ...runtime, path: runtime.path.replace(repository, '') }))
    const document = { machine, runtimes: told, medians: results, ratios: ratios(results) }
    writeFileSync(values.output, `${JSON.stringify(document, undefined, 2)}\n`)
    console.log(`\n${runs} rounds; written to ${values.output}`)
  } finally {
    rmSync(bench.directory, { recursive: true, force: true })
  }
}

const rounded = ({ median, p10, p90, n }: Summary): Summary => ({
  median: Number(median.toFixed(3)),
  p10: Number(p10.toFixed(3)),
  p90: Number(p90.toFixed(3)),
  n
})

if (process.getuid?.() !== 0) {
  console.error('bench: needs root: runc and crun run the default spec only as root')
  process.exit(1)
}
if (!values.inside) {
  prepare(['runc', 'crun', 'busybox-static'])
  enterMountNamespace()
}
main()
