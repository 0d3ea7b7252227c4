/**
 * Writes the parts of README.md and docs/ARCHITECTURE.md that the code knows better: whatever stands between `<!-- begin NAME -->` and `<!-- end NAME -->`;
 * and, as a whole, docs/cli.md and the manual pages in man/.
 * With `--check` it writes nothing, and fails when a part is stale.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cliPage } from '../src/cli/docs.ts'
import { manualPages } from '../src/cli/man.ts'
import { compile } from '../src/plan/compile.ts'
import { exampleFacts, exampleOptions, examples } from '../src/plan/examples.ts'
import { formatPlan } from '../src/plan/format.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The lines of a plan that tell the story; between them are the same things for other mounts, devices and capabilities. */
const TELLING =
  /^# |^ *\d+ {2}(clone|sethostname|pivot_root|capset|mount\(NULL)| {2}\/mounts\/0(\/destination)?$| {2}\/(root\/readonly|process\/rlimits\/0|process\/noNewPrivileges)$|execve\("\/bin\/sh/

/** An excerpt from the plan of the default spec. */
function explainSample(): string {
  const { config, facts, options } = examples.default!
  const lines = formatPlan(compile(config, exampleFacts('x64', facts), exampleOptions(options)))
    .trimEnd()
    .split('\n')
  const told = lines.map((line) => (TELLING.test(line) ? line : '  …'))
  const shown = told.filter((line, index) => line !== '  …' || told[index - 1] !== '  …')
  return ['```', '$ tsrun explain BUNDLE', ...shown, '```'].join('\n')
}

/** The example program, which is compiled and run as well. */
function libraryExample(): string {
  const source = readFileSync(join(root, 'examples/library.ts'), 'utf8')
  return ['```ts', source.slice(source.indexOf('import')).trimEnd(), '```'].join('\n')
}

/** The passes of the compiler with the reasons that stand on their lines. */
function passTable(): string {
  const source = readFileSync(join(root, 'src/plan/compile.ts'), 'utf8')
  const lines = [...source.matchAll(/^ {2}(?:\/\/ (.*)|\['([^']+)', .*?\],?(?: \/\/ (.*))?)$/gm)]
  const rows = lines.map(([, heading, pass, reason = '']) => (pass === undefined ? `| **${heading}** | |` : `| ${pass} | ${reason} |`))
  return ['| pass | why here |', '| --- | --- |', ...rows].join('\n')
}

/** What each named part consists of. */
const PARTS: Readonly<Record<string, () => string>> = { explain: explainSample, library: libraryExample, passes: passTable }

/** `text` with all its generated parts made anew. */
function filled(text: string): string {
  return text.replace(/(<!-- begin (\w+) -->\n)[\s\S]*?(<!-- end \2 -->)/g, (_, begin: string, name: string, end: string) => {
    const part = PARTS[name]
    if (part === undefined) throw new Error(`no generated part is named "${name}"`)
    return `${begin}${part()}\n${end}`
  })
}

/** Files, and what is to be in them; undefined: no such file is to be. */
function wanted(): ReadonlyMap<string, string | undefined> {
  const files = new Map<string, string | undefined>(readdirSync(join(root, 'man')).map((name) => [`man/${name}`, undefined]))
  for (const name of ['README.md', 'docs/ARCHITECTURE.md']) files.set(name, filled(readFileSync(join(root, name), 'utf8')))
  files.set('docs/cli.md', cliPage())
  for (const [name, text] of manualPages()) files.set(`man/${name}`, text)
  return files
}

function contentOf(name: string): string | undefined {
  try {
    return readFileSync(join(root, name), 'utf8')
  } catch {
    return undefined
  }
}

const check = process.argv.includes('--check')
mkdirSync(join(root, 'man'), { recursive: true })
for (const [name, text] of wanted()) {
  if (contentOf(name) === text) continue
  if (check) {
    console.error(`${name} is stale: run "npm run generate"`)
    process.exitCode = 1
  } else if (text === undefined) rmSync(join(root, name))
  else writeFileSync(join(root, name), text)
}
