/** The table of engines × features × runtimes in docs/engines.md. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { CheckResult } from '../../test/engines/check.ts'
import { engines } from '../../test/engines/index.ts'
import { runtimes } from './runtimes.ts'

const PAGE = fileURLToPath(new URL('../../docs/engines.md', import.meta.url))

const MARKS: Readonly<Record<CheckResult['outcome'], string>> = { passed: 'yes', failed: '**no**', skipped: 'not run' }

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** One table for each engine; rows that nobody has run are left out. */
export function matrix(results: readonly CheckResult[]): string {
  const names = Object.keys(runtimes)
  const tables = engines.flatMap(({ name, title }) => {
    const own = results.filter(({ engine }) => engine === name)
    const features = [...new Set(own.map(({ feature }) => feature))]
    if (features.length === 0) return []
    const rows = features.map((feature) => {
      const marks = names.map((runtime) => own.find((each) => each.feature === feature && each.runtime === runtime)?.outcome)
      return `| ${cell(feature)} | ${marks.map((mark) => (mark ? MARKS[mark] : '–')).join(' | ')} |`
    })
    return [`### ${title}`, '', `| | ${names.join(' | ')} |`, `| --- |${names.map(() => ' --- |').join('')}`, ...rows, '']
  })
  return tables.join('\n').trimEnd()
}

/** Versions of the engines and runtimes, and of the kernel. */
function versions(): string {
  const programs = ['podman', 'buildah', 'conmon', 'containerd', 'dockerd', 'docker-compose', 'runc', 'crun']
  const said = programs.flatMap((program) => {
    const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
    const version = /\d+\.\d+(\.\d+)?/.exec(stdout ?? '')?.[0]
    return version === undefined ? [] : [`${program} ${version}`]
  })
  return `${[...said, `Linux ${release().split('.').slice(0, 2).join('.')}`].join(', ')}.`
}

/** Writes it between the marks of the page. */
export function writeMatrix(results: readonly CheckResult[]): void {
  const page = readFileSync(PAGE, 'utf8')
  const filled = page.replace(
    /(<!-- begin matrix -->\n)[\s\S]*?(<!-- end matrix -->)/,
    (_, begin, end) => `${begin}${versions()}\n\n${matrix(results)}\n${end}`
  )
  writeFileSync(PAGE, filled)
}
