/**
 * Holds the line of purity: `src/config`, `src/plan`, `src/image`, `src/template` and `src/abi` compute, and do nothing else.
 *
 * They reach no file system, no koffi, no clock, no environment, neither themselves nor through what they import. Prints each
 * violation as `file:line: what`, with the chain of imports when it is not direct; exit status 1 when there is one.
 * A few rules of style that are cheap to check are held here, too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { blank } from './source-text.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const PURE = ['src/config/', 'src/plan/', 'src/image/', 'src/template/', 'src/abi/']
/** Impure by their purpose, and not to be imported by pure files. */
const IMPURE_ON_PURPOSE: Readonly<Record<string, string>> = {
  'src/config/read.ts': 'reads config.json',
  'src/config/load.ts': 'reads config.json',
  'src/template/cache.ts': 'reads and writes templates',
  'src/image/generate.ts': 'a developer runs it; writes src/image/generated.ts'
}
const EFFECTFUL = ['src/linux/', 'src/cache/', 'src/cgroup/', 'src/seccomp/', 'src/container/', 'src/cli/']
/** They only compute. */
const PURE_MODULES = new Set(['node:path', 'node:path/posix'])

/** Globals by which a computation would depend on more than its input. */
const GLOBALS: readonly [RegExp, string][] = [
  [
    /(?<![.\w$])process\s*\.\s*(?:env|argv|cwd|pid|ppid|platform|arch|exit|exitCode|hrtime|uptime|stdout|stderr|stdin|get\w+|umask|kill|on)\b/,
    'process'
  ],
  [/\bnew Date\b|\bDate\s*\.\s*now\b|(?<![.\w$])Date\s*\(/, 'the clock (Date)'],
  [/(?<![.\w$])performance\s*\./, 'the clock (performance)'],
  [/\bMath\s*\.\s*random\b|(?<![.\w$])crypto\s*\./, 'randomness'],
  [/(?<![.\w$])(?:setTimeout|setInterval|setImmediate|fetch)\s*\(/, 'timers or the network'],
  [/(?<![.\w$])Bun\s*\./, 'Bun'],
  [/(?<![.\w$])globalThis\b/, 'globalThis'],
  [/(?<![.\w$])console\s*\./, 'console']
]

/** Where an architecture may decide; elsewhere a table does. Seccomp's are those of the profile, and `explain` checks what --arch names. */
const MAY_KNOW_THE_ARCHITECTURE = ['src/image/', 'src/abi/', 'src/seccomp/', 'src/cli/commands/explain.ts']
const ARCHITECTURE = /(?:[!=]==?|\bcase)\s*['"`](?:x64|arm64|amd64|x86_64|aarch64)['"`]|\bprocess\s*\.\s*arch\b/
/** They ask the machine what it is: the ABI that calls are made with, the name of koffi's addon, what it can execute. */
const ASKS_THE_ARCHITECTURE = new Set(['src/linux/ffi.ts', 'src/linux/addon.ts', 'src/container/diagnose.ts'])
const REFUSED_NAMES = /(?:^|\/)(?:utils?|helpers?|misc|common)\.ts$/

interface Import {
  readonly from: string
  readonly line: number
}

interface Source {
  /** Comments blanked out. */
  readonly code: string
  /** Comments and the contents of strings blanked out. */
  readonly bare: string
  readonly imports: readonly Import[]
}

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length
const isPure = (path: string): boolean =>
  PURE.some((folder) => path.startsWith(folder)) && !(path in IMPURE_ON_PURPOSE) && !path.endsWith('.test.ts')

/** What a file imports at run time: `import type` leaves nothing behind. */
function importsOf(code: string): Import[] {
  const statements =
    /(?:^|\n)\s*(?:import|export)\s+(?!type\b)(?:[^'"`;]*?\bfrom\s*)?['"]([^'"]+)['"]|(?<![.\w$])(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g
  return [...code.matchAll(statements)].map((found) => ({
    from: found[1] ?? found[2] ?? '',
    line: lineAt(code, found.index + found[0].length)
  }))
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const code = blank(text, { strings: false })
  return { code, bare: blank(text, { strings: true }), imports: importsOf(code) }
}

const sources = new Map<string, Source>(
  readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => [`src/${path}`, read(`src/${path}`)] as const)
)

/** Path from the root of what a relative import names. */
const resolve = (path: string, from: string): string => relative(root, join(root, dirname(path), from))

/** Why a pure file may not import `from`; undefined when it may. */
function refusal(path: string, from: string): string | undefined {
  if (!from.startsWith('.')) {
    if (PURE_MODULES.has(from)) return undefined
    return from.startsWith('node:') || ['koffi', 'yargs', 'bun'].includes(from) || from.startsWith('bun:') ? `imports ${from}` : undefined
  }
  const target = resolve(path, from)
  if (target in IMPURE_ON_PURPOSE) return `imports ${target}, which ${IMPURE_ON_PURPOSE[target]}`
  return EFFECTFUL.some((folder) => target.startsWith(folder)) ? `imports ${target}` : undefined
}

/** Every refused import that `path` reaches, with the chain that leads there. */
function* refusedImports(path: string, chain: readonly string[] = []): Generator<string> {
  for (const { from, line } of sources.get(path)?.imports ?? []) {
    const why = refusal(path, from)
    if (why) yield chain.length === 0 ? `${path}:${line}: ${why}` : `${chain[0]}: ${[...chain.slice(1), path].join(' → ')}:${line} ${why}`
    const target = resolve(path, from)
    // A pure file's own imports are reported at that file.
    if (!why && from.startsWith('.') && !isPure(target) && !chain.includes(target)) yield* refusedImports(target, [...chain, path])
  }
}

function* impureGlobals(path: string, { bare }: Source): Generator<string> {
  // `const { process } = config` is the container's process, not the runtime's.
  const shadowsProcess = /(?:const|let)\s+process\b|\bprocess\s*[,}:)]/.test(bare)
  for (const [pattern, name] of GLOBALS) {
    if (name === 'process' && shadowsProcess) continue
    const found = pattern.exec(bare)
    if (found) yield `${path}:${lineAt(bare, found.index)}: uses ${name}`
  }
}

function* styleOf(path: string, { code }: Source): Generator<string> {
  if (REFUSED_NAMES.test(path)) yield `${path}: a file is named after what it is about`
  if (path.endsWith('.test.ts') || ASKS_THE_ARCHITECTURE.has(path)) return
  const found = MAY_KNOW_THE_ARCHITECTURE.some((folder) => path.startsWith(folder)) ? undefined : ARCHITECTURE.exec(code)
  if (found)
    yield `${path}:${lineAt(code, found.index)}: branches on the architecture; put the difference into a table in src/abi or src/image`
}

const violations = [...sources].flatMap(([path, source]) => [
  ...(isPure(path) ? [...refusedImports(path), ...impureGlobals(path, source)] : []),
  ...styleOf(path, source)
])
for (const path of Object.keys(IMPURE_ON_PURPOSE))
  if (!existsSync(join(root, path))) console.log(`note: ${path} is on the list of exceptions and does not exist`)
for (const violation of violations) console.error(violation)
console.log(`${[...sources.keys()].filter(isPure).length} pure files, ${violations.length} violations`)
process.exitCode = violations.length > 0 ? 1 : 0
